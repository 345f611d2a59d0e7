package queue

import (
	"context"
	"time"
)

// DomainOptions says how this node reads one domain. Zero fields take the stated default.
type DomainOptions struct {
	// Reserve is the number of slots that only the lane "now" gets; 0: none.
	Reserve int
	// MaxStarts is how often one entry is started before it is a dead letter; 0: 20.
	MaxStarts int
	// Router says which jobs an emitted fact becomes; nil: emitted facts are dropped.
	Router Router
	// Cancel is called when a run should end: its job was cancelled, or another node has taken it. It must not block.
	Cancel func(token, reason string)
}

// Domain reads and settles the jobs of one instance on this node. Run must be running for Read to give anything.
type Domain struct {
	q *Queue
}

// Domain makes the reader of one instance. One a node and instance.
func (q *Queue) Domain(instance string, opts DomainOptions) (*Domain, error) {
	return q.domain(instance, opts)
}

// Run beats, watches the other nodes, lets due jobs in and relays emitted facts, until ctx ends. Then it hands back
// the jobs that this node owns and does not run, so that another node begins them at once. Returns nil.
func (d *Domain) Run(ctx context.Context) error { return d.run(ctx) }

// Read waits for work, at most a fraction of the lease, and returns up to free runs, which have thereby begun. No
// run and no error: nothing came. An error is worth a log line and a short wait, no more. One caller at a time.
func (d *Domain) Read(ctx context.Context, free int) ([]Delivery, error) { return d.read(ctx, free) }

// Settle ends a run and reports whether it was this run that ended: false when another node has taken the job, and
// then nothing was written. It joins the group that is just being sent and tries again until ctx ends; after an error
// the run may be begun again. ErrUnknownRun for a token that is not running here.
func (d *Domain) Settle(ctx context.Context, s Settlement) (won bool, err error) {
	return d.settle(ctx, s)
}

// Lease returns how long this node's runs may go on without another word from here; never negative. It is raised by
// every beat that Redis took.
func (d *Domain) Lease() time.Duration { return d.lease() }

// Delivery is one run of one job, which has begun.
type Delivery struct {
	ID   string
	Lane Lane
	// Attempt is the number of this attempt; it begins with 1.
	Attempt int
	// Starts is how often the job was started in all, this time among them.
	Starts int
	// Deaths is how often a process died while it ran this job alone.
	Deaths int
	// Suspect says that a process died while it ran this job: it must run alone now.
	Suspect bool
	// Reply says that a caller waits.
	Reply     bool
	RequestID string
	// Expires is zero when the job does not expire.
	Expires  time.Time
	Envelope []byte

	token string
}

// Token names this run. No other run of any job on any node has the same.
func (d Delivery) Token() string { return d.token }

// Kind says how a run ended.
type Kind uint8

// Kinds of settlement.
const (
	// Done: the job has ended well.
	Done Kind = iota + 1
	// Later: the job runs again after a while.
	Later
	// Dead: the job becomes a dead letter.
	Dead
	// Interrupted: the run has no outcome; the job begins again, at no cost. See Died and Alone.
	Interrupted
	// Cancelled: the run was ended because its job was cancelled. A job that nobody cancelled is treated as Interrupted.
	Cancelled
)

// Settlement ends a run.
type Settlement struct {
	// Token of the run.
	Token string
	Kind  Kind
	// Result of Done.
	Result []byte
	// After is when Later runs again, from now.
	After time.Duration
	// Free says that Later costs no attempt.
	Free bool
	// KeepPlace says that the job stays the first of its key while it waits for Later; else it goes behind the others.
	KeepPlace bool
	// Reason and Fault of Later, Dead and Interrupted.
	Reason string
	Fault  Fault
	// Died says that Interrupted means the death of the process: the job becomes a suspect.
	Died bool
	// Alone says that the process that died ran nothing else: two such deaths make a dead letter.
	Alone bool
	// Release gives an interrupted job to whichever node reads next; else this node begins it again.
	Release bool
	// Emits go out if this run is the one that ends.
	Emits []Emit
}

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
// nothing. It may be asked twice. An error keeps the fact, and all that come after it, for later.
type Router interface {
	Route(ctx context.Context, e Emitted) ([]Job, error)
}
