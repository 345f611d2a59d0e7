package queue

import (
	"context"
	"errors"
	"fmt"

	"github.com/redis/go-redis/v9"
)

// maxPage bounds a page of dead letters.
const maxPage = 200

// DeadLetters lists the dead letters of an instance, newest first, a page a call; after is the last id of the page
// before, empty for the first. limit is 200 at most.
func (q *Queue) DeadLetters(ctx context.Context, instance, after string, limit int) ([]Status, error) {
	k := keysOf(instance)
	fail := func(err error) ([]Status, error) {
		q.health.failed(err)
		return nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	var from int64
	if after != "" {
		rank, err := q.rdb.ZRevRank(ctx, k.dead, after).Result()
		if errors.Is(err, redis.Nil) {
			return nil, fmt.Errorf("%w: %s is no dead letter any more", ErrNotFound, after)
		}
		if err != nil {
			return fail(err)
		}
		from = rank + 1
	}
	ids, err := q.rdb.ZRevRange(ctx, k.dead, from, from+int64(min(max(limit, 1), maxPage))-1).Result()
	if err != nil {
		return fail(err)
	}
	list := make([]Status, 0, len(ids))
	for _, id := range ids {
		s, err := q.record(ctx, k, id)
		if errors.Is(err, ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		list = append(list, s)
	}
	return list, nil
}

// Replay starts a dead letter anew under another id of the same instance, in the lane bulk, with all its attempts. A
// second call answers the first one's id. The envelope still holds the old id. ErrEnded when it is no dead letter,
// ErrNotFound when it or its envelope is gone.
func (q *Queue) Replay(ctx context.Context, id, newID string) (Receipt, error) {
	instance, ok := InstanceOf(id)
	other, okNew := InstanceOf(newID)
	if !ok || !okNew || instance != other || id == newID {
		return Receipt{}, fmt.Errorf("%w: replay of %q as %q", ErrInvalid, id, newID)
	}
	reply, err := q.runDomain(ctx, q.scripts.replay, keysOf(instance), id, newID, int(LaneBulk)).Slice()
	if err != nil || len(reply) < 2 {
		q.health.failed(err)
		return Receipt{}, fmt.Errorf("%w: replay: %w", ErrUnavailable, err)
	}
	got, _ := reply[0].(string)
	state, _ := reply[1].(string)
	switch {
	case got != "":
		return Receipt{ID: got, State: stateOf(state), Repeated: got != newID}, nil
	case state == "":
		return Receipt{}, fmt.Errorf("%w: %s", ErrNotFound, id)
	case state == "lost":
		return Receipt{}, fmt.Errorf("%w: the envelope of %s", ErrNotFound, id)
	case state == "taken":
		return Receipt{}, fmt.Errorf("%w: id %s is taken", ErrInvalid, newID)
	}
	return Receipt{}, fmt.Errorf("%w: %s is no dead letter", ErrEnded, id)
}

// Discard ends a dead letter for good. ErrEnded when it is none, ErrNotFound.
func (q *Queue) Discard(ctx context.Context, id string) error {
	instance, ok := InstanceOf(id)
	if !ok {
		return fmt.Errorf("%w: %q", ErrNotFound, id)
	}
	before, err := q.runDomain(ctx, q.scripts.discard, keysOf(instance), id).Text()
	switch {
	case err != nil:
		q.health.failed(err)
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	case before == "":
		return fmt.Errorf("%w: %s", ErrNotFound, id)
	case before != codeDead:
		return fmt.Errorf("%w: %s is no dead letter", ErrEnded, id)
	}
	return nil
}
