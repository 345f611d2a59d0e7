package queue

import (
	"context"
	"time"
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
	switch s {
	case StateDone, StateDead, StateCancelled, StateExpired:
		return true
	}
	return false
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
	return q.status(ctx, id)
}
