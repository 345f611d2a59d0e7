package state

import (
	"context"
	"encoding/json"
	"iter"
	"strings"

	"bulkhead.dev/sdk/pluginv1"
)

// Entry is a value with what belongs to it.
type Entry[T any] struct {
	// Key below the prefix of its KV, or the cursor's name.
	Key string
	// Value as it was read.
	Value T
	// Revision is raised by each write; 0: the entry does not exist.
	Revision int64
}

// KV are the values of the JSON type T whose keys begin with a prefix. Kinds of values are kept apart by their prefixes,
// such as "sent/".
type KV[T any] struct {
	client *Client
	prefix string
}

// KVOf returns the values below prefix, which may be empty. It does no call. Keys of its methods are below the prefix.
func KVOf[T any](c *Client, prefix string) KV[T] { return KV[T]{client: c, prefix: prefix} }

// Key returns the whole name of a key, as a Batch wants it.
func (kv KV[T]) Key(key string) string { return kv.prefix + key }

// Get returns the value of key; false if there is none.
func (kv KV[T]) Get(ctx context.Context, key string) (T, bool, error) {
	entry, ok, err := kv.Entry(ctx, key)
	return entry.Value, ok, err
}

// Entry is Get with the revision, for CompareAndSet.
func (kv KV[T]) Entry(ctx context.Context, key string) (Entry[T], bool, error) {
	const op = "state: get value"
	if kv.Key(key) == "" {
		return Entry[T]{}, false, invalid(op, "the key is empty")
	}
	found, err := kv.client.read(ctx, op, &pluginv1.StateRead{What: &pluginv1.StateRead_Value{Value: kv.Key(key)}})
	if err != nil || found.GetValue() == nil {
		return Entry[T]{Key: key}, false, err
	}
	value := found.GetValue()
	return entryOf[T](op, key, value.GetJson(), value.GetRevision())
}

// Put writes the value of key, whatever was there.
func (kv KV[T]) Put(ctx context.Context, key string, value T) error {
	_, err := kv.put(ctx, key, value, Condition{})
	return err
}

// CompareAndSet writes the value if key still has this revision (0: does not exist), else answers ErrConflict. It
// returns the new revision.
func (kv KV[T]) CompareAndSet(ctx context.Context, key string, revision int64, value T) (int64, error) {
	return kv.put(ctx, key, value, At(revision))
}

// Delete removes key; there need be none.
func (kv KV[T]) Delete(ctx context.Context, key string) error {
	const op = "state: delete value"
	if kv.Key(key) == "" {
		return invalid(op, "the key is empty")
	}
	_, err := kv.client.commitOne(ctx, op, deleteValue(kv.Key(key), Condition{}))
	return err
}

// Scan goes through the values whose keys begin with within (below the prefix; empty: all), in the order of their keys,
// a page a call. Each page is a snapshot of its own. An error ends it.
func (kv KV[T]) Scan(ctx context.Context, within string) iter.Seq2[Entry[T], error] {
	const op = "state: scan values"
	return func(yield func(Entry[T], error) bool) {
		after := ""
		for {
			res, err := kv.client.page(ctx, op, &pluginv1.ScanStateRequest{
				What: &pluginv1.ScanStateRequest_ValuePrefix{ValuePrefix: kv.Key(within)}, After: after})
			if err != nil {
				yield(Entry[T]{}, err)
				return
			}
			for _, value := range res.GetValues() {
				after = value.GetKey()
				entry, _, err := entryOf[T](op, strings.TrimPrefix(after, kv.prefix), value.GetJson(), value.GetRevision())
				if !yield(entry, err) || err != nil {
					return
				}
			}
			if !res.GetMore() || len(res.GetValues()) == 0 {
				return
			}
		}
	}
}

func (kv KV[T]) put(ctx context.Context, key string, value T, condition Condition) (int64, error) {
	const op = "state: put value"
	write, err := putValue(op, kv.Key(key), value, condition)
	if err != nil {
		return 0, err
	}
	return kv.client.commitOne(ctx, op, write)
}

// entryOf decodes what the host has. A value that does not fit T is the plugin's fault: it wrote it.
func entryOf[T any](op, key string, raw []byte, revision int64) (Entry[T], bool, error) {
	entry := Entry[T]{Key: key, Revision: revision}
	if err := json.Unmarshal(raw, &entry.Value); err != nil {
		return Entry[T]{Key: key}, false, invalid(op, "%q does not fit %T: %w", key, entry.Value, err)
	}
	return entry, true, nil
}

func putValue(op, key string, value any, condition Condition) (*pluginv1.StateWrite, error) {
	if key == "" {
		return nil, invalid(op, "the key is empty")
	}
	raw, err := json.Marshal(value)
	if err != nil {
		return nil, invalid(op, "value %q: %w", key, err)
	}
	return &pluginv1.StateWrite{Precondition: condition.must,
		What: &pluginv1.StateWrite_PutValue{PutValue: &pluginv1.Value{Key: key, Json: raw}}}, nil
}

func deleteValue(key string, condition Condition) *pluginv1.StateWrite {
	return &pluginv1.StateWrite{Precondition: condition.must, What: &pluginv1.StateWrite_DeleteValue{DeleteValue: key}}
}
