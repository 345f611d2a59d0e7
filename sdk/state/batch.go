package state

import (
	"context"
	"errors"

	"bulkhead.dev/sdk/pluginv1"
)

// Batch is a list of writes that the host carries out whole or not at all. Build it, Commit it, drop it; it is not safe
// for concurrent use. The index of a write is the number of writes that were added before it. The host takes 500 writes
// at most, each of another entry.
type Batch struct {
	client *Client
	writes []*pluginv1.StateWrite
	faults []error
}

// Batch returns an empty batch.
func (c *Client) Batch() *Batch { return &Batch{client: c} }

// Len is the number of writes so far: the index of the next.
func (b *Batch) Len() int { return len(b.writes) + len(b.faults) }

// PutLink adds the write of a link; its Revision is not looked at.
func (b *Batch) PutLink(kind string, link Link, condition Condition) *Batch {
	return b.add(putLink("state: batch", kind, link, condition))
}

// DeleteLink adds the removal of a link.
func (b *Batch) DeleteLink(kind, source string, condition Condition) *Batch {
	if kind == "" || source == "" {
		return b.add(nil, invalid("state: batch", "the kind or the source is empty"))
	}
	return b.add(deleteLink(kind, source, condition), nil)
}

// SetCursor adds the write of a cursor; position is marshalled as JSON.
func (b *Batch) SetCursor(name string, position any, condition Condition) *Batch {
	return b.add(putCursor("state: batch", name, position, condition))
}

// PutValue adds the write of a value under its whole key (KV.Key); value is marshalled as JSON.
func (b *Batch) PutValue(key string, value any, condition Condition) *Batch {
	return b.add(putValue("state: batch", key, value, condition))
}

// DeleteValue adds the removal of a value under its whole key.
func (b *Batch) DeleteValue(key string, condition Condition) *Batch {
	if key == "" {
		return b.add(nil, invalid("state: batch", "the key is empty"))
	}
	return b.add(deleteValue(key, condition), nil)
}

// Commit carries the batch out and returns the revisions, one a write (0 for a removal). When a condition does not hold,
// nothing is written and the error is a *ConflictError with the indexes of the writes. After any other error it is
// unclear whether the batch was carried out: conditions make its repeat harmless. An empty batch does no call.
func (b *Batch) Commit(ctx context.Context) ([]int64, error) {
	if len(b.faults) > 0 {
		return nil, errors.Join(b.faults...)
	}
	if len(b.writes) == 0 {
		return nil, nil
	}
	return b.client.commit(ctx, "state: batch", b.writes...)
}

func (b *Batch) add(write *pluginv1.StateWrite, err error) *Batch {
	if err != nil {
		b.faults = append(b.faults, err)
	} else {
		b.writes = append(b.writes, write)
	}
	return b
}
