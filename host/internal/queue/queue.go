// Package queue keeps jobs from their acceptance to their end, on Redis Streams or on an embedded stand-in.
//
// A Queue is one connection of one node. Enqueue puts jobs in (enqueue.go), a Domain reads and settles those of one
// instance (domain.go, read.go, settle.go), Await wakes callers who wait (result.go), Status, Cancel and the dead
// letters answer people (status.go, cancel.go, dead.go), the spool takes what comes while Redis is away (spool.go).
//
// A live job is in exactly one place: ready (an entry of one lane's stream, pending or not), waiting (at the tail of
// a gate) or delayed. One record a job says which (record.go). Every move is one Lua script for a whole group of
// jobs; the scripts stand beside their callers, and lib.lua is what they share. Every key is made in keys.go.
//
// The package knows the envelope, results and emitted facts as bytes alone.
package queue

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/redis/go-redis/v9"
)

// Config says where the queue is and how it behaves. Zero fields take the stated default.
type Config struct {
	// URL of Redis: redis://, rediss:// or unix:// as usual, redis+cluster://h1,h2 and redis+sentinel://h1,h2/<master>
	// (rediss+... with TLS); see parseURL. Empty: an embedded queue that lives as long as this process.
	URL string
	// TLS for the rediss forms.
	TLS TLS
	// PoolSize is the number of connections for commands; 0: 16. Blocking reads have connections of their own.
	PoolSize int
	// DialTimeout bounds a connect; 0: 1 s.
	DialTimeout time.Duration
	// IOTimeout bounds one command whose context has no earlier deadline; 0: 3 s.
	IOTimeout time.Duration
	// WriteTimeout bounds the sending of one command; 0: IOTimeout.
	WriteTimeout time.Duration
	// Node is this process' id, NodeIDLen characters of [a-z0-9], new at each start.
	Node string
	// Lease is how long a node that is not heard of keeps its runs; 0: 4 s. All nodes must have the same.
	Lease time.Duration
	// EnqueueTimeout is how long an Enqueue waits for Redis before the spool takes the job; 0: 1 s.
	EnqueueTimeout time.Duration
	// MaxDepth bounds the live jobs of one domain; 0: 1,000,000, and 10,000 on the embedded queue. The field "depth" of
	// the domain's ctl hash overrides it for all nodes.
	MaxDepth int
	// MaxResult bounds the result that is kept of a job, in bytes; 0: 1 MiB.
	MaxResult int
	// Looks are the moments, from Watch on, at which a waiter looks at its job's record; the last step is repeated.
	// Empty: 2 s, 5 s, and every 5 s from then on.
	Looks []time.Duration
	// Spool takes jobs while Redis is away; nil: they are refused then.
	Spool SpoolStore
	// Log gets what operators should know; nil: nothing is logged.
	Log hclog.Logger

	beside *Queue // tests: another node on the same embedded queue
}

const (
	defaultPool      = 16
	defaultDial      = time.Second
	defaultIO        = 3 * time.Second
	defaultLease     = 4 * time.Second
	defaultEnqueue   = time.Second
	defaultDepth     = 1_000_000
	defaultMaxResult = 1 << 20
	minLease         = 40 * time.Millisecond
)

func (c *Config) complete() error {
	if len(c.Node) != NodeIDLen || strings.ContainsFunc(c.Node, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9')
	}) {
		return fmt.Errorf("%w: node id %q is not %d characters of a-z and 0-9", ErrInvalid, c.Node, NodeIDLen)
	}
	depth := defaultDepth
	if c.URL == "" {
		depth = embeddedDepth
	}
	c.PoolSize = cmp.Or(max(c.PoolSize, 0), defaultPool)
	c.MaxDepth = cmp.Or(max(c.MaxDepth, 0), depth)
	c.MaxResult = cmp.Or(max(c.MaxResult, 0), defaultMaxResult)
	c.DialTimeout = cmp.Or(max(c.DialTimeout, 0), defaultDial)
	c.IOTimeout = cmp.Or(max(c.IOTimeout, 0), defaultIO)
	c.WriteTimeout = cmp.Or(max(c.WriteTimeout, 0), c.IOTimeout)
	c.Lease = cmp.Or(max(c.Lease, 0), defaultLease)
	c.EnqueueTimeout = cmp.Or(max(c.EnqueueTimeout, 0), defaultEnqueue)
	if c.Lease < minLease {
		return fmt.Errorf("%w: lease of %s is under %s", ErrInvalid, c.Lease, minLease)
	}
	if len(c.Looks) == 0 {
		c.Looks = []time.Duration{2 * time.Second, 5 * time.Second, 10 * time.Second}
	}
	if c.Log == nil {
		c.Log = hclog.NewNullLogger()
	}
	return nil
}

// Queue is one node's connection to the queues of all domains. It is safe for concurrent use.
type Queue struct {
	cfg           Config
	log           hclog.Logger
	rdb, blocking redis.UniversalClient
	embedded      *embedded
	scripts       scripts

	ctx    context.Context //nolint:containedctx // of what runs in the background until Close
	cancel context.CancelFunc
	wg     sync.WaitGroup

	mu      sync.Mutex
	closed  bool
	intakes map[string]*intake
	domains map[string]*Domain

	health  *health
	results *results
	spool   *spool
	subs    subscriptions
	node    registration
	// skew is Redis' clock minus this node's, in ms.
	skew atomic.Int64
}

// Open makes the connection lazily: it fails on a wrong Config or an unreadable spool, not because Redis is away.
// Close it. ctx bounds Open alone.
func Open(ctx context.Context, cfg Config) (*Queue, error) {
	if err := cfg.complete(); err != nil {
		return nil, err
	}
	q := &Queue{
		cfg: cfg, log: cfg.Log, scripts: newScripts(),
		intakes: map[string]*intake{}, domains: map[string]*Domain{},
	}
	var opts *redis.UniversalOptions
	var err error
	if cfg.URL == "" {
		q.embedded, opts = startEmbedded(cfg.beside)
	} else if opts, err = parseURL(cfg.URL, cfg.TLS); err != nil {
		return nil, err
	}
	q.rdb, q.blocking = connect(opts, &cfg)
	q.ctx, q.cancel = context.WithCancel(context.WithoutCancel(ctx))
	q.health = newHealth(q)
	q.results = newResults(q)
	if cfg.Spool != nil {
		if q.spool, err = openSpool(ctx, q, cfg.Spool); err != nil {
			return nil, errors.Join(err, q.Close()) //nolint:contextcheck // Close has its own bound
		}
		q.background(q.spool.relay)
	}
	q.background(q.health.probe)
	q.background(q.results.receive)
	q.background(q.results.look)
	return q, nil
}

// background runs a role until Close.
func (q *Queue) background(role func(ctx context.Context)) {
	q.wg.Go(func() { role(q.ctx) })
}

// spawn runs a short task that Close waits for; false after Close.
func (q *Queue) spawn(task func()) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return false
	}
	q.wg.Go(task)
	return true
}

// Close ends what runs in the background and the connections. Every Domain.Run must have returned before. An embedded
// queue puts the jobs that have not ended into the spool, for the next start.
func (q *Queue) Close() error {
	q.mu.Lock()
	if q.closed {
		q.mu.Unlock()
		return nil
	}
	q.closed = true
	q.mu.Unlock()
	q.cancel()
	q.results.close()
	q.wg.Wait()
	q.deregister()
	var err error
	if q.embedded != nil && q.embedded.owner && q.spool != nil {
		err = q.evacuate()
	}
	err = errors.Join(err, q.blocking.Close(), q.rdb.Close())
	if q.embedded != nil {
		q.embedded.close()
	}
	return err
}

// Embedded reports whether the queue lives in this process alone.
func (q *Queue) Embedded() bool { return q.embedded != nil }

// Node returns this node's id.
func (q *Queue) Node() string { return q.cfg.Node }

// Available reports whether Redis answered when it was last asked.
func (q *Queue) Available() bool { return !q.health.down.Load() }

// Ping asks Redis whether it is there.
func (q *Queue) Ping(ctx context.Context) error {
	if err := q.rdb.Ping(ctx).Err(); err != nil {
		q.health.failed(err)
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return nil
}

// now is the time by Redis' clock, as of the last beat.
func (q *Queue) now() time.Time {
	return time.Now().Add(time.Duration(q.skew.Load()) * time.Millisecond)
}

func (q *Queue) noteTime(redisMillis int64, sent time.Time) {
	mid := sent.Add(time.Since(sent) / 2)
	q.skew.Store(redisMillis - mid.UnixMilli())
}

// allDomains returns the domains that this node reads.
func (q *Queue) allDomains() []*Domain {
	q.mu.Lock()
	defer q.mu.Unlock()
	list := make([]*Domain, 0, len(q.domains))
	for _, d := range q.domains {
		list = append(list, d)
	}
	return list
}
