package queue

import (
	"context"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"
)

// State is what a job's status shows.
type State string

// States of the product.
const (
	// StateSpooled: safe on this node's disk, not yet in Redis.
	StateSpooled State = "spooled"
	// StateQueued: ready to run, or waiting for its first time.
	StateQueued State = "queued"
	// StateHeld: waits for another job of its key or limit.
	StateHeld State = "held"
	// StateRunning: a node has begun it.
	StateRunning State = "running"
	// StateRetrying: waits for its next attempt.
	StateRetrying State = "retrying"
	// StateDone: ended well.
	StateDone State = "done"
	// StateDead: a dead letter, which can be replayed or discarded.
	StateDead State = "dead"
	// StateCancelled: taken out before it ended, or discarded, or replaced by its replay (Status.ReplayedAs).
	StateCancelled State = "cancelled"
	// StateExpired: its time passed before it began.
	StateExpired State = "expired"
)

// Ended reports whether nothing more happens to the job by itself.
func (s State) Ended() bool {
	return s == StateDone || s == StateDead || s == StateCancelled || s == StateExpired
}

// Fault says whose fault an error is.
type Fault string

// Faults.
const (
	FaultNone   Fault = ""
	FaultPlugin Fault = "plugin"
	FaultVendor Fault = "vendor"
	FaultHost   Fault = "host"
)

// Failure is the last error of a job.
type Failure struct {
	Source  Fault
	Message string
}

// Status is what is known of a job.
type Status struct {
	ID, Type, Instance string
	State              State
	// Attempt is the number of attempts that counted and have ended; of a running job, with the running one.
	Attempt int
	// AcceptedAt is when the job was accepted, by Redis' clock.
	AcceptedAt time.Time
	// NextAt is when a retrying or delayed job becomes ready; else zero.
	NextAt time.Time
	// EndedAt is when it ended; else zero.
	EndedAt time.Time
	// Reason says in a few words why the job is where it is.
	Reason string
	// Result is what Done was given; nil when there is none, or when it was larger than Config.MaxResult (see Reason).
	Result []byte
	// Error is the last failure; nil when there was none.
	Error     *Failure
	RequestID string
	// ReplayedAs is the id of the job that replaced this dead letter.
	ReplayedAs string
}

// Status answers what is known of a job; ErrNotFound when nothing is. A job in the spool of another node is not
// found until Redis is back: only its own node sees it.
func (q *Queue) Status(ctx context.Context, id string) (Status, error) {
	instance, ok := InstanceOf(id)
	if !ok {
		return Status{}, fmt.Errorf("%w: %q", ErrNotFound, id)
	}
	s, err := q.record(ctx, keysOf(instance), id)
	if err != nil && q.spool != nil {
		if spooled, ok := q.spool.status(ctx, id); ok {
			return spooled, nil
		}
	}
	return s, err
}

func (q *Queue) record(ctx context.Context, k *keys, id string) (Status, error) {
	if q.health.down.Load() {
		return Status{}, ErrUnavailable
	}
	v, err := q.rdb.HMGet(ctx, k.record+id, statusFields()...).Result()
	if err != nil {
		q.health.failed(err)
		return Status{}, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	s, lane, sid, ok := statusOf(id, v)
	if !ok {
		return Status{}, fmt.Errorf("%w: %s", ErrNotFound, id)
	}
	if sid == "" {
		return s, nil
	}
	p, err := q.rdb.XPendingExt(ctx, &redis.XPendingExtArgs{
		Stream: k.lanes[laneOf(lane)], Group: group, Start: sid, End: sid, Count: 1,
	}).Result()
	if err == nil && len(p) == 1 { // no group yet: nobody reads, so nothing runs
		s.State, s.Attempt = StateRunning, s.Attempt+1
	}
	return s, nil
}

// Depth counts the jobs of a domain by place.
type Depth struct {
	Ready, Running, Held, Delayed, Dead, Outbox int64
}

// Depth counts the jobs of an instance.
func (q *Queue) Depth(ctx context.Context, instance string) (Depth, error) {
	k := keysOf(instance)
	var d Depth
	fail := func(err error) (Depth, error) {
		q.health.failed(err)
		return Depth{}, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	for _, lane := range k.lanes {
		n, err := q.rdb.XLen(ctx, lane).Result()
		if err != nil {
			return fail(err)
		}
		d.Ready += n
		p, err := q.rdb.XPending(ctx, lane, group).Result()
		switch {
		case err == nil:
			d.Running += p.Count
		case !isAnswer(err): // an answer says that there is no group yet
			return fail(err)
		}
	}
	d.Ready -= d.Running
	for _, c := range []struct {
		into *int64
		cmd  *redis.IntCmd
	}{
		{&d.Held, q.rdb.ZCard(ctx, k.held)},
		{&d.Delayed, q.rdb.ZCard(ctx, k.delayed)},
		{&d.Dead, q.rdb.ZCard(ctx, k.dead)},
		{&d.Outbox, q.rdb.XLen(ctx, k.outbox)},
	} {
		if err := c.cmd.Err(); err != nil {
			return fail(err)
		}
		*c.into = c.cmd.Val()
	}
	return d, nil
}

func laneOf(text string) Lane { return Lane(min(max(number(text), 0), int(LaneBulk))) }
