package queue_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"bulkhead.dev/host/internal/queue"
)

func TestLaterCountsAttempts(t *testing.T) {
	onBoth(t, func(t *testing.T, r *rig) {
		q := r.node()
		rd := read(t, q)
		put(t, q, job(1))
		later := func(free bool) {
			d := rd.one()
			if !rd.end(queue.Settlement{Token: d.Token(), Kind: queue.Later, Free: free, After: 20 * time.Millisecond, Reason: "again", Fault: queue.FaultVendor}) {
				t.Fatal("did not win")
			}
		}
		later(false)
		s := status(t, q, "acme-0001")
		if s.State != queue.StateRetrying && s.State != queue.StateQueued || s.Attempt != 1 || s.Error == nil || *s.Error != (queue.Failure{Source: queue.FaultVendor, Message: "again"}) {
			t.Fatalf("after the first attempt: %+v", s)
		}
		later(true)
		d := rd.one()
		if d.Attempt != 2 || d.Starts != 3 || string(d.Envelope) != "envelope 1" {
			t.Fatalf("third start: %+v", d)
		}
		rd.done(d)
		if s := status(t, q, d.ID); s.Attempt != 2 || s.Error != nil {
			t.Fatalf("done: %+v", s)
		}
	})
}

func TestLaterIsRetrying(t *testing.T) {
	onBoth(t, func(t *testing.T, r *rig) {
		q := r.node()
		rd := read(t, q)
		put(t, q, job(1))
		d := rd.one()
		rd.end(queue.Settlement{Token: d.Token(), Kind: queue.Later, Free: true, After: time.Hour})
		if s := status(t, q, d.ID); s.State != queue.StateRetrying || time.Until(s.NextAt) < 50*time.Minute {
			t.Fatalf("%+v", s)
		}
	})
}

func TestDeadLetters(t *testing.T) {
	onBoth(t, func(t *testing.T, r *rig) {
		q := r.node()
		rd := read(t, q)
		ctx := context.Background()
		for n := range 3 {
			put(t, q, job(n, key("k")))
			d := rd.one()
			rd.end(queue.Settlement{Token: d.Token(), Kind: queue.Dead, Reason: "no", Fault: queue.FaultPlugin})
		}
		s := status(t, q, "acme-0000")
		if s.State != queue.StateDead || s.Reason != "no" || s.Error == nil || s.Error.Source != queue.FaultPlugin {
			t.Fatalf("%+v", s)
		}
		page, err := q.DeadLetters(ctx, acme, "", 2)
		if err != nil || len(page) != 2 || page[0].ID != "acme-0002" {
			t.Fatalf("first page: %+v, %v", page, err)
		}
		page, err = q.DeadLetters(ctx, acme, page[1].ID, 2)
		if err != nil || len(page) != 1 || page[0].ID != "acme-0000" {
			t.Fatalf("second page: %+v, %v", page, err)
		}

		got, err := q.Replay(ctx, "acme-0000", "acme-again")
		if err != nil || got != (queue.Receipt{ID: "acme-again", State: queue.StateQueued}) {
			t.Fatalf("replay: %+v, %v", got, err)
		}
		if got, err = q.Replay(ctx, "acme-0000", "acme-other"); err != nil || got.ID != "acme-again" || !got.Repeated {
			t.Fatalf("second replay: %+v, %v", got, err)
		}
		if s := status(t, q, "acme-0000"); s.ReplayedAs != "acme-again" || !s.State.Ended() {
			t.Fatalf("replayed: %+v", s)
		}
		d := rd.one()
		if d.ID != "acme-again" || d.Attempt != 1 || d.Lane != queue.LaneBulk || string(d.Envelope) != "envelope 0" {
			t.Fatalf("replayed run: %+v", d)
		}
		rd.done(d)

		if err := q.Discard(ctx, "acme-0001"); err != nil {
			t.Fatal(err)
		}
		if err := q.Discard(ctx, "acme-0001"); !errors.Is(err, queue.ErrEnded) {
			t.Fatalf("second discard: %v", err)
		}
		if _, err := q.Replay(ctx, "acme-0001", "acme-x"); !errors.Is(err, queue.ErrEnded) {
			t.Fatalf("replay of a discarded one: %v", err)
		}
		if _, err := q.Replay(ctx, "acme-9999", "acme-x"); !errors.Is(err, queue.ErrNotFound) {
			t.Fatalf("replay of nothing: %v", err)
		}
		if page, err = q.DeadLetters(ctx, acme, "", 10); err != nil || len(page) != 1 {
			t.Fatalf("left: %+v, %v", page, err)
		}
	})
}

func TestInterruptedBeginsAgain(t *testing.T) {
	onBoth(t, func(t *testing.T, r *rig) {
		q := r.node()
		rd := read(t, q)
		put(t, q, job(1))
		d := rd.one()
		rd.end(queue.Settlement{Token: d.Token(), Kind: queue.Interrupted, Reason: "stopped"})
		again := rd.one()
		if again.Attempt != 1 || again.Starts != 2 || again.Suspect || again.Token() == d.Token() {
			t.Fatalf("%+v", again)
		}
		if _, err := rd.Settle(context.Background(), queue.Settlement{Token: d.Token(), Kind: queue.Done}); !errors.Is(err, queue.ErrUnknownRun) {
			t.Fatalf("the old token: %v", err)
		}
		rd.done(again)
	})
}

func TestReleasedGoesToAnyNode(t *testing.T) {
	onBoth(t, func(t *testing.T, r *rig) {
		a, b := r.node(), r.node()
		ra, rb := read(t, a), read(t, b)
		put(t, a, job(1, key("k")))
		put(t, a, job(2, key("k")))
		d := ra.one()
		ra.end(queue.Settlement{Token: d.Token(), Kind: queue.Interrupted, Release: true})
		again := rb.one()
		if again.ID != d.ID || again.Starts != 2 || again.Attempt != 1 {
			t.Fatalf("%+v", again)
		}
		rb.none() // the second one still waits for its key
		rb.done(again)
		if d = rb.one(); d.ID != "acme-0002" {
			t.Fatalf("then %s", d.ID)
		}
	})
}

func TestSuspectDiesAlone(t *testing.T) {
	onBoth(t, func(t *testing.T, r *rig) {
		q := r.node()
		rd := read(t, q)
		put(t, q, job(1))
		died := queue.Settlement{Kind: queue.Interrupted, Died: true, Reason: "signal: killed"}
		for i, want := range []struct {
			suspect bool
			deaths  int
		}{{false, 0}, {true, 0}, {true, 0}, {true, 1}} {
			d := rd.one()
			if d.Suspect != want.suspect || d.Deaths != want.deaths || d.Attempt != 1 {
				t.Fatalf("start %d: %+v", i, d)
			}
			died.Token, died.Alone = d.Token(), i >= 2
			rd.end(died)
		}
		s := status(t, q, "acme-0001")
		if s.State != queue.StateDead || !strings.Contains(s.Reason, "signal: killed") || s.Error == nil || s.Error.Source != queue.FaultPlugin {
			t.Fatalf("%+v", s)
		}
	})
}

func TestStartsOfOneEntryAreBounded(t *testing.T) {
	onBoth(t, func(t *testing.T, r *rig) {
		q := r.node()
		rd := read(t, q, func(o *queue.DomainOptions) { o.MaxStarts = 3 })
		put(t, q, job(1))
		d := rd.one()
		rd.end(queue.Settlement{Token: d.Token(), Kind: queue.Later, Free: true}) // costless retries are not counted
		for range 3 {
			d = rd.one()
			rd.end(queue.Settlement{Token: d.Token(), Kind: queue.Interrupted})
		}
		if d.Starts != 4 {
			t.Fatalf("%+v", d)
		}
		rd.none()
		eventually(t, "it is a dead letter", func() bool { return status(t, q, d.ID).State == queue.StateDead })
	})
}

func TestResultBound(t *testing.T) {
	onBoth(t, func(t *testing.T, r *rig) {
		q := r.node(func(c *queue.Config) { c.MaxResult = 1000 })
		rd := read(t, q)
		for n, size := range []int{1000, 1001} {
			put(t, q, job(n))
			d := rd.one()
			rd.end(queue.Settlement{Token: d.Token(), Kind: queue.Done, Result: bytes.Repeat([]byte("x"), size)})
			s := status(t, q, d.ID)
			if s.State != queue.StateDone || (size <= 1000) != (len(s.Result) == size) || (size <= 1000) != (s.Reason == "") {
				t.Fatalf("result of %d bytes: state %s, %d bytes, %q", size, s.State, len(s.Result), s.Reason)
			}
		}
	})
}

func TestSettlementsInGroups(t *testing.T) {
	onBoth(t, func(t *testing.T, r *rig) {
		q := r.node()
		rd := read(t, q)
		const n = 100
		for i := range n {
			put(t, q, job(i, key(fmt.Sprint(i%7))))
		}
		var wg sync.WaitGroup
		seen := map[string]bool{}
		for len(seen) < n {
			list, err := rd.Read(context.Background(), 50)
			if err != nil {
				t.Log(err)
			}
			for _, d := range list {
				if seen[d.ID] {
					t.Fatalf("%s began twice", d.ID)
				}
				seen[d.ID] = true
				wg.Go(func() {
					if won, err := rd.Settle(context.Background(), queue.Settlement{Token: d.Token(), Kind: queue.Done}); err != nil || !won {
						t.Errorf("%s: %v, %v", d.ID, won, err)
					}
				})
			}
		}
		wg.Wait()
		rd.none()
	})
}

func TestInvalidSettlement(t *testing.T) {
	t.Parallel()
	q := (&rig{t: t}).node()
	rd := read(t, q)
	for _, s := range []queue.Settlement{{}, {Kind: 99}, {Kind: queue.Later, After: -1}} {
		if _, err := rd.Settle(context.Background(), s); !errors.Is(err, queue.ErrInvalid) {
			t.Errorf("%+v: %v", s, err)
		}
	}
	if _, err := rd.Settle(context.Background(), queue.Settlement{Token: "x", Kind: queue.Done}); !errors.Is(err, queue.ErrUnknownRun) {
		t.Error(err)
	}
}
