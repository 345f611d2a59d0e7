package state

import (
	"context"
	"encoding/json"

	"bulkhead.dev/sdk/pluginv1"
)

// Cursor is a reconciliation position of the JSON type T, such as a time or a page token.
type Cursor[T any] struct {
	client *Client
	name   string
}

// CursorOf returns the cursor of that name. It does no call.
func CursorOf[T any](c *Client, name string) Cursor[T] { return Cursor[T]{client: c, name: name} }

// Get returns the position; false if none was set yet.
func (c Cursor[T]) Get(ctx context.Context) (T, bool, error) {
	entry, ok, err := c.Entry(ctx)
	return entry.Value, ok, err
}

// Entry is Get with the revision, for CompareAndSet.
func (c Cursor[T]) Entry(ctx context.Context) (Entry[T], bool, error) {
	const op = "state: get cursor"
	if c.name == "" {
		return Entry[T]{}, false, invalid(op, "the name is empty")
	}
	found, err := c.client.read(ctx, op, &pluginv1.StateRead{What: &pluginv1.StateRead_Cursor{Cursor: c.name}})
	if err != nil || found.GetCursor() == nil {
		return Entry[T]{Key: c.name}, false, err
	}
	cursor := found.GetCursor()
	return entryOf[T](op, cursor.GetName(), cursor.GetValue(), cursor.GetRevision())
}

// Set writes the position, whatever was there. Set it once a run has seen everything, to the time it began less an
// overlap: a position that runs ahead of its pages loses what comes late.
func (c Cursor[T]) Set(ctx context.Context, position T) error {
	return c.put(ctx, position, Condition{})
}

// CompareAndSet writes the position if the cursor still has this revision (0: was never set), else answers ErrConflict.
func (c Cursor[T]) CompareAndSet(ctx context.Context, revision int64, position T) error {
	return c.put(ctx, position, At(revision))
}

func (c Cursor[T]) put(ctx context.Context, position T, condition Condition) error {
	const op = "state: set cursor"
	write, err := putCursor(op, c.name, position, condition)
	if err != nil {
		return err
	}
	_, err = c.client.commitOne(ctx, op, write)
	return err
}

func putCursor(op, name string, position any, condition Condition) (*pluginv1.StateWrite, error) {
	if name == "" {
		return nil, invalid(op, "the name is empty")
	}
	value, err := json.Marshal(position)
	if err != nil {
		return nil, invalid(op, "cursor %q: %w", name, err)
	}
	return &pluginv1.StateWrite{Precondition: condition.must,
		What: &pluginv1.StateWrite_PutCursor{PutCursor: &pluginv1.Cursor{Name: name, Value: value}}}, nil
}
