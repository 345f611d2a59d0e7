package supervisor

import (
	"context"
	"errors"
	"fmt"
	"time"

	"bulkhead.dev/sdk/pluginv1"
)

const (
	// aloneAtOnce is how many processes of one instance may run a job alone at the same time: after the death of a
	// process with many runs all of them are suspects.
	aloneAtOnce = 4
	// aloneWait is how long a run waits for its turn; the queue keeps it better than a goroutine here.
	aloneWait = time.Second
)

// StartAlone begins a run in a process of its own, which ends after it: a job that may have killed a process must not
// take others with it. It returns when the run has begun; then done is as with Start. ErrNoRoom says that too many such
// processes are there already.
func (d *Domain) StartAlone(ctx context.Context, run *pluginv1.Run, done func(Ended)) error {
	if err := d.turn(ctx); err != nil {
		return err
	}
	// The process is ended by a goroutine that run of the domain waits for.
	begun := make(chan error, 1)
	if !d.spawn(func() {
		defer func() { <-d.slots }()
		d.runAlone(ctx, run, done, begun)
	}) {
		<-d.slots
		return ErrNotRunning
	}
	return <-begun
}

// turn waits for one of the places.
func (d *Domain) turn(ctx context.Context) error {
	timer := time.NewTimer(aloneWait)
	defer timer.Stop()
	select {
	case d.slots <- struct{}{}:
		return nil
	case <-timer.C:
		return fmt.Errorf("%w: %d jobs that may have killed a process run alone already", ErrNoRoom, aloneAtOnce)
	case <-d.life.Done():
		return ErrNotRunning
	case <-ctx.Done():
		return ctx.Err()
	}
}

// spawn runs a task that run waits for; false when run has ended.
func (d *Domain) spawn(task func()) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.life.Err() != nil {
		return false
	}
	d.solos.Go(task)
	return true
}

// runAlone is the whole life of a process that runs one job alone. It says on begun whether the run has begun.
func (d *Domain) runAlone(ctx context.Context, run *pluginv1.Run, done func(Ended), begun chan<- error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(d.life, cancel)() //nolint:contextcheck // two lives bound this one: the run's and the domain's
	g, err := d.start(ctx, d.log.With("alone", run.GetJob().GetId()))
	if err != nil {
		begun <- fmt.Errorf("a process of its own for the run: %w", err)
		return
	}
	defer g.stop(context.WithoutCancel(ctx), 0)
	if g.fault != nil {
		begun <- fmt.Errorf("a process of its own for the run: %w", g.fault)
		return
	}
	d.attach(g)
	defer d.withdraw(g)
	err = g.sendFirst(ctx, run, done)
	begun <- err
	if err != nil {
		return
	}
	select {
	case <-g.over:
	case <-g.settled:
	case <-d.life.Done():
	}
}

// attach makes the run of such a process findable before it begins.
func (d *Domain) attach(g *generation) {
	g.mu.Lock()
	g.alone = true
	g.mu.Unlock()
	d.mu.Lock()
	defer d.mu.Unlock()
	d.enlist(g)
}

// sendFirst is send in a process that may not have offered its room yet.
func (g *generation) sendFirst(ctx context.Context, run *pluginv1.Run, done func(Ended)) error {
	ctx, cancel := context.WithTimeout(ctx, configureTime)
	defer cancel()
	for {
		err := g.send(run, done)
		if !errors.Is(err, ErrNoRoom) {
			return err
		}
		select {
		case <-g.work.Changed():
		case <-g.settled:
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", ErrNoRoom, ctx.Err())
		}
	}
}
