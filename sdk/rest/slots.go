package rest

import (
	"context"
	"time"
)

// slotWait is when to come again if all slots were taken for MaxWait.
const slotWait = time.Second

// slots bounds the calls under way.
type slots struct {
	client *Client
	taken  chan struct{}
}

func newSlots(c *Client) *slots {
	return &slots{client: c, taken: make(chan struct{}, c.config.Concurrency)}
}

func (s *slots) step(next roundTripper) roundTripper {
	return func(k *call) (*Response, error) {
		if err := s.take(k); err != nil {
			return nil, err
		}
		defer func() { <-s.taken }()
		return next(k)
	}
}

// take waits for a slot, MaxWait at most.
func (s *slots) take(k *call) error {
	select {
	case s.taken <- struct{}{}:
		return nil
	default:
	}
	patience := time.NewTimer(s.client.config.MaxWait)
	defer patience.Stop()
	select {
	case s.taken <- struct{}{}:
		return nil
	case <-patience.C:
		return s.client.notNow(k, slotWait, "%d calls are under way", cap(s.taken))
	case <-k.ctx.Done():
		return s.client.ended(k, context.Cause(k.ctx))
	}
}

// sleep waits for d or the end of ctx, whose cause it returns.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// fits says whether a wait is worth it: no longer than bound, and over before ctx ends.
func fits(ctx context.Context, wait, bound time.Duration) bool {
	if wait > bound {
		return false
	}
	deadline, ok := ctx.Deadline()
	return !ok || time.Until(deadline) > wait
}
