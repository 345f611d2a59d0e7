package queue

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/redis/go-redis/v9"
)

// subscriptions is what this node has read of them.
type subscriptions struct {
	mu      sync.Mutex
	version string
	docs    map[string][]byte
}

// PublishSubscriptions stores what an instance listens to, opaque, for all nodes; empty takes it out. The version
// is raised when that changes anything.
func (q *Queue) PublishSubscriptions(ctx context.Context, instance string, doc []byte) error {
	if !validName(instance) {
		return fmt.Errorf("%w: instance %q", ErrInvalid, instance)
	}
	err := q.run(ctx, q.scripts.subscribe, []string{keySubscriptions}, []any{instance, doc, fieldVersion}).Err()
	if err != nil {
		q.health.failed(err)
		return fmt.Errorf("%w: subscriptions: %w", ErrUnavailable, err)
	}
	return nil
}

// Subscriptions returns what all instances listen to, as of now: one small read when nothing has changed. The map
// is shared: do not write to it.
func (q *Queue) Subscriptions(ctx context.Context) (map[string][]byte, error) {
	s := &q.subs
	s.mu.Lock()
	defer s.mu.Unlock()
	version, err := q.rdb.HGet(ctx, keySubscriptions, fieldVersion).Result()
	if err != nil && !errors.Is(err, redis.Nil) {
		q.health.failed(err)
		return nil, fmt.Errorf("%w: subscriptions: %w", ErrUnavailable, err)
	}
	if s.docs != nil && version == s.version {
		return s.docs, nil
	}
	all, err := q.rdb.HGetAll(ctx, keySubscriptions).Result()
	if err != nil {
		q.health.failed(err)
		return nil, fmt.Errorf("%w: subscriptions: %w", ErrUnavailable, err)
	}
	docs := make(map[string][]byte, len(all))
	for instance, doc := range all {
		if instance != fieldVersion {
			docs[instance] = []byte(doc)
		}
	}
	s.docs, s.version = docs, all[fieldVersion]
	return docs, nil
}
