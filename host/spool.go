package main

import (
	"context"
	"errors"
	"fmt"

	"bulkhead.dev/host/internal/queue"
	"bulkhead.dev/host/internal/store"
)

// spool is the store's spool as the queue wants it: neither of the two packages knows the other.
type spool struct {
	*store.Spool
}

var _ queue.SpoolStore = spool{}

// Append implements queue.SpoolStore.
func (s spool) Append(ctx context.Context, rows []queue.SpoolRow) error {
	converted := make([]store.SpoolRow, len(rows))
	for i, row := range rows {
		converted[i] = store.SpoolRow(row)
	}
	err := s.Spool.Append(ctx, converted)
	if errors.Is(err, store.ErrSpoolFull) {
		return fmt.Errorf("%w: %w", queue.ErrSpoolFull, err)
	}
	return err
}

// Next implements queue.SpoolStore.
func (s spool) Next(ctx context.Context, name string, limit int) ([]queue.SpoolRow, error) {
	rows, err := s.Spool.Next(ctx, name, limit)
	converted := make([]queue.SpoolRow, len(rows))
	for i, row := range rows {
		converted[i] = queue.SpoolRow(row)
	}
	return converted, err
}

// Find implements queue.SpoolStore.
func (s spool) Find(ctx context.Context, jobID string) (queue.SpoolRow, bool, error) {
	row, found, err := s.Spool.Find(ctx, jobID)
	return queue.SpoolRow(row), found, err
}

// adopt takes over what nodes that died with a full spool have left, before the queue looks at the spool.
func (s spool) adopt(ctx context.Context) (moved int64, err error) {
	orphans, err := s.Orphans(ctx)
	if err != nil {
		return 0, err
	}
	for _, node := range orphans {
		n, err := s.Adopt(ctx, node)
		if errors.Is(err, store.ErrNodeAlive) {
			continue // another host was quicker
		}
		if err != nil {
			return moved, fmt.Errorf("spool of %s: %w", node, err)
		}
		moved += n
	}
	return moved, nil
}
