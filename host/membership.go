package main

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"bulkhead.dev/host/internal/queue"
)

// adoptEvery is how often a host looks for jobs that hosts which died have left in the spool.
const adoptEvery = 30 * time.Second

// membership is this node's standing among the hosts of one Redis.
type membership struct {
	// known is whether the others have been looked at. Before that no job is run: another host may have another store.
	known atomic.Bool
	// adoptEvery is the constant of that name, but in tests.
	adoptEvery time.Duration
}

// enter makes the node known to the others. While Redis is away it can't be: that is no error, stayMember tries again.
func (a *App) enter(ctx context.Context) error {
	err := a.queue.Register(ctx, queue.NodeInfo{Version: version, Store: a.store.ID()})
	switch {
	case err == nil:
		a.member.known.Store(true)
		return nil
	case errors.Is(err, queue.ErrForeignStore):
		return fmt.Errorf("%w: what its plugins remember would be split between the two. Hosts of one Redis share one data_dir (this one's is %s); "+
			"for a host of its own, give it a Redis database of its own (the number at the end of redis.url), or stop the other first", err, a.cfg.DataDir)
	case errors.Is(err, queue.ErrUnavailable):
		return nil
	default:
		return err
	}
}

// stayMember is a stage: it enters as soon as Redis is there, and looks after the spool of hosts that died.
func (a *App) stayMember(ctx context.Context) error {
	adopt := time.NewTicker(a.member.adoptEvery)
	defer adopt.Stop()
	again := time.NewTicker(again)
	defer again.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-adopt.C:
			a.adopt(ctx)
		case <-again.C:
			if a.member.known.Load() {
				again.Stop()
				continue
			}
			if err := a.enter(ctx); err != nil && ctx.Err() == nil {
				return err
			}
			a.noteChange() // the loops may begin
		}
	}
}

// adopt takes over the spools of hosts that died, and has the queue look at what came.
func (a *App) adopt(ctx context.Context) {
	moved, err := a.spool.adopt(ctx)
	if err != nil && ctx.Err() == nil {
		a.log.Warn("the spool of a host that died can't be taken over", "error", err)
	}
	if moved == 0 {
		return
	}
	a.log.Info("jobs of a host that died were taken over from its spool", "jobs", moved)
	if err := a.queue.Refill(ctx); err != nil {
		a.log.Warn("jobs that were taken over wait for the next start", "error", err)
	}
}
