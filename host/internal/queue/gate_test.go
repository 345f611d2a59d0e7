package queue_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"bulkhead.dev/host/internal/queue"
)

func limit(name string, n int) func(*queue.Job) {
	return func(j *queue.Job) { j.Limits = append(j.Limits, queue.Limit{Name: name, N: n}) }
}

func TestOneAtATimeAKey(t *testing.T) {
	onBoth(t, func(t *testing.T, r *rig) {
		q := r.node()
		for n := 1; n <= 3; n++ {
			got := put(t, q, job(n, key("a key with spaces and \n and ü, so long that it is hashed "+fmt.Sprint(n%2))))
			if want := map[bool]queue.State{true: queue.StateHeld, false: queue.StateQueued}[n == 3]; got.State != want {
				t.Fatalf("%d: %+v", n, got)
			}
		}
		rd := read(t, q)
		first := rd.next(2)
		if ids(first) != "0001 0002" {
			t.Fatalf("began %s", ids(first))
		}
		rd.none()
		rd.done(first[1])
		rd.none()
		rd.done(first[0])
		if d := rd.one(); d.ID != "acme-0003" || string(d.Envelope) != "envelope 3" {
			t.Fatalf("then %+v", d)
		}
	})
}

func TestOrderOverLanes(t *testing.T) {
	onBoth(t, func(t *testing.T, r *rig) {
		q := r.node()
		put(t, q, job(1, key("k"), func(j *queue.Job) { j.Lane = queue.LaneBulk }))
		put(t, q, job(2, key("k"), func(j *queue.Job) { j.Lane = queue.LaneNow }))
		rd := read(t, q)
		d := rd.one()
		if d.ID != "acme-0001" {
			t.Fatalf("began %s", d.ID)
		}
		rd.done(d)
		if d = rd.one(); d.ID != "acme-0002" || d.Lane != queue.LaneNow {
			t.Fatalf("then %+v", d)
		}
	})
}

func TestRetryKeepsItsPlaceOrGivesItUp(t *testing.T) {
	onBoth(t, func(t *testing.T, r *rig) {
		q := r.node()
		rd := read(t, q)
		for n := 1; n <= 3; n++ {
			put(t, q, job(n, key("k"), limit("api", 1)))
		}
		put(t, q, job(4, limit("api", 1)))
		d := rd.one()
		rd.end(queue.Settlement{Token: d.Token(), Kind: queue.Later, After: 50 * time.Millisecond, KeepPlace: true})
		// The key is kept, the limit is not: the job without a key goes on, those with it wait.
		d = rd.one()
		if d.ID != "acme-0004" {
			t.Fatalf("while the first one waits: %s", d.ID)
		}
		rd.none()
		rd.done(d)
		d = rd.one()
		if d.ID != "acme-0001" || d.Attempt != 2 {
			t.Fatalf("kept its place: %+v", d)
		}
		rd.end(queue.Settlement{Token: d.Token(), Kind: queue.Later, After: time.Millisecond})
		for _, want := range []string{"acme-0002", "acme-0003", "acme-0001"} {
			if d = rd.one(); d.ID != want {
				t.Fatalf("began %s, want %s", d.ID, want)
			}
			if want == "acme-0002" {
				eventually(t, "the first one waits at the tail", func() bool {
					return status(t, q, "acme-0001").State == queue.StateHeld
				})
			}
			rd.done(d)
		}
	})
}

func TestLimits(t *testing.T) {
	onBoth(t, func(t *testing.T, r *rig) {
		q := r.node()
		rd := read(t, q)
		for n := 1; n <= 5; n++ {
			put(t, q, job(n, limit("wide", 3), limit("narrow", 2)))
		}
		first := rd.next(2)
		rd.none()
		rd.done(first[0])
		third := rd.one()
		rd.none()
		rd.done(first[1])
		rd.done(third)
		if got := ids(rd.next(2)); got != "0004 0005" {
			t.Fatalf("last %s", got)
		}
	})
}

func TestLimitsDoNotLockEachOther(t *testing.T) {
	onBoth(t, func(t *testing.T, r *rig) {
		q := r.node()
		rd := read(t, q)
		// Named in either order, they are entered in one.
		for n := range 40 {
			if n%2 == 0 {
				put(t, q, job(n, limit("a", 1), limit("b", 1)))
			} else {
				put(t, q, job(n, limit("b", 1), limit("a", 1), key("k")))
			}
		}
		for range 40 {
			rd.done(rd.one())
		}
		rd.none()
	})
}

// A release passes on at most 100 waiters, and what is left is noted and not forgotten: also when exactly the last one
// before a living waiter was the hundredth.
func TestReleaseIsBoundedAndGoesOn(t *testing.T) {
	onBoth(t, func(t *testing.T, r *rig) {
		q := r.node()
		groups(t, q)
		id := 0
		for _, n := range []int{99, 100, 101, 250} {
			first := job(id, key("k"))
			put(t, q, first)
			entry := ghost(t, q, "ghost001", 1)[0]
			soon := time.Now().Add(5 * time.Millisecond)
			for range n {
				id++
				put(t, q, job(id, key("k"), func(j *queue.Job) { j.Expires = soon }))
			}
			id++
			last := put(t, q, job(id, key("k"))).ID
			id++
			eventually(t, "the waiters' time is over", func() bool { return time.Since(soon) > 5*time.Millisecond })
			settle(t, q, first.ID, entry.ID, "won")
			for more := true; more; {
				reply, err := queue.RunScript(context.Background(), q, acme, "due").Int64Slice()
				if err != nil || reply[0] > 110 {
					t.Fatalf("%v, %v", reply, err)
				}
				more = reply[0] > 0
			}
			if state := status(t, q, last).State; state != queue.StateQueued {
				t.Fatalf("after %d expired waiters the last one is %s", n, state)
			}
			settle(t, q, last, ghost(t, q, "ghost001", 1)[0].ID, "won")
		}
	})
}

// settle ends the first run of an entry by the ghost.
func settle(t *testing.T, q *queue.Queue, id, sid, want string) {
	t.Helper()
	reply, err := queue.RunScript(context.Background(), q, acme, "settle",
		"ghost001", "f", id, 0, sid, 1, "", 0, "1", "", "", "", "", 0, "1", 0, 0).StringSlice()
	if err != nil || len(reply) != 1 || reply[0] != want {
		t.Fatalf("settle %s: %v, %v, want %s", id, reply, err, want)
	}
}

func TestCancelLeavesTheGates(t *testing.T) {
	onBoth(t, func(t *testing.T, r *rig) {
		q := r.node()
		rd := read(t, q)
		for n := 1; n <= 4; n++ {
			put(t, q, job(n, key("k"), limit("api", 1)))
		}
		for _, n := range []int{1, 3} { // the ready one, and one that waits
			if s, err := q.Cancel(context.Background(), job(n).ID, ""); err != nil || s != queue.StateCancelled {
				t.Fatalf("cancel %d: %s, %v", n, s, err)
			}
		}
		for _, want := range []string{"acme-0002", "acme-0004"} {
			d := rd.one()
			if d.ID != want {
				t.Fatalf("began %s, want %s", d.ID, want)
			}
			// A retry that keeps its place can be cancelled as well.
			rd.end(queue.Settlement{Token: d.Token(), Kind: queue.Later, After: time.Hour, KeepPlace: true})
			if s, err := q.Cancel(context.Background(), want, ""); err != nil || s != queue.StateCancelled {
				t.Fatalf("cancel %s: %s, %v", want, s, err)
			}
		}
		put(t, q, job(5, key("k"), limit("api", 1)))
		rd.done(rd.one())
	})
}
