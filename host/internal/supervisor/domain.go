package supervisor

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"

	"bulkhead.dev/sdk/pluginv1"
)

// DomainState is the state of an instance.
type DomainState string

// The states of an instance.
const (
	StateStarting     DomainState = "starting"
	StateReady        DomainState = "ready"
	StateUnconfigured DomainState = "unconfigured"
	StateBackoff      DomainState = "backoff"
	StateQuarantined  DomainState = "quarantined"
	StateStopped      DomainState = "stopped"
)

const (
	configureTimeout = 10 * time.Second
	healthEvery      = 5 * time.Second
)

// Info is what is known of an instance now.
type Info struct {
	Instance string
	State    DomainState
	// Manifest is nil until the binary has said what it is.
	Manifest *pluginv1.Manifest
	// Secret looks up a string setting.
	Secret func(key string) (string, bool)
	PID    int
	// Restarts counts the processes after the first.
	Restarts int
	// Reason says why it is not ready.
	Reason string
}

// Domain keeps one instance running: one generation after the other.
type Domain struct {
	cfg    Config
	binary Binary
	log    hclog.Logger
	lines  *lockedLog
	resume chan struct{}
	solo   sync.WaitGroup // processes that run one job alone

	mu       sync.Mutex
	info     Info
	current  *generation // nil: none takes work
	solos    map[*generation]struct{}
	changed  chan struct{}
	tried    chan struct{} // closed after the first start was tried
	triedSet bool
}

func newDomain(cfg Config, binary Binary) *Domain {
	log := cfg.Log.Named(binary.Instance).With("plugin", binary.Instance)
	return &Domain{
		cfg: cfg, binary: binary, log: log, lines: &lockedLog{log: newPluginLog(log)},
		resume:  make(chan struct{}, 1),
		solos:   map[*generation]struct{}{},
		info:    Info{Instance: binary.Instance, State: StateStarting},
		changed: make(chan struct{}), tried: make(chan struct{}),
	}
}

// lockedLog serialises the two streams of a process.
type lockedLog struct {
	mu  sync.Mutex
	log *pluginLog
}

func (l *lockedLog) Line(line []byte, stream string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.log.Line(line, stream)
}

// Info returns what is known now.
func (d *Domain) Info() Info {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.info
}

// set changes the state and tells whoever watches.
func (d *Domain) set(change func(*Info)) {
	d.mu.Lock()
	change(&d.info)
	d.mu.Unlock()
	d.cfg.Changed(d)
}

// Resume ends a quarantine; it does nothing in any other state.
func (d *Domain) Resume() {
	if d.Info().State != StateQuarantined {
		return
	}
	select {
	case d.resume <- struct{}{}:
	default: // resumed already
	}
}

// run keeps the instance alive until ctx ends, then drains it.
func (d *Domain) run(ctx context.Context) {
	failures := 0
	for starts := 0; ctx.Err() == nil; starts++ {
		d.set(func(i *Info) { i.State, i.PID = StateStarting, 0; i.Restarts = starts })
		began := time.Now()
		err := d.live(ctx)
		if ctx.Err() != nil {
			break
		}
		if time.Since(began) >= d.cfg.Restart.Healthy {
			failures = 0
		}
		failures++
		if failures > d.cfg.Restart.Failures {
			d.quarantine(ctx, err)
			failures = 0
			continue
		}
		wait := d.cfg.Restart.wait(failures)
		d.log.Warn("the plugin ended; it is started again", "error", err, "in", wait, "failures", failures)
		d.set(func(i *Info) { i.State, i.PID, i.Reason = StateBackoff, 0, err.Error() })
		select {
		case <-ctx.Done():
		case <-time.After(wait):
		}
	}
	d.set(func(i *Info) { i.State, i.PID, i.Reason = StateStopped, 0, "" })
}

// quarantine holds a plugin that does not stay up until someone resumes it.
func (d *Domain) quarantine(ctx context.Context, err error) {
	d.log.Error("the plugin is quarantined; mend it and resume it", "error", err)
	d.set(func(i *Info) { i.State, i.PID, i.Reason = StateQuarantined, 0, err.Error() })
	select {
	case <-ctx.Done():
	case <-d.resume:
	}
}

// live runs one generation to its end and says why it ended.
func (d *Domain) live(ctx context.Context) error {
	startCtx, cancel := context.WithTimeout(ctx, d.startTime())
	defer cancel()
	defer d.tryDone()
	g, err := d.start(startCtx)
	if err != nil {
		return err
	}
	defer d.publish(nil)
	err = d.configure(startCtx, g)
	var faults FieldFaults
	switch {
	case errors.As(err, &faults), errors.Is(err, ErrSettings):
		d.log.Error("the plugin is not configured", "error", err)
		d.described(g, StateUnconfigured, err.Error())
	case err != nil:
		g.end(ctx, 0)
		return err
	default:
		d.publish(g)
		d.described(g, StateReady, "")
		d.log.Info("the plugin is ready", "version", g.manifest.GetVersion(), "pid", g.plugin.Pid())
	}
	d.tryDone()
	return d.stay(ctx, g)
}

// stay waits for the generation's end, or ends it when ctx does or when it no longer answers.
func (d *Domain) stay(ctx context.Context, g *generation) error {
	tick := time.NewTicker(healthEvery)
	defer tick.Stop()
	answered := time.Now()
	for {
		select {
		case <-g.gone():
			d.publish(nil)
			err := g.cause()
			g.end(ctx, 0)
			return err
		case <-ctx.Done():
			g.end(ctx, d.cfg.Grace())
			return ctx.Err()
		case <-tick.C:
			if err := g.plugin.Health(ctx); err == nil {
				answered = time.Now()
			} else if time.Since(answered) >= d.cfg.HungAfter(d.binary.Instance) {
				d.log.Error("the plugin does not answer and is killed", "error", err)
				d.publish(nil)
				g.end(ctx, 0)
				return errors.New("the plugin did not answer its health calls")
			}
		}
	}
}

// startTime bounds a start with its configuration. A start that may take for ever is one under a debugger.
func (d *Domain) startTime() time.Duration {
	start := d.cfg.StartTimeout(d.binary.Instance)
	return max(start, start+configureTimeout) // the sum may overflow
}

func (d *Domain) tryDone() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.triedSet {
		d.triedSet = true
		close(d.tried)
	}
}

// described publishes what the process said of itself.
func (d *Domain) described(g *generation, state DomainState, reason string) {
	settings, err := d.cfg.Settings(d.binary.Instance, g.manifest.GetSettingsSchema())
	d.set(func(i *Info) {
		i.State, i.Reason, i.Manifest, i.PID = state, reason, g.manifest, g.plugin.Pid()
		i.Secret = settings.Lookup
		if err != nil {
			i.Secret = func(string) (string, bool) { return "", false }
		}
	})
}
