package dispatch

import (
	"context"
	"sync"

	"bulkhead.dev/host/internal/queue"
)

// flight is one run from its delivery to its settlement.
type flight struct {
	queue.Delivery

	// cancelled is closed when the queue asks the run to end; reason is written before.
	cancelled chan struct{}
	once      sync.Once
	reason    string

	started sync.Once // see Loop.begun
}

func (f *flight) cancel(reason string) {
	f.once.Do(func() {
		f.reason = reason
		close(f.cancelled)
	})
}

// isCancelled says whether the run was asked to end.
func (f *flight) isCancelled() bool {
	select {
	case <-f.cancelled:
		return true
	default:
		return false
	}
}

// begin runs one delivery in a goroutine of its own, which the loop waits for.
func (l *Loop) begin(ctx context.Context, d queue.Delivery) {
	f := &flight{Delivery: d, cancelled: make(chan struct{})}
	l.mu.Lock()
	l.flights[f.Token()] = f
	if !f.Suspect {
		l.together++
		l.starting++
	}
	l.mu.Unlock()
	l.cfg.Recorder.Flying(l.cfg.Instance, 1)
	l.runs.Go(func() {
		defer l.land(f)
		l.run(ctx, f)
	})
}

// begun notes that the process has the run, or that it will not get it. It is called once or more for each flight.
func (l *Loop) begun(f *flight) {
	if f.Suspect {
		return
	}
	f.started.Do(func() {
		l.mu.Lock()
		l.starting--
		l.mu.Unlock()
		l.move()
	})
}

func (l *Loop) land(f *flight) {
	l.begun(f)
	l.cfg.Recorder.Flying(l.cfg.Instance, -1)
	l.mu.Lock()
	delete(l.flights, f.Token())
	if !f.Suspect {
		l.together--
	}
	l.mu.Unlock()
	l.move()
}

func (l *Loop) move() {
	select {
	case l.moved <- struct{}{}:
	default: // the loop will look anyway
	}
}

// slots is how many runs may begin beside those in flight, and how many of these are not yet seen in the process' room,
// which must be asked after.
//
// Suspects run a few at a time, each in a process of its own, so they take no slot from the others: what one crash has made of
// a whole process' runs does not hold up those that follow. Only a plugin that goes on crashing while its suspects still
// wait gets less and less.
func (l *Loop) slots() (slots, starting int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return min(l.limit-l.together, 2*l.limit-len(l.flights)), l.starting
}

// awaitMove waits until a run has been started or settled.
func (l *Loop) awaitMove(ctx context.Context) {
	select {
	case <-ctx.Done():
	case <-l.moved:
	}
}

// cancel is called by the queue: the run's job was cancelled, or another node has it. The run's own goroutine tells the
// process, so that a run that is just starting is told too.
func (l *Loop) cancel(token, reason string) {
	l.mu.Lock()
	f := l.flights[token]
	l.mu.Unlock()
	if f != nil {
		f.cancel(reason)
	}
}
