package queue

import (
	"context"
	"errors"
	"sync/atomic"
	"time"
)

// probeEvery is how often an outage is looked at.
const probeEvery = 100 * time.Millisecond

// health knows whether Redis answers. While it is known not to, nobody waits for it at the door.
type health struct {
	q    *Queue
	down atomic.Bool
	wake chan struct{}
}

func newHealth(q *Queue) *health { return &health{q: q, wake: make(chan struct{}, 1)} }

// failed notes what a command met. An answer that says no is no outage, and neither is a wait that was cut short for the
// caller's own reasons: how long Redis may take before it counts as away is for the door to say (late).
func (h *health) failed(err error) {
	var timeout interface{ Timeout() bool }
	if errors.Is(err, context.DeadlineExceeded) || errors.As(err, &timeout) && timeout.Timeout() {
		return
	}
	h.late(err)
}

// late notes what a command met that had the time it should need.
func (h *health) late(err error) {
	if err == nil || isAnswer(err) || errors.Is(err, context.Canceled) || errors.Is(err, ErrClosed) {
		return
	}
	if !h.down.Swap(true) {
		h.q.log.Warn("redis does not answer", "error", err)
	}
	kick(h.wake)
}

// probe ends an outage when Redis answers again.
func (h *health) probe(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-h.wake:
		}
		for h.down.Load() {
			if !pause(ctx, probeEvery) {
				return
			}
			try, cancel := context.WithTimeout(ctx, h.q.cfg.EnqueueTimeout)
			err := h.q.rdb.Ping(try).Err()
			cancel()
			if err == nil || isAnswer(err) {
				h.down.Store(false)
				h.q.log.Info("redis answers again")
				if h.q.spool != nil {
					kick(h.q.spool.wake)
				}
			}
		}
	}
}

// kick wakes a role that waits on the channel, or does when it next looks.
func kick(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// pause waits, and reports whether it waited to the end.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
