package queue

import (
	"context"
	"fmt"
)

// Refill has the queue look at its spool again: rows have come into it that Enqueue did not put there, such as those of a
// dead node that were adopted. They go to Redis before whatever comes for the same queues from now on.
func (q *Queue) Refill(ctx context.Context) error {
	if q.spool == nil {
		return nil
	}
	queues, err := q.spool.store.Queues(ctx)
	if err != nil {
		return fmt.Errorf("spool: %w", err)
	}
	q.spool.mu.Lock()
	for _, name := range queues {
		q.spool.filled[name] = true
	}
	q.spool.mu.Unlock()
	kick(q.spool.wake)
	return nil
}
