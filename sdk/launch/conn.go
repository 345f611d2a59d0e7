package launch

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	plugin "github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"bulkhead.dev/sdk/pluginv1"
	"bulkhead.dev/sdk/wire"
)

// Bounds of waiting for a plugin, beside the callers' own.
const (
	healthTimeout = 2 * time.Second
	// graceEnd is how long an asked plugin may take to go before its group is killed.
	graceEnd = time.Second
	// stuckEnd is how long a killed process may take to be gone; the kernel can hold one in a file system call.
	stuckEnd = 5 * time.Second
	// deathNotice is how long a failed call waits for the news that the process has died, to say so.
	deathNotice = 200 * time.Millisecond
)

// Errors that a caller decides by.
var (
	// ErrGone says that the process has ended: nothing that was asked of it will be answered.
	ErrGone = errors.New("the plugin's process is gone")
	// ErrStuck says that the process did not end although it was killed.
	ErrStuck = errors.New("the plugin's process does not end")
	// ErrRefused says that the plugin answered something that the contract does not allow.
	ErrRefused = errors.New("the plugin's answer is refused")
	// ErrNotServing says that the plugin answers, and that it is not well.
	ErrNotServing = errors.New("the plugin does not serve")
)

// Plugin is one running process of a plugin. Its methods may be called at once from many goroutines.
type Plugin struct {
	cfg       Config
	proc      *process
	client    *plugin.Client
	conn      *grpc.ClientConn
	socketDir string

	endOnce sync.Once
	endErr  error

	mu         sync.Mutex
	maxReceive int64   // of the manifest
	work       []*Work // open streams
}

// Pid is the process id, which is its process group's too.
func (p *Plugin) Pid() int { return p.proc.cmd.Process.Pid }

// Done is closed when the process has ended, for whatever reason, at once and without polling.
func (p *Plugin) Done() <-chan struct{} { return p.proc.done }

// Err says how the process ended ("signal: killed"), as an error that wraps ErrGone; nil while it runs. An
// *exec.ExitError in it has the details.
func (p *Plugin) Err() error {
	select {
	case <-p.proc.done:
		return fmt.Errorf("%w: %w", ErrGone, p.proc.err)
	default:
		return nil
	}
}

// Dropped is how many bytes of output were dropped because their line was longer than 64 kB.
func (p *Plugin) Dropped() int64 { return p.proc.dropped.Load() }

// Describe asks what the plugin is, and checks the answer: see wire.CheckManifest for what its error tells.
func (p *Plugin) Describe(ctx context.Context, hostVersion string) (*pluginv1.Manifest, error) {
	answer, err := pluginv1.NewPluginServiceClient(p.conn).Describe(ctx, &pluginv1.DescribeRequest{
		HostVersion: hostVersion, Features: wire.Features(),
	})
	if err != nil {
		return nil, p.failed("describe", err)
	}
	if err := wire.CheckUnknown(answer); err != nil {
		return nil, fmt.Errorf("describe %s: %w: %w", p.cfg.Instance, ErrRefused, err)
	}
	if err := wire.CheckManifest(answer.GetManifest()); err != nil {
		return nil, fmt.Errorf("describe %s: %w: %w", p.cfg.Instance, ErrRefused, err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.maxReceive = answer.GetManifest().GetMaxReceiveBytes()
	return answer.GetManifest(), nil
}

// Configure hands over the settings. Field errors are the plugin's verdict on them; the error is for a call that
// failed. It may be called again when settings were at fault.
func (p *Plugin) Configure(ctx context.Context, req *pluginv1.ConfigureRequest) ([]*pluginv1.FieldError, error) {
	answer, err := pluginv1.NewPluginServiceClient(p.conn).Configure(ctx, req)
	if err != nil {
		return nil, p.failed("configure", err)
	}
	if err := wire.CheckUnknown(answer); err != nil {
		return nil, fmt.Errorf("configure %s: %w: %w", p.cfg.Instance, ErrRefused, err)
	}
	return answer.GetErrors(), nil
}

// Drain asks the plugin to take no new job and waits until those in flight have ended and their outcomes have come
// (callbacks returned), or ctx ends. Send nothing after it.
func (p *Plugin) Drain(ctx context.Context) error {
	answer, err := pluginv1.NewPluginServiceClient(p.conn).Drain(ctx, &pluginv1.DrainRequest{})
	if err != nil {
		return p.failed("drain", err)
	}
	if err := wire.CheckUnknown(answer); err != nil {
		return fmt.Errorf("drain %s: %w: %w", p.cfg.Instance, ErrRefused, err)
	}
	// The answer may overtake the last outcomes: it goes by another stream.
	for _, w := range p.streams() {
		if err := w.empty(ctx); err != nil {
			return fmt.Errorf("drain %s: %w", p.cfg.Instance, err)
		}
	}
	return nil
}

// Health asks whether the plugin serves, within 2 s or ctx. A plugin that hangs, dies or says anything but SERVING is
// an error.
func (p *Plugin) Health(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, healthTimeout)
	defer cancel()
	answer, err := healthv1.NewHealthClient(p.conn).Check(ctx, &healthv1.HealthCheckRequest{Service: plugin.GRPCServiceName})
	if err != nil {
		return p.failed("health", err)
	}
	if answer.GetStatus() != healthv1.HealthCheckResponse_SERVING {
		return fmt.Errorf("health %s: %w: %s", p.cfg.Instance, ErrNotServing, answer.GetStatus())
	}
	return nil
}

// failed words a failed call. gRPC says Unavailable both for a call that failed and for a plugin that died: a short
// wait for the news of the death tells them apart.
func (p *Plugin) failed(what string, err error) error {
	if code := status.Code(err); code == codes.Unavailable || code == codes.Canceled {
		timer := time.NewTimer(deathNotice)
		defer timer.Stop()
		select {
		case <-p.proc.done:
			return fmt.Errorf("%s %s: %w", what, p.cfg.Instance, p.Err())
		case <-timer.C:
		}
	}
	return fmt.Errorf("%s %s: %w", what, p.cfg.Instance, err)
}

// End ends the process and whatever is left of its group, drained or not: it asks first, kills after a second (or
// when ctx ends), and gives up 5 s later with ErrStuck. Drain is the caller's, before. When it returns nil the
// process is gone, its output has been read and its socket removed. Every call returns the first one's result.
func (p *Plugin) End(ctx context.Context) error {
	p.endOnce.Do(func() { p.endErr = p.end(ctx) })
	return p.endErr
}

func (p *Plugin) end(ctx context.Context) error {
	killed := make(chan struct{})
	go func() {
		// It asks the plugin over gRPC without a deadline and then waits for the process: it may hang until that is
		// dead, never longer.
		p.client.Kill()
		close(killed)
	}()
	grace := time.NewTimer(graceEnd)
	defer grace.Stop()
	select {
	case <-p.proc.done:
	case <-grace.C:
		p.proc.kill()
	case <-ctx.Done():
		p.proc.kill()
	}
	stuck := time.NewTimer(stuckEnd)
	defer stuck.Stop()
	select {
	case <-p.proc.done:
	case <-stuck.C:
		p.cfg.Logger.Error("a plugin's process was killed and does not end", "instance", p.cfg.Instance, "pid", p.Pid())
		return fmt.Errorf("end %s: pid %d: %w", p.cfg.Instance, p.Pid(), ErrStuck)
	}
	for _, w := range p.streams() {
		w.cancel(p.Err()) // not waited for: a callback is the caller's
	}
	p.proc.settle()
	select {
	case <-killed:
	case <-stuck.C:
		p.cfg.Logger.Error("go-plugin does not let go of a plugin that has ended", "instance", p.cfg.Instance, "pid", p.Pid())
	}
	p.removeSockets()
	return nil
}

// removeSockets removes go-plugin's directory, which go-plugin leaves behind when a start fails early.
func (p *Plugin) removeSockets() {
	if p.socketDir == "" {
		return
	}
	if err := os.RemoveAll(p.socketDir); err != nil {
		p.cfg.Logger.Warn("a socket directory stays behind", "instance", p.cfg.Instance, "error", err)
	}
}
