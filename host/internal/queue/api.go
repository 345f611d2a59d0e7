package queue

import (
	"context"
	"time"
)

// TLS says how Redis is authenticated and how this node authenticates itself. Files are PEM.
type TLS struct {
	// CA, Cert and Key are paths; an empty CA means the system's pool, an empty Cert no client certificate.
	CA, Cert, Key string
	// ServerName overrides the name that the certificate must bear.
	ServerName string
}

// Answer is how a job ended, for a caller who waits.
type Answer struct {
	JobID  string
	State  State
	Result []byte
	// Reason and Fault say why there is no result.
	Reason string
	Fault  Fault
}

// Waiter waits for the end of one request's job.
type Waiter struct {
	// C gets the answer, once.
	C <-chan Answer
}

// Await registers a waiter for a request that this node made. Register it before the job is enqueued, then tell it
// the job's id with Watch. Close it in any case.
func (q *Queue) Await(requestID string) *Waiter { return &Waiter{} }

// Watch names the job, so that a lost message costs seconds and not the answer: its record is looked at after 2 s,
// 5 s and every 5 s, and at once when the receipt says Repeated.
func (w *Waiter) Watch(r Receipt) {}

// Close ends the wait. C gets nothing any more.
func (w *Waiter) Close() {}

// Cancel ends a job. One that has not begun ends at once (StateCancelled); of one that runs the node is told, and
// StateRunning is answered: its outcome may still come first. ErrEnded when it has ended, ErrNotFound.
func (q *Queue) Cancel(ctx context.Context, id, reason string) (State, error) {
	return "", ErrUnavailable
}

// DeadLetters lists the dead letters of an instance, newest first, a page a call; after is the last id of the page before.
func (q *Queue) DeadLetters(ctx context.Context, instance, after string, limit int) ([]Status, error) {
	return nil, ErrUnavailable
}

// Replay starts a dead letter anew under another id, in the lane bulk. A second call answers the first one's id.
func (q *Queue) Replay(ctx context.Context, id, newID string) (Receipt, error) {
	return Receipt{}, ErrUnavailable
}

// Discard ends a dead letter for good.
func (q *Queue) Discard(ctx context.Context, id string) error { return ErrUnavailable }

// PublishSubscriptions stores what an instance listens to, opaque, for all nodes; nil takes it out.
func (q *Queue) PublishSubscriptions(ctx context.Context, instance string, doc []byte) error {
	return ErrUnavailable
}

// Subscriptions returns what all instances listen to. The map is shared: do not write to it.
func (q *Queue) Subscriptions(ctx context.Context) (map[string][]byte, error) {
	return nil, ErrUnavailable
}

// NodeInfo is what the other nodes see of this one.
type NodeInfo struct {
	Version string
	// Store is the id of the store this node uses.
	Store string
}

// Register makes this node known until Close; ErrForeignStore when a living node has another store.
func (q *Queue) Register(ctx context.Context, info NodeInfo) error { return ErrUnavailable }

// Depth counts the jobs of a domain by place.
type Depth struct {
	Ready, Running, Held, Delayed, Dead, Outbox int64
}

// Depth counts the jobs of an instance.
func (q *Queue) Depth(ctx context.Context, instance string) (Depth, error) {
	return Depth{}, ErrUnavailable
}

// Embedded reports whether the queue lives in this process alone.
func (q *Queue) Embedded() bool { return q.cfg.URL == "" }

// Available reports whether Redis answered last time.
func (q *Queue) Available() bool { return true }

// SpoolRow is one job in the spool.
type SpoolRow struct {
	// Seq is given by the store and rises within a node.
	Seq int64
	// Queue is the instance whose queue the job is for.
	Queue      string
	JobID      string
	Payload    []byte
	AcceptedAt time.Time
}

// SpoolStore keeps jobs on this node's disk.
type SpoolStore interface {
	// Append makes all rows durable before it returns, or none; ErrSpoolFull when the bound is reached.
	Append(ctx context.Context, rows []SpoolRow) error
	// Next returns the oldest rows of a queue.
	Next(ctx context.Context, queue string, limit int) ([]SpoolRow, error)
	// Remove takes rows out; unknown ones are ignored.
	Remove(ctx context.Context, seqs []int64) error
	// Find returns the row of a job.
	Find(ctx context.Context, jobID string) (SpoolRow, bool, error)
	// Queues returns the queues that have rows.
	Queues(ctx context.Context) ([]string, error)
}

const orderGate = "order"

func (q *Queue) status(context.Context, string) (Status, error)    { return Status{}, ErrUnavailable }
func open(context.Context, Config) (*Queue, error)                 { return nil, ErrUnavailable }
func (q *Queue) close() error                                      { return nil }
func (q *Queue) enqueue(context.Context, Job) (Receipt, error)     { return Receipt{}, ErrUnavailable }
func (q *Queue) domain(string, DomainOptions) (*Domain, error)     { return &Domain{q: q}, nil }
func (d *Domain) run(context.Context) error                        { return nil }
func (d *Domain) read(context.Context, int) ([]Delivery, error)    { return nil, ErrUnavailable }
func (d *Domain) settle(context.Context, Settlement) (bool, error) { return false, ErrUnavailable }
func (d *Domain) lease() time.Duration                             { return 0 }
