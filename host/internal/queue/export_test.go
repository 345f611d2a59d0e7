package queue

import (
	"context"

	"github.com/redis/go-redis/v9"
)

// Beside makes cfg a second node on the embedded queue of q.
func Beside(cfg Config, q *Queue) Config {
	cfg.beside = q
	return cfg
}

// Raw is the connection of q, to play a part that no Queue plays.
func Raw(q *Queue) redis.UniversalClient { return q.rdb }

// Keys of an instance, for tests that look at the structure.
type Keys struct {
	Lanes                                                 [3]string
	Record, Gate, Delayed, Held, Pump, Outbox, Dead, Beat string
}

// KeysOf names them.
func KeysOf(instance string) Keys {
	k := keysOf(instance)
	return Keys{k.lanes, k.record, k.gate, k.delayed, k.held, k.pump, k.outbox, k.dead, k.beat}
}

// Group is the consumer group.
const Group = group

// RunScript runs one script on an instance's keys.
func RunScript(ctx context.Context, q *Queue, instance, name string, args ...any) *redis.Cmd {
	s := map[string]script{
		"settle": q.scripts.settle, "due": q.scripts.due, "claim": q.scripts.claim, "takeover": q.scripts.takeover,
		"beat": q.scripts.beat, "reap": q.scripts.reap, "cancel": q.scripts.cancel,
	}[name]
	return q.runDomain(ctx, s, keysOf(instance), args...)
}
