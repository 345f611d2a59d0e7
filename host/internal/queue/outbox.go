package queue

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// Emit is a fact for other domains.
type Emit struct {
	// Type of the fact.
	Type string
	// Key is its identity within the job.
	Key string
	// Data is opaque.
	Data []byte
}

// Emitted is a fact on its way.
type Emitted struct {
	// Instance and Parent are the domain and the job that emitted it.
	Instance, Parent string
	RequestID        string
	Emit
}

// Router says which jobs a fact becomes. The jobs' ids must be derived from the fact, so that a repeat changes
// nothing: every fact may be asked for more than once. An error keeps the fact, and all that come after it, for later.
type Router interface {
	Route(ctx context.Context, e Emitted) ([]Job, error)
}

const outboxPage = 64

// relayOutbox is the role that makes jobs of emitted facts and takes the facts off then. A crash between the two
// repeats the enqueue, which changes nothing. The node that settled is woken at once; the others look after what is
// older than a lease.
func (d *Domain) relayOutbox(ctx context.Context) {
	if d.opts.Router == nil {
		return
	}
	var least time.Duration // the first look takes all
	for {
		err := d.relayOnce(ctx, least)
		if err != nil && ctx.Err() == nil {
			d.q.log.Warn("facts are not relayed", "queue", d.instance, "error", err)
		}
		wake := time.NewTimer(d.q.cfg.Lease / 2)
		least = d.q.cfg.Lease
		select {
		case <-ctx.Done():
		case <-d.outboxWake:
			least = 0
		case <-wake.C:
		}
		wake.Stop()
		if ctx.Err() != nil {
			return
		}
	}
}

// relayOnce relays page after page of facts that are at least so old.
func (d *Domain) relayOnce(ctx context.Context, least time.Duration) error {
	for {
		page, err := d.q.rdb.XRangeN(ctx, d.k.outbox, "-", "+", outboxPage).Result()
		if err != nil {
			d.q.health.failed(err)
			return err
		}
		var done []string
		var jobs []Job
		for _, m := range page {
			if least > 0 && d.q.now().Sub(entryTime(m.ID)) < least {
				break
			}
			made, err := d.opts.Router.Route(ctx, d.emitted(m))
			if err != nil {
				return errors.Join(fmt.Errorf("route %s: %w", m.Values["t"], err), d.relay(ctx, jobs, done))
			}
			jobs = append(jobs, made...)
			done = append(done, m.ID)
		}
		if err := d.relay(ctx, jobs, done); err != nil {
			return err
		}
		if len(done) < outboxPage {
			return nil
		}
	}
}

func (d *Domain) relay(ctx context.Context, jobs []Job, done []string) error {
	if len(done) == 0 {
		return nil
	}
	if d.q.spool != nil {
		for i := range jobs {
			if d.q.spool.holds(jobs[i].Instance) {
				return fmt.Errorf("%w: the spool of %s comes first", ErrUnavailable, jobs[i].Instance)
			}
		}
	}
	ctx, cancel := context.WithTimeout(ctx, d.q.cfg.IOTimeout)
	defer cancel()
	if err := d.q.enqueueAll(ctx, jobs); err != nil {
		return err
	}
	return d.q.rdb.XDel(ctx, d.k.outbox, done...).Err()
}

func (d *Domain) emitted(m redis.XMessage) Emitted {
	v := func(name string) string {
		s, _ := m.Values[name].(string)
		return s
	}
	return Emitted{
		Instance: d.instance, Parent: v("p"), RequestID: v("q"), Emit: Emit{Type: v("t"), Key: v("k"), Data: []byte(v("d"))},
	}
}

// entryTime is when an entry was added, by Redis' clock.
func entryTime(id string) time.Time {
	ms, _, _ := strings.Cut(id, "-")
	return millis(ms)
}
