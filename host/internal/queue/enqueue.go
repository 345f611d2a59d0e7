package queue

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"
)

const (
	groupJobs  = 64
	groupBytes = 4 << 20
	// leastShare is the part of EnqueueTimeout that a job gets in any case after it has waited for the group before it.
	leastShare = 4
)

// Enqueue makes the job safe, in Redis or in the spool, and says where it is. It joins the group of its instance that
// is sent next. A repeat of a known id or alias changes nothing and answers what is known. Errors: ErrUnavailable
// (within Config.EnqueueTimeout or little more), ErrFull, ErrInvalid, or the context's; after the latter the job may
// have been accepted.
func (q *Queue) Enqueue(ctx context.Context, job Job) (Receipt, error) {
	if err := job.check(); err != nil {
		return Receipt{}, err
	}
	t := &ticket{job: job, at: time.Now(), done: make(chan struct{})}
	if err := q.join(t); err != nil {
		return Receipt{}, err
	}
	select {
	case <-t.done:
		return t.receipt, t.err
	case <-ctx.Done():
		return Receipt{}, ctx.Err()
	}
}

// ticket is one caller's place in a group.
type ticket struct {
	job     Job
	at      time.Time
	done    chan struct{}
	receipt Receipt
	err     error
}

func (t *ticket) answer(r Receipt, err error) {
	t.receipt, t.err = r, err
	close(t.done)
}

// intake gathers what comes for one instance while the group before is on its way. One group at a time keeps the
// order of acceptance, and the more callers there are the larger the groups become.
type intake struct {
	q    *Queue
	keys *keys

	mu      sync.Mutex
	waiting []*ticket
	busy    bool
}

func (q *Queue) join(t *ticket) error {
	q.mu.Lock()
	if q.closed {
		q.mu.Unlock()
		return ErrClosed
	}
	in := q.intakes[t.job.Instance]
	if in == nil {
		in = &intake{q: q, keys: keysOf(t.job.Instance)}
		q.intakes[t.job.Instance] = in
	}
	in.mu.Lock()
	in.waiting = append(in.waiting, t)
	if !in.busy {
		in.busy = true
		q.wg.Go(in.send)
	}
	in.mu.Unlock()
	q.mu.Unlock()
	return nil
}

// send sends group after group until nobody waits.
func (in *intake) send() {
	for {
		in.mu.Lock()
		if len(in.waiting) == 0 {
			in.busy = false
			in.waiting = nil
			in.mu.Unlock()
			return
		}
		n, bytes := 0, 0
		for n < len(in.waiting) && n < groupJobs && (n == 0 || bytes+len(in.waiting[n].job.Envelope) <= groupBytes) {
			bytes += len(in.waiting[n].job.Envelope)
			n++
		}
		batch := in.waiting[:n:n]
		in.waiting = in.waiting[n:]
		in.mu.Unlock()
		in.flush(batch)
	}
}

// flush makes one group safe. Jobs that nobody waits for go to the spool when Redis does not take them, or when
// earlier ones of the queue are still there; those of waiting callers have no order and never do.
func (in *intake) flush(batch []*ticket) {
	q := in.q
	if q.spool != nil {
		batch = q.spool.divert(in.keys, batch)
	}
	if len(batch) == 0 {
		return
	}
	err := error(ErrUnavailable)
	if !q.health.down.Load() {
		wait := max(q.cfg.EnqueueTimeout-time.Since(batch[0].at), q.cfg.EnqueueTimeout/leastShare)
		ctx, cancel := context.WithTimeout(q.ctx, wait)
		defer cancel()
		jobs := make([]*Job, len(batch))
		for i, t := range batch {
			jobs[i] = &t.job
		}
		var results []enqueued
		if results, err = q.enqueueGroup(ctx, in.keys, jobs, false); err == nil {
			for i, t := range batch {
				t.answer(results[i].receipt, results[i].err)
			}
			return
		}
		q.health.late(err)
		err = fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	if q.spool != nil {
		batch = q.spool.take(in.keys, batch)
	}
	for _, t := range batch {
		t.answer(Receipt{}, err)
	}
}

type enqueued struct {
	receipt Receipt
	err     error
}

// enqueueGroup runs the script for jobs of one instance. Exempt jobs pass the depth limit: they were accepted before.
func (q *Queue) enqueueGroup(ctx context.Context, k *keys, jobs []*Job, exempt bool) ([]enqueued, error) {
	args := make([]any, 0, 1+13*len(jobs))
	args = append(args, q.cfg.MaxDepth)
	for _, j := range jobs {
		args = append(args, j.ID, int(j.Lane), j.Type, j.RequestID, flag(j.Reply), absolute(j.Accepted), j.window().Milliseconds(),
			start(j.At), relative(j.Expires), gatesText(j.Key, j.Limits), j.aliasKey(), j.Envelope, flag(exempt))
	}
	reply, err := q.runDomain(ctx, q.scripts.enqueue, k, args...).Slice()
	if err != nil {
		return nil, err
	}
	if len(reply) != 3*len(jobs) {
		return nil, fmt.Errorf("enqueue script: %d answers for %d jobs", len(reply), len(jobs))
	}
	out := make([]enqueued, len(jobs))
	for i := range jobs {
		id, _ := reply[3*i].(string)
		state, _ := reply[3*i+1].(string)
		code, _ := reply[3*i+2].(int64)
		if code == 2 {
			out[i].err = fmt.Errorf("%w: job %s", ErrFull, id)
			continue
		}
		out[i].receipt = Receipt{ID: id, State: stateOf(state), Repeated: code == 1}
	}
	return out, nil
}

// enqueueAll is for the relays: jobs of any instances, in their order, exempt from the depth limit. An invalid job is
// logged and left out; any other error stops.
func (q *Queue) enqueueAll(ctx context.Context, jobs []Job) error {
	for len(jobs) > 0 {
		instance, bytes := jobs[0].Instance, 0
		var run []*Job
		for len(jobs) > 0 && jobs[0].Instance == instance && len(run) < groupJobs && (len(run) == 0 || bytes < groupBytes) {
			j := &jobs[0]
			jobs = jobs[1:]
			if err := j.check(); err != nil {
				q.log.Error("job left out", "job", j.ID, "error", err)
				continue
			}
			bytes += len(j.Envelope)
			run = append(run, j)
		}
		if len(run) == 0 {
			continue
		}
		results, err := q.enqueueGroup(ctx, keysOf(instance), run, true)
		if err != nil {
			q.health.failed(err)
			return err
		}
		for _, r := range results {
			if r.err != nil && !errors.Is(r.err, ErrFull) {
				return r.err
			}
		}
	}
	return nil
}

func flag(b bool) string {
	if b {
		return "1"
	}
	return ""
}

// start is the wait until a time to come, in ms; empty when it has come.
func start(t time.Time) string {
	if t.IsZero() || time.Until(t) <= 0 {
		return ""
	}
	return strconv.FormatInt(max(1, time.Until(t).Milliseconds()), 10)
}

// relative is the distance to a time in ms, so that the clocks of node and Redis may differ; empty for none.
func relative(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return strconv.FormatInt(time.Until(t).Milliseconds(), 10)
}

func absolute(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return strconv.FormatInt(t.UnixMilli(), 10)
}
