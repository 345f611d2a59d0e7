package queue

import (
	"context"
	"time"
)

// duePoll is how long a node waits at most before it looks at what is due; a settlement on this node wakes it earlier.
const duePoll = 250 * time.Millisecond

// letDueIn is the role that lets delayed jobs in when their time has come, ends waiters that have expired and goes
// on with gates that a script noted. Every node does it: the script makes it harmless.
func (d *Domain) letDueIn(ctx context.Context) {
	for {
		wait := duePoll
		try, cancel := context.WithTimeout(ctx, d.q.cfg.IOTimeout)
		reply, err := d.q.runDomain(try, d.q.scripts.due, d.k).Int64Slice()
		cancel()
		switch {
		case err != nil:
			if ctx.Err() == nil {
				d.q.health.failed(err)
				d.q.log.Debug("due jobs are not let in", "queue", d.instance, "error", err)
			}
		case len(reply) == 2 && reply[1] >= 0:
			wait = min(wait, time.Duration(reply[1])*time.Millisecond)
		}
		wake := time.NewTimer(max(wait, time.Millisecond))
		select {
		case <-ctx.Done():
		case <-d.dueWake:
		case <-wake.C:
		}
		wake.Stop()
		if ctx.Err() != nil {
			return
		}
	}
}
