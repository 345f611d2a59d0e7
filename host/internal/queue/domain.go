package queue

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
	"golang.org/x/sync/errgroup"
)

// DomainOptions says how this node reads one domain. Zero fields take the stated default.
type DomainOptions struct {
	// Reserve is the number of free slots that only the lane "now" gets; 0: none.
	Reserve int
	// MaxStarts is how often one entry is started before it is a dead letter; 0: 20.
	MaxStarts int
	// Router says which jobs an emitted fact becomes; nil: the facts stay in the outbox for another node.
	Router Router
	// Cancel is called when a run should end: its job was cancelled, or another node has taken it. It must not block.
	Cancel func(token, reason string)
}

const (
	defaultMaxStarts = 20
	aloneDeaths      = 2
	maxNotes         = 1024
	noteFor          = 10 * time.Second
)

// Domain reads and settles the jobs of one instance on this node. Run must be running for Read to give anything.
type Domain struct {
	q        *Queue
	k        *keys
	instance string
	opts     DomainOptions

	reading sync.Mutex // one Read at a time
	// patience is the next wait of a Read that has room for the lane now alone; guarded by reading.
	patience time.Duration
	settles  settleQueue

	dueWake, outboxWake chan struct{}

	mu       sync.Mutex
	running  bool
	lastBeat time.Time         // when the last beat that Redis took was sent
	runs     map[owned]*run    // by entry (n is 0 there)
	byJob    map[string]*run   // the youngest run of a job
	back     []owned           // entries that this node owns and has not begun
	gone     map[string]string // nodes that are not heard of, with the counter that was seen
	notes    map[string]note   // cancellations of jobs that are just being read
	sweep    bool              // entries may be owned that are not known
	swept    time.Time
}

// owned is an entry that this node owns with a delivery count.
type owned struct {
	lane Lane
	sid  string
	n    int
}

func (o owned) entry() owned { return owned{lane: o.lane, sid: o.sid} }

// run is a job that has begun here.
type run struct {
	owned
	Delivery
	began  time.Time
	window time.Duration
	fields []any // the node's copy of the entry
	next   *owned
}

type note struct {
	reason string
	at     time.Time
}

// Domain makes the reader of one instance; one a queue and instance at a time, until its Run has returned.
func (q *Queue) Domain(instance string, opts DomainOptions) (*Domain, error) {
	if !validName(instance) {
		return nil, fmt.Errorf("%w: instance %q", ErrInvalid, instance)
	}
	if opts.MaxStarts <= 0 {
		opts.MaxStarts = defaultMaxStarts
	}
	if opts.Cancel == nil {
		opts.Cancel = func(string, string) {}
	}
	d := &Domain{
		q: q, k: keysOf(instance), instance: instance, opts: opts,
		dueWake: make(chan struct{}, 1), outboxWake: make(chan struct{}, 1),
		runs: map[owned]*run{}, byJob: map[string]*run{}, gone: map[string]string{}, notes: map[string]note{}, sweep: true,
	}
	d.settles.d = d
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return nil, ErrClosed
	}
	if q.domains[instance] != nil {
		return nil, fmt.Errorf("%w: instance %q is read already", ErrInvalid, instance)
	}
	q.domains[instance] = d
	return d, nil
}

// Run beats, watches the other nodes, lets due jobs in and relays emitted facts, until ctx ends; end it after the last
// Settle, because without beats other nodes take the runs. Then it hands back the jobs that this node owns and does
// not run, so that another node begins them at once, and gives the instance free. Returns nil. Once only.
func (d *Domain) Run(ctx context.Context) error {
	d.mu.Lock()
	if d.running {
		d.mu.Unlock()
		return fmt.Errorf("%w: the domain runs already", ErrInvalid)
	}
	d.running = true
	d.mu.Unlock()
	b := newBeats(d)
	var roles errgroup.Group
	for _, role := range []func(context.Context){b.run, d.letDueIn, d.relayOutbox} {
		roles.Go(func() error {
			role(ctx)
			return nil
		})
	}
	_ = roles.Wait()
	d.mu.Lock()
	d.lastBeat = time.Time{} // no read starts any more
	d.mu.Unlock()
	d.reading.Lock()
	defer d.reading.Unlock()
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), d.q.cfg.EnqueueTimeout)
	defer cancel()
	d.handBack(last)
	b.end(last)
	d.q.mu.Lock()
	delete(d.q.domains, d.instance)
	d.q.mu.Unlock()
	return nil
}

// Lease returns how long this node's runs may go on without another word from here; never negative. Every beat that
// Redis took raises it to Config.Lease.
func (d *Domain) Lease() time.Duration {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.lastBeat.IsZero() {
		return 0
	}
	return max(0, d.q.cfg.Lease-time.Since(d.lastBeat))
}

// fresh reports whether a job may begin here: a beat of less than half a lease ago is known to have been taken.
func (d *Domain) fresh() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return !d.lastBeat.IsZero() && time.Since(d.lastBeat) < d.q.cfg.Lease/2
}

// unclear notes that Redis may have given this node entries that it does not know.
func (d *Domain) unclear() {
	d.mu.Lock()
	d.sweep = true
	d.mu.Unlock()
}

// cancelled passes a cancellation on to the run, or keeps it for a job that is just being read.
func (d *Domain) cancelled(id, reason string) {
	d.mu.Lock()
	r := d.byJob[id]
	if r == nil {
		now := time.Now()
		if len(d.notes) >= maxNotes {
			for other, n := range d.notes {
				if now.Sub(n.at) > noteFor {
					delete(d.notes, other)
				}
			}
		}
		if len(d.notes) < maxNotes {
			d.notes[id] = note{reason, now}
		}
	}
	d.mu.Unlock()
	if r != nil {
		d.opts.Cancel(r.Token(), reason)
	}
}

// checkCancels asks the records of all runs, after a time in which messages may have been lost.
func (d *Domain) checkCancels(ctx context.Context) {
	d.mu.Lock()
	list := make([]*run, 0, len(d.byJob))
	for _, r := range d.byJob {
		list = append(list, r)
	}
	d.mu.Unlock()
	for _, r := range list {
		reason, err := d.q.rdb.HGet(ctx, d.k.record+r.ID, "c").Result()
		switch {
		case err == nil:
			d.opts.Cancel(r.Token(), reason)
		case !errors.Is(err, redis.Nil):
			return // gone again; the next subscription asks again
		}
	}
}
