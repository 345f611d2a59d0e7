package queue

import (
	"context"
	"fmt"
)

// Cancel ends a job. One that has not begun ends at once (StateCancelled). Of one that runs the node is told, and
// StateRunning is answered: its outcome may still come first; any other end of the run becomes the cancellation. A
// job in this node's spool is taken out; no record stays of it then. ErrEnded when the job has ended, ErrNotFound.
func (q *Queue) Cancel(ctx context.Context, id, reason string) (State, error) {
	instance, ok := InstanceOf(id)
	if !ok {
		return "", fmt.Errorf("%w: %q", ErrNotFound, id)
	}
	if reason == "" {
		reason = "cancelled"
	}
	spooled := false
	if q.spool != nil {
		var err error
		if spooled, err = q.spool.drop(ctx, id); err != nil {
			return "", fmt.Errorf("%w: spool: %w", ErrUnavailable, err)
		}
	}
	if q.health.down.Load() {
		if spooled {
			return StateCancelled, nil
		}
		return "", ErrUnavailable
	}
	before, err := q.runDomain(ctx, q.scripts.cancel, keysOf(instance), id, bounded(reason), instance).Text()
	switch {
	case err != nil:
		q.health.failed(err)
		return "", fmt.Errorf("%w: %w", ErrUnavailable, err)
	case before == "" && !spooled:
		return "", fmt.Errorf("%w: %s", ErrNotFound, id)
	case before == "p":
		return StateRunning, nil
	case before == "", before == codeReady, before == codeWaiting, before == codeDelayed:
		return StateCancelled, nil
	}
	return stateOf(before), fmt.Errorf("%w: %s is %s", ErrEnded, id, stateOf(before))
}

// bounded cuts a text that goes into a record, at a rune's border.
func bounded(s string) string {
	if len(s) <= maxReasonBytes {
		return s
	}
	cut := maxReasonBytes
	for cut > 0 && s[cut]&0xC0 == 0x80 {
		cut--
	}
	return s[:cut]
}
