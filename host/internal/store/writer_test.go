package store_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"bulkhead.dev/host/internal/store"
)

// note writes a row that tells that a write was carried out.
func note(key string) func(ctx context.Context, tx *store.Tx) error {
	return func(ctx context.Context, tx *store.Tx) error {
		_, err := tx.Exec(ctx, `INSERT INTO meta (name, value) VALUES (?, '')`, key)
		return err
	}
}

func noted(t *testing.T, s *store.Store) []string {
	t.Helper()
	rows, err := s.Read().QueryContext(t.Context(), `SELECT name FROM meta WHERE name <> 'store_id' ORDER BY name`)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	var names []string
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			t.Fatal(err)
		}
		names = append(names, name)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return names
}

// hold makes the writer busy until the returned function is called, which waits for the end.
func hold(t *testing.T, s *store.Store) (release func()) {
	t.Helper()
	inside, free := make(chan struct{}), make(chan struct{})
	done := make(chan error, 1)
	go func() {
		done <- s.Write(context.WithoutCancel(t.Context()), func(context.Context, *store.Tx) error {
			close(inside)
			<-free
			return nil
		})
	}()
	<-inside
	return sync.OnceFunc(func() {
		close(free)
		if err := <-done; err != nil {
			t.Errorf("holding write: %v", err)
		}
	})
}

// queueUp starts writes one after another, so that they wait in this order, and collects their errors.
func queueUp(t *testing.T, s *store.Store, fns ...func(ctx context.Context, tx *store.Tx) error) (errs []error, wait func()) {
	t.Helper()
	errs = make([]error, len(fns))
	var wg sync.WaitGroup
	for i, fn := range fns {
		before := s.Stats().Waiting
		wg.Go(func() { errs[i] = s.Write(context.WithoutCancel(t.Context()), fn) })
		eventually(t, "a write waits", func() bool { return s.Stats().Waiting == before+1 })
	}
	return errs, wg.Wait
}

func TestWritesThatWaitAreOneGroupInOrder(t *testing.T) {
	t.Parallel()
	s := open(t, dataDir(t))
	before := s.Stats()
	release := hold(t, s)
	var order []int
	var fns []func(ctx context.Context, tx *store.Tx) error
	for i := range 20 {
		fns = append(fns, func(ctx context.Context, tx *store.Tx) error {
			order = append(order, i)
			return note(fmt.Sprint(i))(ctx, tx)
		})
	}
	errs, wait := queueUp(t, s, fns...)
	release()
	wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	for i, n := range order {
		if i != n {
			t.Fatalf("order %v", order)
		}
	}
	after := s.Stats()
	if got := after.Writes - before.Writes; got != 21 {
		t.Errorf("%d writes", got)
	}
	if got := after.Groups - before.Groups; got > 2 { // two when the hold took longer than a group may
		t.Errorf("%d groups", got)
	}
	if after.LongestWait <= 0 || after.Waiting != 0 || after.Failed != 0 {
		t.Errorf("stats %+v", after)
	}
}

func TestOneFailingWriteFailsAlone(t *testing.T) {
	t.Parallel()
	s := open(t, dataDir(t))
	wrong := errors.New("wrong")
	release := hold(t, s)
	errs, wait := queueUp(t, s,
		note("a"),
		func(ctx context.Context, tx *store.Tx) error { return errors.Join(note("undone-1")(ctx, tx), wrong) },
		note("b"),
		func(ctx context.Context, tx *store.Tx) error {
			if err := note("undone-2")(ctx, tx); err != nil {
				return err
			}
			panic("a fault of this write")
		},
		note("a"), // the key is there: a constraint
		note("c"))
	release()
	wait()
	for i, fails := range []bool{false, true, false, true, true, false} {
		if (errs[i] != nil) != fails {
			t.Errorf("write %d: %v", i, errs[i])
		}
	}
	if !errors.Is(errs[1], wrong) {
		t.Errorf("lost the cause: %v", errs[1])
	}
	if diff := cmp.Diff([]string{"a", "b", "c"}, noted(t, s)); diff != "" {
		t.Error(diff)
	}
	if got := s.Stats().Failed; got != 3 {
		t.Errorf("%d failed", got)
	}
}

func TestWriteIsNotCarriedOutWhenItsContextEndedBefore(t *testing.T) {
	t.Parallel()
	s := open(t, dataDir(t))
	release := hold(t, s)
	defer release()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Write(ctx, note("abandoned")) }()
	eventually(t, "the write waits", func() bool { return s.Stats().Waiting == 1 })
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) { // answered though the writer is busy
		t.Errorf("got %v", err)
	}
	if err := s.Write(ctx, note("dead on arrival")); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	release()
	if err := s.Write(t.Context(), note("after")); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"after"}, noted(t, s)); diff != "" {
		t.Error(diff)
	}
}

func TestWriteOnceBegunTellsTheTruth(t *testing.T) {
	t.Parallel()
	s := open(t, dataDir(t))
	ctx, cancel := context.WithCancel(t.Context())
	err := s.Write(ctx, func(ctx context.Context, tx *store.Tx) error {
		cancel()
		return note("kept")(ctx, tx) // an interrupted statement would roll the group back
	})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"kept"}, noted(t, s)); diff != "" {
		t.Error(diff)
	}
}

func TestABrokenTransactionFailsItsGroupAndNoLaterOne(t *testing.T) {
	t.Parallel()
	s := open(t, dataDir(t))
	inside, free := make(chan struct{}), make(chan struct{})
	lost := make(chan error, 1)
	go func() {
		lost <- s.Write(context.WithoutCancel(t.Context()), func(ctx context.Context, tx *store.Tx) error {
			close(inside)
			<-free
			return note("lost")(ctx, tx)
		})
	}()
	<-inside
	errs, wait := queueUp(t, s, func(ctx context.Context, tx *store.Tx) error {
		_, err := tx.Exec(ctx, `ROLLBACK`) // what SQLite does of itself when the disk is full
		return err
	})
	close(free)
	wait()
	if errs[0] == nil {
		t.Error("the write that broke it was acknowledged")
	}
	if err := <-lost; (err == nil) != (len(noted(t, s)) == 1) { // unless the group had ended before the breach
		t.Errorf("answered %v, kept %v", err, noted(t, s))
	}
	if err := s.Write(t.Context(), note("later")); err != nil {
		t.Fatal(err)
	}
	if got := noted(t, s); len(got) == 0 || got[0] != "later" { // "lost" comes after, if at all
		t.Errorf("kept %v", got)
	}
}

func TestALockThatIsNotGivenUpIsAnErrorAndNoEnd(t *testing.T) {
	t.Parallel()
	dir := dataDir(t)
	other := open(t, dir)
	s, err := store.OpenBusy(t.Context(), dir, time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	// A backup, say: it takes SQLite's lock and does not pass the turnstile.
	backup, err := sql.Open("sqlite", "file:"+url.PathEscape(filepath.Join(dir, store.FileName)))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = backup.Close() }()
	conn, err := backup.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if _, err := conn.ExecContext(t.Context(), `BEGIN IMMEDIATE`); err != nil {
		t.Fatal(err)
	}
	errs := make([]error, 20)
	var wg sync.WaitGroup
	for i := range errs {
		wg.Go(func() { errs[i] = s.Write(t.Context(), note("refused")) })
	}
	wg.Wait()
	for _, err := range errs {
		if err == nil {
			t.Error("a write got through")
		}
	}
	patient := make(chan error, 1)
	go func() { patient <- other.Write(context.WithoutCancel(t.Context()), note("patient")) }()
	if _, err := conn.ExecContext(t.Context(), `ROLLBACK`); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(<-patient, s.Write(t.Context(), note("after"))); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"after", "patient"}, noted(t, s)); diff != "" {
		t.Error(diff)
	}
}

func TestAWriteReadsWhatItWrote(t *testing.T) {
	t.Parallel()
	s := open(t, dataDir(t))
	err := s.Write(t.Context(), func(ctx context.Context, tx *store.Tx) (err error) {
		if err := errors.Join(note("a")(ctx, tx), note("b")(ctx, tx)); err != nil {
			return err
		}
		rows, err := tx.Query(ctx, `SELECT name FROM meta WHERE name < ? ORDER BY name`, "c")
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, rows.Close()) }()
		var names []string
		for rows.Next() {
			var name string
			if err := rows.Scan(&name); err != nil {
				return err
			}
			names = append(names, name)
		}
		if diff := cmp.Diff([]string{"a", "b"}, names); diff != "" {
			t.Error(diff)
		}
		return rows.Err()
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := noted(t, s); len(got) != 2 {
		t.Errorf("kept %v", got)
	}
}

func TestCloseCarriesOutWhatWaits(t *testing.T) {
	t.Parallel()
	dir := dataDir(t)
	s := open(t, dir)
	release := hold(t, s)
	errs, wait := queueUp(t, s, note("1"), note("2"), note("3"))
	closed := make(chan error, 1)
	go func() { closed <- s.Close() }()
	eventually(t, "the store refuses", func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		return errors.Is(s.Write(ctx, note("x")), store.ErrClosed)
	})
	release()
	wait()
	if err := errors.Join(append(errs, <-closed)...); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"1", "2", "3"}, noted(t, open(t, dir))); diff != "" {
		t.Error(diff)
	}
}

func TestAWriteThatEndsTheGoroutineLeavesNobodyWaiting(t *testing.T) {
	t.Parallel()
	s, err := store.Open(t.Context(), dataDir(t), nil)
	if err != nil {
		t.Fatal(err)
	}
	err = s.Write(t.Context(), func(context.Context, *store.Tx) error { runtime.Goexit(); return nil })
	if !errors.Is(err, store.ErrUncertain) {
		t.Errorf("got %v", err)
	}
	if err := s.Write(t.Context(), note("x")); !errors.Is(err, store.ErrClosed) {
		t.Errorf("got %v", err)
	}
	if err := s.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
}

func TestTheQueueOfWritesIsBounded(t *testing.T) {
	t.Parallel()
	s := open(t, dataDir(t))
	release := hold(t, s)
	defer release()
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	const bound, more = 1024, 50
	for range bound + more {
		wg.Go(func() { _ = s.Write(ctx, note("never")) })
	}
	eventually(t, "the queue is full", func() bool { return s.Stats().Waiting == bound })
	cancel()
	wg.Wait() // those who wait for room give up too
	release()
	eventually(t, "the abandoned are passed over", func() bool { return s.Stats().Waiting == 0 })
	if err := s.Write(t.Context(), note("after")); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"after"}, noted(t, s)); diff != "" {
		t.Error(diff)
	}
}
