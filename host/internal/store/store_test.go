package store_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"go.uber.org/goleak"

	"bulkhead.dev/host/internal/store"
)

func TestMain(m *testing.M) {
	if role := os.Getenv(childRole); role != "" {
		os.Exit(child(role, os.Getenv(childDir)))
	}
	goleak.VerifyTestMain(m)
}

func open(t *testing.T, dir string) *store.Store {
	t.Helper()
	s, err := store.Open(t.Context(), dir, nil)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return s
}

// dataDir is a directory as an operator would make it.
func dataDir(t *testing.T) string {
	t.Helper()
	return filepath.Join(t.TempDir(), "data ?#%") // a path is no URL
}

// eventually waits for a condition that another goroutine brings about.
func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	deadline := time.NewTimer(20 * time.Second)
	defer deadline.Stop()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !condition() {
		select {
		case <-tick.C:
		case <-deadline.C:
			t.Fatalf("not in time: %s", what)
		}
	}
}

func TestOpenIsPrivateAndKeepsItsID(t *testing.T) {
	t.Parallel()
	dir := dataDir(t)
	first := open(t, dir)
	mustPut(t, first, "k", `1`)
	for name, want := range map[string]fs.FileMode{
		".": 0o700, "nodes": 0o700, store.FileName: 0o600, store.FileName + "-wal": 0o600, store.FileName + "-shm": 0o600,
		"open.lock": 0o600, "write.gate": 0o600, "write.turn": 0o600,
	} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if got := info.Mode().Perm(); got != want {
			t.Errorf("%s has mode %04o, want %04o", name, got, want)
		}
	}
	if len(first.ID()) != 32 {
		t.Errorf("id %q", first.ID())
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	if again := open(t, dir); again.ID() != first.ID() {
		t.Errorf("id changed from %s to %s", first.ID(), again.ID())
	}
	if other := open(t, dataDir(t)); other.ID() == first.ID() {
		t.Error("two stores have one id")
	}
}

func TestOpenMendsTheModeOfItsFile(t *testing.T) {
	t.Parallel()
	dir := dataDir(t)
	if err := open(t, dir).Close(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, store.FileName)
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	open(t, dir)
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o600 {
		t.Errorf("mode %04o", info.Mode().Perm())
	}
}

func TestOpenSetsEveryConnection(t *testing.T) {
	t.Parallel()
	s := open(t, dataDir(t))
	read := func(get func(pragma string, dest *string) error, want map[string]string) {
		for pragma, value := range want {
			var got string
			if err := get(pragma, &got); err != nil {
				t.Errorf("%s: %v", pragma, err)
			} else if got != value {
				t.Errorf("%s is %s, want %s", pragma, got, value)
			}
		}
	}
	err := s.Write(t.Context(), func(ctx context.Context, tx *store.Tx) error {
		read(func(pragma string, dest *string) error {
			_, err := tx.Get(ctx, "PRAGMA "+pragma, nil, dest)
			return err
		}, map[string]string{"journal_mode": "wal", "busy_timeout": "30000", "foreign_keys": "1", "synchronous": "2", "query_only": "0"})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	// All of the pool at once, so that each is another connection.
	for range s.Read().Stats().MaxOpenConnections {
		conn, err := s.Read().Conn(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = conn.Close() }()
		read(func(pragma string, dest *string) error {
			return conn.QueryRowContext(t.Context(), "PRAGMA "+pragma).Scan(dest)
		}, map[string]string{"journal_mode": "wal", "busy_timeout": "30000", "foreign_keys": "1", "query_only": "1"})
		if _, err := conn.ExecContext(t.Context(), `DELETE FROM meta`); err == nil {
			t.Error("a reader wrote")
		}
	}
}

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	raw := func(t *testing.T, dir, statement string) {
		t.Helper()
		db, err := sql.Open("sqlite", filepath.Join(dir, store.FileName))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := db.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
	}
	tests := map[string]struct {
		damage func(t *testing.T, dir string)
		want   error
	}{
		"newer schema":     {func(t *testing.T, dir string) { raw(t, dir, `PRAGMA user_version = 9999`) }, store.ErrNewerSchema},
		"other migrations": {func(t *testing.T, dir string) { raw(t, dir, `UPDATE migrations SET sum = 'x' WHERE version = 1`) }, store.ErrSchema},
		"lost migrations":  {func(t *testing.T, dir string) { raw(t, dir, `DELETE FROM migrations`) }, store.ErrSchema},
		"other program":    {func(t *testing.T, dir string) { raw(t, dir, `PRAGMA application_id = 42`) }, store.ErrForeignFile},
		"open directory":   {func(t *testing.T, dir string) { chmod(t, dir, 0o777) }, store.ErrUnsafeDir},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), "data")
			if err := open(t, dir).Close(); err != nil {
				t.Fatal(err)
			}
			tt.damage(t, dir)
			s, err := store.Open(t.Context(), dir, nil)
			if err == nil {
				_ = s.Close()
			}
			if !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
		})
	}
}

func chmod(t *testing.T, path string, mode fs.FileMode) {
	t.Helper()
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}

func TestOpenRefusesAFileThatIsNoDatabase(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	chmod(t, dir, 0o700)
	if err := os.WriteFile(filepath.Join(dir, store.FileName), []byte("this is a letter to somebody, not a database at all"), 0o600); err != nil {
		t.Fatal(err)
	}
	if s, err := store.Open(t.Context(), dir, nil); err == nil {
		_ = s.Close()
		t.Error("opened")
	}
}

func TestOpenEndsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if s, err := store.Open(ctx, dataDir(t), nil); err == nil {
		_ = s.Close()
		t.Error("opened")
	}
}

func TestMigrateFromAnOlderVersion(t *testing.T) {
	t.Parallel()
	all := store.Migrations(t)
	state, err := fs.ReadFile(all, "migrations/0001_state.sql")
	if err != nil {
		t.Fatal(err)
	}
	dir := dataDir(t)
	old, err := store.OpenWith(t.Context(), dir, fstest.MapFS{"migrations/0001_state.sql": {Data: state}})
	if err != nil {
		t.Fatal(err)
	}
	mustPut(t, old, "k", `"kept"`)
	if err := old.Spool("a", 1<<20).Append(t.Context(), []store.SpoolRow{{Queue: "q", JobID: "j"}}); err == nil {
		t.Fatal("the old version has a spool: this tests nothing")
	}
	if err := old.Close(); err != nil {
		t.Fatal(err)
	}
	now := open(t, dir)
	if now.ID() != old.ID() {
		t.Error("the id changed")
	}
	if got := mustGet(t, now, "widget", "k"); string(got.GetJson()) != `"kept"` {
		t.Errorf("value %s", got.GetJson())
	}
	if err := now.Spool("a", 1<<20).Append(t.Context(), []store.SpoolRow{{Queue: "q", JobID: "j"}}); err != nil {
		t.Error(err)
	}
}

func TestMigrationFailsWhole(t *testing.T) {
	t.Parallel()
	dir := dataDir(t)
	state, err := fs.ReadFile(store.Migrations(t), "migrations/0001_state.sql")
	if err != nil {
		t.Fatal(err)
	}
	from := fstest.MapFS{
		"migrations/0001_state.sql": {Data: state},
		"migrations/0002_bad.sql":   {Data: []byte(`CREATE TABLE half (x TEXT) STRICT; CREATE TABLE links (x TEXT) STRICT;`)},
	}
	if s, err := store.OpenWith(t.Context(), dir, from); err == nil {
		_ = s.Close()
		t.Fatal("a bad migration was carried out")
	}
	s := open(t, dir) // goes on from the version before the bad one
	var n int
	if err := s.Read().QueryRowContext(t.Context(), `SELECT count(*) FROM sqlite_schema WHERE name = 'half'`).Scan(&n); err != nil || n != 0 {
		t.Errorf("%d tables of the failed migration, %v", n, err)
	}
}

func TestTwoStoresOpenOneNewDirectoryAtOnce(t *testing.T) {
	t.Parallel()
	dir := dataDir(t)
	const hosts, writes = 4, 25
	ids := make([]string, hosts)
	var wg sync.WaitGroup
	for i := range hosts {
		wg.Go(func() {
			s, err := store.Open(t.Context(), dir, nil)
			if err != nil {
				t.Errorf("open: %v", err)
				return
			}
			ids[i] = s.ID()
			for n := range writes {
				if _, err := s.CommitState(t.Context(), "widget", commitOf(putValue(fmt.Sprintf("%d-%03d", i, n), `1`))); err != nil {
					t.Errorf("write: %v", err)
				}
			}
			if err := s.Close(); err != nil {
				t.Errorf("close: %v", err)
			}
		})
	}
	wg.Wait()
	for _, id := range ids {
		if id != ids[0] {
			t.Errorf("ids differ: %v", ids)
		}
	}
	if got := len(scanAll(t, open(t, dir), "widget", "", 1000)); got != hosts*writes {
		t.Errorf("%d values, want %d", got, hosts*writes)
	}
}

func TestClosedStoreRefuses(t *testing.T) {
	t.Parallel()
	s := open(t, dataDir(t))
	if err := errors.Join(s.Close(), s.Close()); err != nil {
		t.Fatal(err)
	}
	calls := map[string]func() error{
		"write":  func() error { return s.Write(t.Context(), func(context.Context, *store.Tx) error { return nil }) },
		"commit": func() error { _, err := s.CommitState(t.Context(), "widget", commitOf(putValue("k", `1`))); return err },
		"read":   func() error { _, err := s.ReadState(t.Context(), "widget", readOf(valueKey("k"))); return err },
		"find":   func() error { _, _, err := s.Spool("a", 1).Find(t.Context(), "j"); return err },
		"next":   func() error { _, err := s.Spool("a", 1).Next(t.Context(), "q", 1); return err },
		"usage":  func() error { _, err := s.Spool("a", 1).Usage(t.Context()); return err },
	}
	for name, call := range calls {
		if err := call(); !errors.Is(err, store.ErrClosed) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
