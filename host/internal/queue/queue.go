// Package queue keeps jobs from their acceptance to their end, on Redis Streams or on an embedded stand-in.
//
// A Queue is one connection of one node. Enqueue puts jobs in (enqueue.go), a Domain reads and settles those of one
// instance (domain.go, read.go, settle.go), Await wakes callers who wait (result.go), Status, Cancel and the dead
// letters answer people (status.go, cancel.go, dead.go), the spool takes what comes while Redis is away (spool.go).
//
// A live job is in exactly one place: ready (an entry of one lane's stream, pending or not), waiting (at the tail of
// a gate) or delayed. One record a job says which. Every move is one Lua script for a whole group of jobs; the
// scripts stand beside their callers, and lib.lua is what they share. Every key is made in keys.go.
//
// The package knows the envelope, results and emitted facts as bytes alone.
package queue

import (
	"context"
	"time"

	"github.com/hashicorp/go-hclog"
)

// Config says where the queue is and how it behaves. Zero fields take the stated default.
type Config struct {
	// URL of Redis; the forms are those of ParseURL. Empty: an embedded queue that lives as long as this process.
	URL string
	// TLS for rediss:// and for the cluster and sentinel forms with ?tls=true.
	TLS TLS
	// PoolSize is the number of connections for commands; 0: 16. Blocking reads have connections of their own.
	PoolSize int
	// DialTimeout bounds a connect; 0: 1 s.
	DialTimeout time.Duration
	// IOTimeout bounds one command whose context has no earlier deadline; 0: 3 s.
	IOTimeout time.Duration
	// Node is this process' id, NodeIDLen characters of [a-z0-9], new at each start.
	Node string
	// Lease is how long a node that is not heard of keeps its runs; 0: 4 s. All nodes must have the same.
	Lease time.Duration
	// EnqueueTimeout is how long an Enqueue waits for Redis before the spool takes the job; 0: 1 s.
	EnqueueTimeout time.Duration
	// MaxDepth bounds the live jobs of one domain; 0: 1,000,000, and 10,000 on the embedded queue.
	MaxDepth int
	// MaxResult bounds the result that is kept of a job, in bytes; 0: 1 MiB.
	MaxResult int
	// Spool takes jobs while Redis is away; nil: they are refused then.
	Spool SpoolStore
	// Log gets what operators should know; nil: nothing is logged.
	Log hclog.Logger
}

// Queue is one node's connection to the queues of all domains. It is safe for concurrent use.
type Queue struct {
	cfg Config
}

// Open makes the connection lazily: it fails on a wrong Config alone, not because Redis is away. Close it.
func Open(ctx context.Context, cfg Config) (*Queue, error) { return open(ctx, cfg) }

// Close ends what runs in the background and the connections. Every Domain.Run must have returned.
func (q *Queue) Close() error { return q.close() }

// Enqueue makes the job safe, in Redis or in the spool, and says where it is. It joins the group of its instance that
// is just being sent. A repeat of a known id or alias changes nothing and answers what is known. Errors:
// ErrUnavailable (within Config.EnqueueTimeout), ErrFull, ErrInvalid.
func (q *Queue) Enqueue(ctx context.Context, job Job) (Receipt, error) { return q.enqueue(ctx, job) }
