package supervisor

import (
	"context"
	"maps"
	"slices"
	"time"

	"bulkhead.dev/sdk/pluginv1"
)

// This file is the side of a Domain that dispatch sees: whatever generation is current, it takes runs.

// publish makes g the generation that takes work (nil: none does) and wakes who waits for room. The one before keeps its
// runs until it is withdrawn.
func (d *Domain) publish(g *generation) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if g != nil {
		d.enlist(g)
	}
	if d.current == g {
		return
	}
	d.current = g
	close(d.changed)
	d.changed = make(chan struct{})
}

// enlist makes a generation's runs known, under d.mu. It hears at once how long the node may work.
func (d *Domain) enlist(g *generation) {
	d.generations[g] = struct{}{}
	if left := time.Until(d.leased); left > 0 {
		g.work.Lease(left)
	}
}

// withdraw forgets a generation that has ended.
func (d *Domain) withdraw(g *generation) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.generations, g)
	if d.current == g {
		d.current = nil
		close(d.changed)
		d.changed = make(chan struct{})
	}
}

// generation returns the current generation and a channel that is closed when another takes its place.
func (d *Domain) generation() (*generation, <-chan struct{}) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.current, d.changed
}

// living returns every generation that may have a run.
func (d *Domain) living() []*generation {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Collect(maps.Keys(d.generations))
}

// Free says how many runs the plugin has room for; 0 while none is ready.
func (d *Domain) Free() int {
	g, _ := d.generation()
	if g == nil {
		return 0
	}
	return g.free()
}

// Room waits until there may be room again, at most for the given time. It serves one caller at a time.
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

// Start begins a run in the current process. When err is nil, done is called exactly once, unless Forget gives the run
// up; it must not block. ErrNotRunning and ErrNoRoom pass, ErrTooLarge does not.
func (d *Domain) Start(run *pluginv1.Run, done func(Ended)) error {
	g, _ := d.generation()
	if g == nil {
		return ErrNotRunning
	}
	return g.send(run, done)
}

// Cancel asks the process to end a run; its outcome still comes.
func (d *Domain) Cancel(runToken, reason string) {
	for _, g := range d.living() {
		if g.inFlight(runToken) {
			g.work.Cancel(runToken, reason)
		}
	}
}

// Forget gives up a run that does not answer: its done is not called any more, and its outcome changes nothing. It
// returns false when the run has ended already.
func (d *Domain) Forget(runToken string) bool {
	for _, g := range d.living() {
		if g.take(runToken) != nil {
			return true
		}
	}
	return false
}

// Lease tells the processes how long they may go on.
func (d *Domain) Lease(remaining time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.leased = time.Now().Add(remaining)
	for g := range d.generations {
		g.work.Lease(remaining)
	}
}
