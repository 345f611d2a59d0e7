// Package supervisor keeps plugin processes alive: it finds the binaries, starts one process an instance, watches it,
// starts it again when it dies, and ends it in the end. It hands runs to whatever process is current and knows
// nothing of queues or HTTP.
package supervisor

import (
	"cmp"
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
)

// ErrSettings marks faults of an instance's settings that the host found itself.
var ErrSettings = errors.New("settings")

// Settings are the settings of one instance.
type Settings struct {
	// JSON is the settings object with secrets resolved.
	JSON []byte
	// Lookup finds a string setting; it may be nil.
	Lookup func(key string) (string, bool)
}

// Config is what a Supervisor needs.
type Config struct {
	// Binaries are the instances to run.
	Binaries []Binary
	// RunDir is a private directory with a short path, for sockets.
	RunDir string
	// PublicURL and Version are told to plugins.
	PublicURL, Version string
	// Settings resolves an instance's settings against its schema; an error that is ErrSettings leaves the instance
	// unconfigured.
	Settings func(instance string, schema []byte) (Settings, error)
	State    State
	// Changed is called after an instance's Info has changed. It must not block.
	Changed func(*Domain)
	// StartTimeout bounds one start of an instance.
	StartTimeout func(instance string) time.Duration
	// HungAfter is how long an instance may leave health calls unanswered before it is killed.
	HungAfter func(instance string) time.Duration
	// Restart says how a plugin that ended is started again.
	Restart Restart
	// Grace says how long a plugin may drain at the end.
	Grace func() time.Duration
	// Lease is given to processes that run one job alone.
	Lease time.Duration
	Log   hclog.Logger
}

// Restart is the policy by which a plugin that ended is started again. Zero fields take the stated default.
type Restart struct {
	// First is the wait after the first failure, doubled after each further one; 0: 100 ms.
	First time.Duration
	// Longest bounds it; 0: 30 s.
	Longest time.Duration
	// Healthy is how long a process must live for the failures before it to be forgotten; 0: 60 s.
	Healthy time.Duration
	// Failures in a row are started again; the next one ends in quarantine. 0: 10.
	Failures int
}

func (r Restart) withDefaults() Restart {
	return Restart{
		First: cmp.Or(r.First, 100*time.Millisecond), Longest: cmp.Or(r.Longest, 30*time.Second),
		Healthy: cmp.Or(r.Healthy, time.Minute), Failures: cmp.Or(r.Failures, 10),
	}
}

// wait is the time before the start after the nth failure in a row: doubled each time, between half of it and the whole.
func (r Restart) wait(n int) time.Duration {
	d := min(r.First<<min(n-1, 20), r.Longest)
	return d/2 + rand.N(d/2+1) //nolint:gosec // G404: jitter needs no secrecy
}

// Supervisor runs all instances of this node.
type Supervisor struct {
	domains []*Domain
	wg      sync.WaitGroup
}

// New returns a Supervisor that has started nothing yet.
func New(cfg Config) *Supervisor {
	cfg.Restart = cfg.Restart.withDefaults()
	s := &Supervisor{}
	for _, binary := range cfg.Binaries {
		s.domains = append(s.domains, newDomain(cfg, binary))
	}
	return s
}

// Domains returns the instances, in the order of their names.
func (s *Supervisor) Domains() []*Domain { return s.domains }

// Run keeps all instances alive until ctx ends; then it drains and ends them, and returns when no process is left.
func (s *Supervisor) Run(ctx context.Context) error {
	for _, d := range s.domains {
		s.wg.Go(func() { d.run(ctx) })
	}
	s.wg.Wait()
	for _, d := range s.domains {
		d.solo.Wait()
	}
	return nil
}

// Tried waits until each instance has been started once, with or without success.
func (s *Supervisor) Tried(ctx context.Context) error {
	for _, d := range s.domains {
		select {
		case <-d.tried:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}
