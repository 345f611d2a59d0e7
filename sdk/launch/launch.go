// Package launch is the host's half of the contract.
package launch

import (
	"context"
	"errors"
	"time"

	"github.com/hashicorp/go-hclog"

	"bulkhead.dev/sdk/pluginv1"
)

// Errors that a caller decides by.
var (
	ErrNoCredit = errors.New("the plugin has no room for it")
	ErrClosed   = errors.New("the work stream is closed")
	ErrGone     = errors.New("the plugin's process is gone")
	ErrStuck    = errors.New("the plugin's process does not end")
	ErrTooLarge = errors.New("the run is larger than the plugin receives")
	ErrRefused  = errors.New("the plugin's answer is refused")
)

// Config says what to start and how.
type Config struct {
	Path         string
	Exec         string
	Args         []string
	Env          []string
	Dir          string
	Instance     string
	Logger       hclog.Logger
	Log          func(line []byte, stream string)
	StartTimeout time.Duration
}

// Plugin is one running process of a plugin.
type Plugin struct{}

func Start(ctx context.Context, cfg Config) (*Plugin, error) { return nil, errors.New("not built yet") }

func (p *Plugin) Describe(ctx context.Context, hostVersion string) (*pluginv1.Manifest, error) {
	return nil, ErrGone
}
func (p *Plugin) Configure(ctx context.Context, req *pluginv1.ConfigureRequest) ([]*pluginv1.FieldError, error) {
	return nil, ErrGone
}
func (p *Plugin) Work(ctx context.Context, onOutcome func(*pluginv1.Outcome)) (*Work, error) {
	return nil, ErrGone
}
func (p *Plugin) Drain(ctx context.Context) error  { return ErrGone }
func (p *Plugin) Health(ctx context.Context) error { return ErrGone }
func (p *Plugin) End(ctx context.Context) error    { return ErrGone }
func (p *Plugin) Pid() int                         { return 0 }
func (p *Plugin) Done() <-chan struct{}            { return nil }
func (p *Plugin) Err() error                       { return nil }
func (p *Plugin) Dropped() int64                   { return 0 }

// Work is one open stream of jobs.
type Work struct{}

func (w *Work) Send(run *pluginv1.Run) error  { return ErrClosed }
func (w *Work) Cancel(token, reason string)   {}
func (w *Work) Lease(d time.Duration)         {}
func (w *Work) Free() (jobs int, bytes int64) { return 0, 0 }
func (w *Work) InFlight() int                 { return 0 }
func (w *Work) Changed() <-chan struct{}      { return nil }
func (w *Work) Done() <-chan struct{}         { return nil }
func (w *Work) Err() error                    { return nil }
func (w *Work) Close()                        {}
