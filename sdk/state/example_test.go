package state_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"time"

	"bulkhead.dev/sdk/state"
)

// A handler turns an employee into an issue, at most once, and writes to it only what changed.
func ExampleLinks_Ensure() {
	type tracker interface {
		FindByProperty(ctx context.Context, value string) (key string, err error)
		Create(ctx context.Context, title, property string) (key string, err error)
		SetTitle(ctx context.Context, key, title string) error
	}
	onHired := func(ctx context.Context, client *state.Client, issues tracker, employee, title string) error {
		links := client.Links("employee-issue")
		link, err := links.Ensure(ctx, employee,
			func(ctx context.Context) (string, error) { return issues.FindByProperty(ctx, employee) },
			func(ctx context.Context) (string, error) { return issues.Create(ctx, title, employee) },
		)
		if err != nil {
			return err // it knows how the job goes on
		}
		sum := sha256.Sum256([]byte(title))
		hash := hex.EncodeToString(sum[:])
		if link.Hash == hash {
			return nil
		}
		if err := issues.SetTitle(ctx, link.Target, title); err != nil {
			return err
		}
		return links.Put(ctx, employee, link.Target, hash)
	}
	_ = onHired
}

// A reconciliation moves its cursor once everything was seen, to the time it began less an overlap.
func ExampleCursor() {
	reconcile := func(ctx context.Context, client *state.Client, since func(context.Context, time.Time) error) error {
		const overlap = 15 * time.Minute
		cursor := state.CursorOf[time.Time](client, "issues")
		began := time.Now()
		from, _, err := cursor.Get(ctx)
		if err != nil {
			return err
		}
		if err := since(ctx, from); err != nil {
			return err
		}
		return cursor.Set(ctx, began.Add(-overlap))
	}
	_ = reconcile
}

// A counter that two runs may raise at once.
func ExampleKV_CompareAndSet() {
	count := func(ctx context.Context, client *state.Client, key string) (int, error) {
		counters := state.KVOf[int](client, "count/")
		for range 10 {
			entry, _, err := counters.Entry(ctx, key)
			if err != nil {
				return 0, err
			}
			_, err = counters.CompareAndSet(ctx, key, entry.Revision, entry.Value+1)
			if !errors.Is(err, state.ErrConflict) {
				return entry.Value + 1, err
			}
		}
		return 0, state.ErrConflict
	}
	_ = count
}

// Two writes that belong together.
func ExampleBatch() {
	link := func(ctx context.Context, client *state.Client, seen state.Entry[time.Time]) error {
		_, err := client.Batch().
			PutLink("deal-issue", state.Link{Source: "4107", Target: "OPS-1"}, state.Absent()).
			SetCursor("deals", time.Now(), state.At(seen.Revision)).
			Commit(ctx)
		return err
	}
	_ = link
}
