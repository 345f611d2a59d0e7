package store

import (
	"context"
	"io/fs"
	"testing"
	"time"
)

// FileName is the name of the database file.
const FileName = fileName

// OpenAs opens a store with another synchronous mode and another bound of groups.
func OpenAs(ctx context.Context, dir, synchronous string, group int) (*Store, error) {
	opts := defaults()
	opts.synchronous, opts.maxGroup = synchronous, group
	return open(ctx, dir, nil, opts)
}

// OpenBusy opens a store that waits for another's lock so long.
func OpenBusy(ctx context.Context, dir string, busy time.Duration) (*Store, error) {
	opts := defaults()
	opts.busy = busy
	return open(ctx, dir, nil, opts)
}

// OpenWith opens a store with other migrations.
func OpenWith(ctx context.Context, dir string, migrations fs.FS) (*Store, error) {
	opts := defaults()
	opts.migrations = migrations
	return open(ctx, dir, nil, opts)
}

// Migrations are the embedded ones.
func Migrations(t *testing.T) fs.FS {
	t.Helper()
	return embedded()
}
