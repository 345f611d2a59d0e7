package supervisor

import (
	"context"
	"fmt"
	"time"

	"bulkhead.dev/sdk/pluginv1"
)

// This file is the side of a Domain that dispatch sees: whatever generation is current, it takes runs.

// publish makes g the generation that takes work (nil: none does) and wakes who waits for room.
func (d *Domain) publish(g *generation) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.current == g {
		return
	}
	d.current = g
	close(d.changed)
	d.changed = make(chan struct{})
}

// generation returns the current generation and a channel that is closed when another takes its place.
func (d *Domain) generation() (*generation, <-chan struct{}) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.current, d.changed
}

// Free says how many runs the plugin has room for; 0 while none is ready.
func (d *Domain) Free() int {
	g, _ := d.generation()
	if g == nil {
		return 0
	}
	jobs, bytes := g.work.Free()
	if bytes <= 0 {
		return 0
	}
	return jobs
}

// Room waits until there may be room again, at most for the given time.
func (d *Domain) Room(ctx context.Context, atMost time.Duration) {
	timer := time.NewTimer(atMost)
	defer timer.Stop()
	g, replaced := d.generation()
	var credits <-chan struct{}
	if g != nil {
		credits = g.work.Changed()
	}
	select {
	case <-ctx.Done():
	case <-timer.C:
	case <-replaced:
	case <-credits:
	}
}

// Start begins a run in the current process. When err is nil, done is called exactly once.
func (d *Domain) Start(run *pluginv1.Run, done func(Ended)) error {
	g, _ := d.generation()
	if g == nil {
		return ErrNotRunning
	}
	return g.send(run, done)
}

// StartAlone begins a run in a process of its own, which ends after it: a job that may have killed a process must not
// take others with it. It returns when the run has begun; Run of the supervisor waits for the process' end.
func (d *Domain) StartAlone(ctx context.Context, run *pluginv1.Run, done func(Ended)) error {
	ctx, cancel := context.WithTimeout(ctx, d.startTime())
	defer cancel()
	g, err := d.start(ctx)
	if err != nil {
		return fmt.Errorf("a process of its own for the run: %w", err)
	}
	if err := d.configure(ctx, g); err != nil {
		g.end(ctx, 0)
		return fmt.Errorf("a process of its own for the run: %w", err)
	}
	g.work.Lease(d.cfg.Lease)
	ended := make(chan struct{})
	err = g.sendFirst(ctx, run, func(e Ended) {
		close(ended)
		done(e)
	})
	if err != nil {
		g.end(ctx, 0)
		return fmt.Errorf("a process of its own for the run: %w", err)
	}
	d.alone(g, ended) //nolint:contextcheck // the process outlives the start that ctx bounded
	return nil
}

// alone keeps the process of one job findable until the job or the process has ended, and ends it then.
func (d *Domain) alone(g *generation, ended <-chan struct{}) {
	d.mu.Lock()
	d.solos[g] = struct{}{}
	d.mu.Unlock()
	d.solo.Go(func() {
		select {
		case <-ended:
		case <-g.gone():
		}
		d.mu.Lock()
		delete(d.solos, g)
		d.mu.Unlock()
		g.end(context.Background(), 0)
	})
}

// living returns every process that may have a run.
func (d *Domain) living() []*generation {
	d.mu.Lock()
	defer d.mu.Unlock()
	var all []*generation
	if d.current != nil {
		all = append(all, d.current)
	}
	for g := range d.solos {
		all = append(all, g)
	}
	return all
}

// Cancel asks the process to end a run; its outcome still comes.
func (d *Domain) Cancel(runToken, reason string) {
	for _, g := range d.living() {
		if g.inFlight(runToken) {
			g.work.Cancel(runToken, reason)
		}
	}
}

// Forget gives up a run that does not answer. It returns false when the run has ended already.
func (d *Domain) Forget(runToken string) bool {
	for _, g := range d.living() {
		if g.forget(runToken) {
			return true
		}
	}
	return false
}

// Lease tells the processes how long they may go on.
func (d *Domain) Lease(remaining time.Duration) {
	for _, g := range d.living() {
		g.work.Lease(remaining)
	}
}
