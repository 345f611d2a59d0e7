package store_test

import (
	"bytes"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"bulkhead.dev/host/internal/store"
)

func row(queue, id string) store.SpoolRow {
	return store.SpoolRow{Queue: queue, JobID: id, Payload: []byte("payload of " + id), AcceptedAt: time.UnixMilli(1_700_000_000_123).UTC()}
}

func mustAppend(t *testing.T, p *store.Spool, rows ...store.SpoolRow) {
	t.Helper()
	if err := p.Append(t.Context(), rows); err != nil {
		t.Fatalf("append: %v", err)
	}
}

func mustNext(t *testing.T, p *store.Spool, queue string, limit int) []store.SpoolRow {
	t.Helper()
	rows, err := p.Next(t.Context(), queue, limit)
	if err != nil {
		t.Fatalf("next: %v", err)
	}
	return rows
}

func ids(rows []store.SpoolRow) (all []string) {
	for _, r := range rows {
		all = append(all, r.JobID)
	}
	return all
}

func seqs(rows []store.SpoolRow) (all []int64) {
	for _, r := range rows {
		all = append(all, r.Seq)
	}
	return all
}

func usage(t *testing.T, p *store.Spool) store.SpoolUsage {
	t.Helper()
	u, err := p.Usage(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func TestSpoolKeepsItsOrderOverARestart(t *testing.T) {
	t.Parallel()
	dir := dataDir(t)
	s := open(t, dir)
	p := s.Spool("n1", 1<<20)
	mustAppend(t, p, row("a", "1"), row("b", "2"), row("a", "3"))
	mustAppend(t, p, row("a", "4"))
	before := usage(t, p)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	p = open(t, dir).Spool("n1", 1<<20)
	if got := usage(t, p); got != before || got.Rows != 4 || got.Bytes <= 0 {
		t.Errorf("usage %+v, was %+v", got, before)
	}
	rows := mustNext(t, p, "a", 10)
	want := []store.SpoolRow{row("a", "1"), row("a", "3"), row("a", "4")}
	for i := range want {
		want[i].Seq = rows[i].Seq
	}
	if diff := cmp.Diff(want, rows); diff != "" {
		t.Error(diff)
	}
	if got := ids(mustNext(t, p, "a", 2)); !cmp.Equal(got, []string{"1", "3"}) {
		t.Errorf("limit: %v", got)
	}
	after, err := p.After(t.Context(), "a", rows[0].Seq, 10)
	if err != nil || !cmp.Equal(ids(after), []string{"3", "4"}) {
		t.Errorf("after the first: %v %v", after, err)
	}
	queues, err := p.Queues(t.Context())
	if err != nil || !cmp.Equal(queues, []string{"a", "b"}) {
		t.Errorf("queues %v, %v", queues, err)
	}
	if err := p.Remove(t.Context(), append(seqs(rows), 9999)); err != nil {
		t.Fatal(err)
	}
	if queues, err = p.Queues(t.Context()); err != nil || !cmp.Equal(queues, []string{"b"}) {
		t.Errorf("queues %v, %v", queues, err)
	}
	if err := p.Remove(t.Context(), seqs(mustNext(t, p, "b", 1))); err != nil {
		t.Fatal(err)
	}
	if got := usage(t, p); got != (store.SpoolUsage{}) {
		t.Errorf("an empty spool weighs %+v", got)
	}
	mustAppend(t, p, row("a", "5"))
	if again := mustNext(t, p, "a", 1); again[0].Seq <= rows[2].Seq {
		t.Errorf("number %d after %d", again[0].Seq, rows[2].Seq)
	}
}

func TestSpoolFinds(t *testing.T) {
	t.Parallel()
	s := open(t, dataDir(t))
	mine, other := s.Spool("n1", 1<<20), s.Spool("n2", 1<<20)
	first := row("a", "twice")
	first.Payload = []byte("the first")
	mustAppend(t, mine, first, row("b", "twice"))
	found, ok, err := mine.Find(t.Context(), "twice")
	if err != nil || !ok || string(found.Payload) != "the first" || found.Queue != "a" {
		t.Errorf("found %+v %v %v", found, ok, err)
	}
	for _, p := range []*store.Spool{mine, other} {
		if _, ok, err := p.Find(t.Context(), map[*store.Spool]string{mine: "none", other: "twice"}[p]); ok || err != nil {
			t.Errorf("found what is not there: %v", err)
		}
	}
}

func TestSpoolIsBoundedAndTakesAllOrNothing(t *testing.T) {
	t.Parallel()
	s := open(t, dataDir(t))
	big := store.SpoolRow{Queue: "q", JobID: "big", Payload: bytes.Repeat([]byte("x"), 1000)}
	probe := s.Spool("n0", 1<<20)
	mustAppend(t, probe, big)
	weight := usage(t, probe).Bytes // of one row; node names are of one length
	p := s.Spool("n1", 3*weight)
	mustAppend(t, p, big)
	if err := p.Append(t.Context(), []store.SpoolRow{big, big, big}); !errors.Is(err, store.ErrSpoolFull) {
		t.Fatalf("got %v", err)
	}
	if got := usage(t, p); got.Rows != 1 || got.Bytes != weight {
		t.Errorf("part of a refused batch was taken: %+v", got)
	}
	mustAppend(t, p, big, big) // to the very bound
	if err := p.Append(t.Context(), []store.SpoolRow{{Queue: "q", JobID: "j"}}); !errors.Is(err, store.ErrSpoolFull) {
		t.Errorf("got %v", err)
	}
	if err := p.Remove(t.Context(), seqs(mustNext(t, p, "q", 1))); err != nil {
		t.Fatal(err)
	}
	mustAppend(t, p, big)
}

func TestSpoolBoundHoldsAgainstManyAtOnce(t *testing.T) {
	t.Parallel()
	dir := dataDir(t)
	s := open(t, dir)
	const bound = 10_000
	p := s.Spool("n1", bound)
	var wg sync.WaitGroup
	var mu sync.Mutex
	taken, refused := 0, 0
	for i := range 40 {
		wg.Go(func() {
			err := p.Append(t.Context(), []store.SpoolRow{{Queue: "q", JobID: fmt.Sprintf("%03d", i), Payload: make([]byte, 500)}})
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil:
				taken++
			case errors.Is(err, store.ErrSpoolFull):
				refused++
			default:
				t.Error(err)
			}
		})
	}
	wg.Wait()
	got := usage(t, p)
	if got.Bytes > bound || got.Rows != int64(taken) || refused == 0 || taken == 0 {
		t.Errorf("usage %+v, taken %d, refused %d", got, taken, refused)
	}
	if rows := mustNext(t, p, "q", 100); len(rows) != taken {
		t.Errorf("%d rows", len(rows))
	}
}

func TestSpoolRefusesBadRows(t *testing.T) {
	t.Parallel()
	s := open(t, dataDir(t))
	tests := map[string]struct {
		node  string
		row   store.SpoolRow
		field string
	}{
		"no queue":      {"n1", store.SpoolRow{JobID: "j"}, "rows[1].queue"},
		"no job":        {"n1", store.SpoolRow{Queue: "q"}, "rows[1].job_id"},
		"large payload": {"n1", store.SpoolRow{Queue: "q", JobID: "j", Payload: make([]byte, 16<<20+1)}, "rows[1].payload"},
		"no node":       {"", row("q", "j"), "node"},
	}
	for name, tt := range tests {
		p := s.Spool(tt.node, 1<<30)
		err := p.Append(t.Context(), []store.SpoolRow{row("q", "good"), tt.row})
		checkInvalid(t, name, err, tt.field)
		if got := usage(t, p); got.Rows != 0 {
			t.Errorf("%s: %+v", name, got)
		}
	}
	mustAppend(t, s.Spool("n1", 0)) // nothing is no fault
}

func TestSpoolsOfNodesAreApart(t *testing.T) {
	t.Parallel()
	s := open(t, dataDir(t))
	one, two := s.Spool("n1", 1<<20), s.Spool("n2", 1<<20)
	mustAppend(t, one, row("q", "1"))
	if rows := mustNext(t, two, "q", 10); len(rows) != 0 {
		t.Errorf("saw %v", rows)
	}
	if err := two.Remove(t.Context(), seqs(mustNext(t, one, "q", 1))); err != nil {
		t.Fatal(err)
	}
	if rows := mustNext(t, one, "q", 10); len(rows) != 1 {
		t.Error("another node removed the row")
	}
}

func TestAdoptTakesTheDeadOnesRowsInOrder(t *testing.T) {
	t.Parallel()
	s := open(t, dataDir(t))
	heir, err := s.Join("heir")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = heir.Close() }()
	dead, mine := s.Spool("dead", 1<<20), s.Spool("heir", 1) // the bound is no reason to leave rows behind
	var want []string
	var rows []store.SpoolRow
	for i := range 150 { // more than a page
		id := fmt.Sprintf("%03d", i)
		rows, want = append(rows, row("q", id)), append(want, id)
	}
	mustAppend(t, dead, rows...)
	was := usage(t, dead)
	orphans, err := mine.Orphans(t.Context())
	if err != nil || !cmp.Equal(orphans, []string{"dead"}) {
		t.Fatalf("orphans %v, %v", orphans, err)
	}
	moved, err := mine.Adopt(t.Context(), "dead")
	if err != nil || moved != 150 {
		t.Fatalf("moved %d, %v", moved, err)
	}
	if diff := cmp.Diff(want, ids(mustNext(t, mine, "q", 1000))); diff != "" {
		t.Error(diff)
	}
	if got := usage(t, mine); got != was {
		t.Errorf("usage %+v, was %+v", got, was)
	}
	if got := usage(t, dead); got != (store.SpoolUsage{}) {
		t.Errorf("the dead one weighs %+v", got)
	}
	if moved, err = mine.Adopt(t.Context(), "dead"); moved != 0 || err != nil {
		t.Errorf("again: %d, %v", moved, err)
	}
	if err := mine.Append(t.Context(), []store.SpoolRow{row("q", "x")}); !errors.Is(err, store.ErrSpoolFull) {
		t.Errorf("over the bound: %v", err)
	}
}

func TestAdoptLeavesTheLivingAlone(t *testing.T) {
	t.Parallel()
	dir := dataDir(t)
	other, s := open(t, dir), open(t, dir)
	node, err := other.Join("living")
	if err != nil {
		t.Fatal(err)
	}
	mustAppend(t, other.Spool("living", 1<<20), row("q", "1"))
	mine := s.Spool("heir", 1<<20)
	if orphans, err := mine.Orphans(t.Context()); err != nil || len(orphans) != 0 {
		t.Errorf("orphans %v, %v", orphans, err)
	}
	if _, err := mine.Adopt(t.Context(), "living"); !errors.Is(err, store.ErrNodeAlive) {
		t.Errorf("got %v", err)
	}
	if err := node.Close(); err != nil { // stops without having emptied its spool
		t.Fatal(err)
	}
	if moved, err := mine.Adopt(t.Context(), "living"); err != nil || moved != 1 {
		t.Errorf("moved %d, %v", moved, err)
	}
}

func TestOnlyOneAdopts(t *testing.T) {
	t.Parallel()
	dir := dataDir(t)
	a, b := open(t, dir), open(t, dir)
	var rows []store.SpoolRow
	for i := range 300 {
		rows = append(rows, row("q", fmt.Sprintf("%03d", i)))
	}
	mustAppend(t, a.Spool("dead", 1<<20), rows...)
	var wg sync.WaitGroup
	var moved [2]int64
	for i, s := range []*store.Store{a, b} {
		wg.Go(func() {
			n, err := s.Spool(fmt.Sprintf("heir%d", i), 1<<20).Adopt(t.Context(), "dead")
			if err != nil && !errors.Is(err, store.ErrNodeAlive) {
				t.Error(err)
			}
			moved[i] = n
		})
	}
	wg.Wait()
	if moved[0]+moved[1] != 300 {
		t.Errorf("moved %v", moved)
	}
}
