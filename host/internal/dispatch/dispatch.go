// Package dispatch moves jobs from a domain's queue into its plugin process and their outcomes back.
//
// One Loop a domain: it reads as many jobs as the plugin has room for (dispatch.go), gives each run to the process and
// waits for its outcome (run.go, flight.go), and settles it (settle.go, facts.go). A Router turns facts into the jobs of
// their subscribers (router.go). The package knows no HTTP and no Redis, and nothing of how processes are kept alive.
package dispatch

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"

	"bulkhead.dev/host/internal/queue"
	"bulkhead.dev/host/internal/supervisor"
	"bulkhead.dev/sdk/pluginv1"
)

// Worker is the plugin process, whichever generation is current.
type Worker interface {
	// Free says how many runs there is room for.
	Free() int
	// Room waits until there may be room again, at most for the given time.
	Room(ctx context.Context, atMost time.Duration)
	// Start begins a run; when err is nil, done is called exactly once.
	Start(run *pluginv1.Run, done func(supervisor.Ended)) error
	// StartAlone begins a run in a process of its own.
	StartAlone(ctx context.Context, run *pluginv1.Run, done func(supervisor.Ended)) error
	// Cancel asks the process to end a run; its outcome still comes.
	Cancel(runToken, reason string)
	// Forget gives up a run; false when it has ended already.
	Forget(runToken string) bool
	// Lease tells the process how long it may go on.
	Lease(remaining time.Duration)
}

// Domain is the domain's half of the queue.
type Domain interface {
	Run(ctx context.Context) error
	Read(ctx context.Context, free int) ([]queue.Delivery, error)
	Settle(ctx context.Context, s queue.Settlement) (won bool, err error)
	Lease() time.Duration
}

// Recorder counts runs. Implementations must be safe for concurrent use.
type Recorder interface {
	Run(instance, jobType, outcome string, took time.Duration)
	Settled(instance string, won bool)
	// Flying changes the number of runs that have begun and are not settled.
	Flying(instance string, change int)
}

// Config is what a Loop needs.
type Config struct {
	Instance string
	Manifest *pluginv1.Manifest
	// Operator is the operator's policy; it goes before the plugin's.
	Operator *pluginv1.Policy
	Worker   Worker
	// Open makes the domain's half of the queue. Reserve is the number of slots that only callers who wait get; cancel is
	// called when a run should end.
	Open     func(reserve int, cancel func(token, reason string)) (Domain, error)
	Recorder Recorder
	// Lease is the queue's lease; the plugin hears of it every quarter.
	Lease time.Duration
	// Alone is how many suspects run at once, each in a process of its own; 0: 4.
	Alone int
	// Grace says, when the loop is to end, how long runs may go on.
	Grace func() time.Duration
	// Overtime is what a run that was asked to end, at its deadline or by a cancel, gets to answer; 0: 5 s.
	Overtime time.Duration
	Log      hclog.Logger
}

const (
	// idle is how long the loop waits for room before it looks again.
	idle = time.Second
	// readPause is the wait after a failed read.
	readPause = 250 * time.Millisecond
	// awayPause is the wait of a job that was read while its process went away. While there is none nothing is read, so
	// it is started again with the next process, not every awayPause.
	awayPause = 10 * time.Millisecond
	// defaultAlone is Config.Alone where it is not set.
	defaultAlone = 4
	// defaultOvertime is Config.Overtime where it is not set.
	defaultOvertime = 5 * time.Second
)

// Loop runs the jobs of one instance. Make one with New.
type Loop struct {
	cfg      Config
	domain   Domain
	log      hclog.Logger
	shapes   shapes
	policies policies
	facts    map[string]bool // types that the plugin may emit
	limit    int

	// alone has a place for each suspect that may run at once; it takes one for as long as it runs.
	alone chan struct{}
	// moved gets a value when a run has been started or settled.
	moved chan struct{}

	mu       sync.Mutex
	flights  map[string]*flight // by run token
	together int                // flights that are no suspects
	starting int                // of these, those that the process does not have yet

	runs sync.WaitGroup
}

// New returns a Loop; an error means that the manifest's schemas, the lease or the queue's options are wrong.
func New(cfg Config) (*Loop, error) {
	if cfg.Lease < 4 {
		return nil, fmt.Errorf("lease of %s", cfg.Lease)
	}
	cfg.Overtime = cmp.Or(max(cfg.Overtime, 0), defaultOvertime)
	l := &Loop{
		cfg: cfg, log: cfg.Log.With("plugin", cfg.Instance), policies: policiesOf(cfg.Manifest, cfg.Operator),
		facts: map[string]bool{}, flights: map[string]*flight{},
		alone: make(chan struct{}, cmp.Or(cfg.Alone, defaultAlone)), moved: make(chan struct{}, 1),
	}
	for _, fact := range cfg.Manifest.GetFacts() {
		l.facts[fact] = true
	}
	l.limit = l.policies.domain.concurrency
	var err error
	if l.shapes, err = compileShapes(cfg.Manifest); err != nil {
		return nil, err
	}
	l.domain, err = cfg.Open(reserve(cfg.Manifest, l.limit), l.cancel)
	if err != nil {
		return nil, fmt.Errorf("queue of %s: %w", cfg.Instance, err)
	}
	return l, nil
}

// reserve keeps an eighth of the slots for callers who wait, where there are any.
func reserve(m *pluginv1.Manifest, slots int) int {
	for _, route := range m.GetRoutes() {
		if route.GetPattern() == pluginv1.Pattern_PATTERN_SYNC && slots > 1 {
			return max(1, slots/8)
		}
	}
	return 0
}

// Run reads and runs jobs until ctx ends, then waits at most Grace() for the runs in flight; what is still running then
// is given back.
func (l *Loop) Run(ctx context.Context) error {
	// The domain's roles beat for the runs, so they end after the last run.
	roles, endRoles := context.WithCancel(context.WithoutCancel(ctx))
	defer endRoles()
	var background sync.WaitGroup
	background.Go(func() { l.lease(roles) })
	background.Go(func() {
		if err := l.domain.Run(roles); err != nil {
			l.log.Error("the queue's roles ended", "error", err)
		}
	})
	work, stop := context.WithCancelCause(context.WithoutCancel(ctx))
	defer stop(nil)
	l.read(ctx, work)
	timer := time.AfterFunc(l.cfg.Grace(), func() { stop(errStopping) })
	l.runs.Wait()
	timer.Stop()
	endRoles()
	background.Wait()
	return nil
}

var errStopping = errors.New("the host stops")

// read is the loop itself. Runs live in work, which outlives ctx by the grace.
func (l *Loop) read(ctx, work context.Context) {
	for ctx.Err() == nil {
		slots, starting := l.slots()
		free := min(slots, l.cfg.Worker.Free()-starting)
		switch {
		case free > 0:
		case slots <= 0 || starting > 0:
			l.awaitMove(ctx)
			continue
		default:
			l.cfg.Worker.Room(ctx, idle)
			continue
		}
		deliveries, err := l.domain.Read(ctx, free)
		if len(deliveries) > 0 {
			l.extend() // a process that has just taken over must not begin on its predecessor's lease, or on none
		}
		for _, delivery := range deliveries {
			l.begin(work, delivery)
		}
		if err != nil && ctx.Err() == nil {
			l.log.Warn("the queue can't be read", "error", err)
			pause(ctx, readPause)
		}
	}
}

func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// lease tells the plugin every quarter how long the node may go on without another word from the queue.
func (l *Loop) lease(ctx context.Context) {
	tick := time.NewTicker(l.cfg.Lease / 4)
	defer tick.Stop()
	for {
		l.extend()
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// extend says nothing before the node's first beat, nor when its lease has ended: the plugin's own clock ends that one.
func (l *Loop) extend() {
	if remaining := l.domain.Lease(); remaining > 0 {
		l.cfg.Worker.Lease(remaining)
	}
}
