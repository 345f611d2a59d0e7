package supervisor

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"
	"golang.org/x/time/rate"

	"bulkhead.dev/sdk/launch"
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
	StateDraining     DomainState = "draining"
	StateStopped      DomainState = "stopped"
)

// Info is what is known of an instance now.
type Info struct {
	Instance string
	State    DomainState
	// Manifest is nil until the binary has said what it is.
	Manifest *pluginv1.Manifest
	// Secret looks up a string setting; nil until the binary has said what it is.
	Secret func(key string) (string, bool)
	// PID is that of the current process; 0: there is none.
	PID int
	// Restarts counts the starts after the first.
	Restarts int
	// Reason says why it is not ready, or why it was not before.
	Reason string
}

// Domain keeps one instance running: one generation after the other.
type Domain struct {
	cfg    Config
	binary Binary
	log    hclog.Logger
	limit  *rate.Limiter  // of what the instance may log
	lost   atomic.Int64   // lines beyond it
	again  chan struct{}  // asks for a new process
	tried  chan struct{}  // closed after the first start was tried
	slots  chan struct{}  // one for each process that runs one job alone
	solos  sync.WaitGroup // those processes

	// life ends when run is about to return.
	life context.Context //nolint:containedctx // of what StartAlone starts
	bury context.CancelFunc

	once sync.Once // closes tried

	mu          sync.Mutex
	info        Info
	current     *generation // takes new runs; nil: none does
	generations map[*generation]struct{}
	changed     chan struct{} // closed when another becomes current
	leased      time.Time     // until when the node may work, as far as it was told
}

func newDomain(cfg Config, binary Binary) *Domain {
	d := &Domain{
		cfg: cfg, binary: binary, log: cfg.Log.Named(binary.Instance).With("plugin", binary.Instance),
		limit: rate.NewLimiter(logLinesPerSecond, logBurst),
		again: make(chan struct{}, 1), tried: make(chan struct{}),
		slots: make(chan struct{}, aloneAtOnce), changed: make(chan struct{}),
		generations: map[*generation]struct{}{},
		info:        Info{Instance: binary.Instance, State: StateStarting},
	}
	d.life, d.bury = context.WithCancel(context.Background())
	return d
}

// Info returns what is known now.
func (d *Domain) Info() Info {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.info
}

// LinesDropped counts the lines of the instance's log that went beyond its rate.
func (d *Domain) LinesDropped() int64 { return d.lost.Load() }

// set changes the state and tells whoever watches.
func (d *Domain) set(change func(*Info)) {
	d.mu.Lock()
	change(&d.info)
	d.mu.Unlock()
	d.cfg.Changed(d)
}

// Restart asks for a new process: the current one is drained first, and a quarantine or a wait ends. It returns at once.
func (d *Domain) Restart() {
	select {
	case d.again <- struct{}{}:
	default: // asked already
	}
}

// errAsked ends a generation because somebody asked for a new one.
var errAsked = errors.New("a restart was asked for")

// run keeps the instance alive until ctx ends, then drains it. When it returns no process is left.
func (d *Domain) run(ctx context.Context) {
	var ends record
	for starts := 0; ctx.Err() == nil; starts++ {
		d.unask()
		d.set(func(i *Info) { i.State, i.PID, i.Restarts = StateStarting, 0, starts })
		ready, err := d.live(ctx)
		d.once.Do(func() { close(d.tried) })
		if ctx.Err() != nil {
			break
		}
		wait := ends.note(d.cfg.Restart, ready)
		switch {
		case errors.Is(err, errAsked):
			ends = record{}
		case ends.unready > d.cfg.Restart.Failures, errors.Is(err, ErrUnfit):
			d.log.Error("the plugin is quarantined; mend it, then: host plugins restart "+d.binary.Instance, "error", err)
			d.rest(ctx, StateQuarantined, err, nil)
			ends = record{}
		default:
			d.log.Warn("the plugin ended; it is started again", "error", err, "in", wait, "failures", ends.ends)
			timer := time.NewTimer(wait)
			d.rest(ctx, StateBackoff, err, timer.C)
			timer.Stop()
		}
	}
	d.mu.Lock()
	d.bury() // under the lock: spawn starts nothing after it
	d.mu.Unlock()
	d.solos.Wait()
	d.set(func(i *Info) { i.State, i.PID, i.Reason = StateStopped, 0, "" })
}

// rest waits without a process until its time is over, ctx ends or somebody asks for a process.
func (d *Domain) rest(ctx context.Context, state DomainState, err error, over <-chan time.Time) {
	d.set(func(i *Info) { i.State, i.PID, i.Reason = state, 0, err.Error() })
	select {
	case <-ctx.Done():
	case <-over:
	case <-d.again:
	}
}

func (d *Domain) unask() {
	select {
	case <-d.again:
	default:
	}
}

// live runs one generation to its end and says why it ended, and how long it was ready.
func (d *Domain) live(ctx context.Context) (ready time.Duration, err error) {
	g, err := d.start(ctx, d.log)
	if err != nil {
		return 0, err
	}
	defer d.withdraw(g)
	state, reason := StateReady, ""
	switch err = g.fault; {
	case err != nil:
		d.log.Error("the plugin is not configured", "error", err)
		state, reason = StateUnconfigured, err.Error()
	default:
		d.publish(g)
		d.log.Info("the plugin is ready", "version", g.manifest.GetVersion(), "pid", g.plugin.Pid())
	}
	d.set(func(i *Info) {
		i.State, i.Reason, i.PID = state, reason, g.plugin.Pid()
		i.Manifest, i.Secret = g.manifest, g.settings.lookup
	})
	d.once.Do(func() { close(d.tried) })
	since := time.Now()
	err = d.stay(ctx, g)
	return max(time.Since(since), 1), err // a coarse clock may not have moved
}

// stay waits for the generation's end, or ends it when ctx does, when somebody asks for it or when it no longer
// answers. When it returns nothing of the generation is left.
func (d *Domain) stay(ctx context.Context, g *generation) error {
	tick := time.NewTicker(d.cfg.HealthEvery)
	defer tick.Stop()
	answered := time.Now()
	for {
		select {
		case <-g.gone():
			err := g.cause()
			g.kill(ctx, err)
			return err
		case <-ctx.Done():
			d.retire(ctx, g)
			return ctx.Err()
		case <-d.again:
			d.retire(ctx, g)
			return errAsked
		case <-tick.C:
			if err := g.plugin.Health(ctx); err == nil {
				answered = time.Now()
			} else if silent := time.Since(answered); silent >= d.cfg.HungAfter(d.binary.Instance) && ctx.Err() == nil {
				d.log.Error("the plugin does not answer and is killed", "silent", silent, "error", err)
				g.kill(ctx, errHung)
				return errHung
			}
		}
	}
}

// errHung is why the runs of a process end that did not answer: one of them may be to blame.
var errHung = errors.New("it did not answer its health calls and was killed")

// retire drains a generation that is no longer wanted and ends it.
func (d *Domain) retire(ctx context.Context, g *generation) {
	d.publish(nil)
	d.set(func(i *Info) { i.State = StateDraining })
	g.stop(ctx, d.cfg.Grace())
}

// startTime bounds a start. "never" is taken for a year: it is added to elsewhere, and must not overflow.
func (d *Domain) startTime() time.Duration {
	const year = 365 * 24 * time.Hour
	start := d.cfg.StartTimeout(d.binary.Instance)
	if start <= 0 {
		start = launch.DefaultStartTimeout
	}
	return min(start, year)
}
