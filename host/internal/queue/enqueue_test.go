package queue_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"bulkhead.dev/host/internal/queue"
)

func TestFromDoorToDone(t *testing.T) {
	onBoth(t, func(t *testing.T, r *rig) {
		q := r.node()
		rd := read(t, q)
		if got := put(t, q, job(1)); got != (queue.Receipt{ID: "acme-0001", State: queue.StateQueued}) {
			t.Fatalf("receipt %+v", got)
		}
		wantState(t, q, "acme-0001", queue.StateQueued)
		d := rd.one()
		if d.ID != "acme-0001" || string(d.Envelope) != "envelope 1" || d.Attempt != 1 || d.Starts != 1 || d.RequestID != "node0001-0001" {
			t.Fatalf("delivery %+v", d)
		}
		if s := status(t, q, d.ID); s.State != queue.StateRunning || s.Attempt != 1 {
			t.Fatalf("running: %+v", s)
		}
		rd.done(d)
		got := status(t, q, d.ID)
		want := queue.Status{
			ID: "acme-0001", Type: "acme.event", Instance: acme, State: queue.StateDone, Attempt: 1, RequestID: "node0001-0001",
			Result: []byte("result of acme-0001"),
		}
		if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(queue.Status{}, "AcceptedAt", "EndedAt")); diff != "" {
			t.Fatal(diff)
		}
		if got.AcceptedAt.IsZero() || got.EndedAt.Before(got.AcceptedAt) {
			t.Fatalf("accepted %s, ended %s", got.AcceptedAt, got.EndedAt)
		}
		depth, err := q.Depth(context.Background(), acme)
		if err != nil || depth != (queue.Depth{}) {
			t.Fatalf("left behind: %+v, %v", depth, err)
		}
		rd.none()
	})
}

func TestRepeatChangesNothing(t *testing.T) {
	onBoth(t, func(t *testing.T, r *rig) {
		q := r.node()
		rd := read(t, q)
		put(t, q, job(1))
		if got := put(t, q, job(1)); !got.Repeated || got.State != queue.StateQueued {
			t.Fatalf("queued: %+v", got)
		}
		rd.done(rd.one())
		if got := put(t, q, job(1)); !got.Repeated || got.State != queue.StateDone {
			t.Fatalf("done: %+v", got)
		}
		rd.none()
	})
}

func TestAliasIsTheSameJob(t *testing.T) {
	onBoth(t, func(t *testing.T, r *rig) {
		q := r.node()
		rd := read(t, q)
		alias := func(j *queue.Job) { j.Alias = "hash of the body" }
		put(t, q, job(1, alias))
		if got := put(t, q, job(2, alias)); got.ID != "acme-0001" || !got.Repeated {
			t.Fatalf("receipt %+v", got)
		}
		if got := put(t, q, job(3)); got.Repeated {
			t.Fatalf("receipt %+v", got)
		}
		if got := ids(rd.next(2)); got != "0001 0003" {
			t.Fatalf("began %s", got)
		}
	})
}

func TestGroupsKeepEveryJobOnce(t *testing.T) {
	onBoth(t, func(t *testing.T, r *rig) {
		q := r.node()
		rd := read(t, q)
		const n = 300
		var wg sync.WaitGroup
		for i := range n {
			wg.Go(func() {
				if _, err := q.Enqueue(context.Background(), job(i/2)); err != nil { // each twice
					t.Error(err)
				}
			})
		}
		wg.Wait()
		seen := map[string]int{}
		for _, d := range rd.next(n / 2) {
			seen[d.ID]++
			rd.done(d)
		}
		rd.none()
		if len(seen) != n/2 {
			t.Fatalf("%d jobs, want %d", len(seen), n/2)
		}
	})
}

func TestDepthLimit(t *testing.T) {
	onBoth(t, func(t *testing.T, r *rig) {
		q := r.node(func(c *queue.Config) { c.MaxDepth = 4 })
		put(t, q, job(1, key("k")))
		put(t, q, job(2, key("k"))) // held
		put(t, q, job(3))
		put(t, q, job(4, func(j *queue.Job) { j.At = time.Now().Add(time.Hour) }))
		if _, err := q.Enqueue(context.Background(), job(5)); !errors.Is(err, queue.ErrFull) {
			t.Fatalf("fifth: %v", err)
		}
		if got := put(t, q, job(3)); !got.Repeated {
			t.Fatalf("a repeat needs no room: %+v", got)
		}
		rd := read(t, q)
		rd.done(rd.one())
		put(t, q, job(5))
	})
}

func TestInvalidJobs(t *testing.T) {
	t.Parallel()
	q := (&rig{t: t}).node()
	for name, change := range map[string]func(*queue.Job){
		"foreign id":     func(j *queue.Job) { j.ID = "other-1" },
		"no dash":        func(j *queue.Job) { j.ID = "acme" },
		"space in id":    func(j *queue.Job) { j.ID = "acme-1 2" },
		"no type":        func(j *queue.Job) { j.Type = "" },
		"no envelope":    func(j *queue.Job) { j.Envelope = nil },
		"limit of none":  func(j *queue.Job) { j.Limits = []queue.Limit{{Name: "x"}} },
		"order as limit": func(j *queue.Job) { j.Limits = []queue.Limit{{Name: "order", N: 1}} },
		"reply to none":  func(j *queue.Job) { j.Reply, j.RequestID = true, "" },
		"unknown lane":   func(j *queue.Job) { j.Lane = 9 },
	} {
		if _, err := q.Enqueue(context.Background(), job(1, change)); !errors.Is(err, queue.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestLanesInTheirOrder(t *testing.T) {
	onBoth(t, func(t *testing.T, r *rig) {
		q := r.node()
		lane := func(l queue.Lane) func(*queue.Job) { return func(j *queue.Job) { j.Lane = l } }
		put(t, q, job(1, lane(queue.LaneBulk)))
		put(t, q, job(2, lane(queue.LaneNormal)))
		put(t, q, job(3, lane(queue.LaneNow)))
		put(t, q, job(4, lane(queue.LaneNow)))
		rd := read(t, q, func(o *queue.DomainOptions) { o.Reserve = 1 })
		// One slot is kept for "now": with one free, nothing else begins.
		if got := ids(rd.next(2)); got != "0003 0004" {
			t.Fatalf("first %s", got)
		}
		for range 2 {
			list, err := rd.Read(context.Background(), 1)
			if err != nil || len(list) != 0 {
				t.Fatalf("the reserve was given away: %v, %v", ids(list), err)
			}
		}
		var got []queue.Delivery
		eventually(t, "the others begin", func() bool {
			list, err := rd.Read(context.Background(), 2)
			if err != nil {
				t.Log(err)
			}
			got = append(got, list...)
			return len(got) == 2
		})
		if ids(got) != "0002 0001" {
			t.Fatalf("then %s", ids(got))
		}
	})
}

func TestDelayed(t *testing.T) {
	onBoth(t, func(t *testing.T, r *rig) {
		q := r.node()
		rd := read(t, q)
		at := time.Now().Add(150 * time.Millisecond)
		put(t, q, job(1, func(j *queue.Job) { j.At = at }))
		if s := status(t, q, "acme-0001"); s.State != queue.StateQueued || s.NextAt.IsZero() {
			t.Fatalf("delayed: %+v", s)
		}
		d := rd.one()
		if early := time.Until(at); early > 5*time.Millisecond {
			t.Fatalf("began %s early", early)
		}
		rd.done(d)
	})
}

func TestExpiry(t *testing.T) {
	onBoth(t, func(t *testing.T, r *rig) {
		q := r.node()
		soon := func(j *queue.Job) { j.Expires = time.Now().Add(50 * time.Millisecond) }
		put(t, q, job(1, soon))                                                                   // ready
		put(t, q, job(2, key("k")))                                                               // holds k
		put(t, q, job(3, key("k"), soon))                                                         // waits for it
		put(t, q, job(4, soon, func(j *queue.Job) { j.At = time.Now().Add(time.Hour) }))          // delayed
		put(t, q, job(5, key("k"), func(j *queue.Job) { j.Expires = time.Now().Add(time.Hour) })) // in time
		eventually(t, "the first one's time is over", func() bool { return time.Since(status(t, q, "acme-0001").AcceptedAt) > 100*time.Millisecond })
		rd := read(t, q)
		d := rd.one()
		if d.ID != "acme-0002" {
			t.Fatalf("began %s", d.ID)
		}
		for _, n := range []int{1, 3, 4} {
			eventually(t, fmt.Sprintf("%d expires", n), func() bool {
				return status(t, q, job(n).ID).State == queue.StateExpired
			})
		}
		rd.done(d)
		if d = rd.one(); d.ID != "acme-0005" {
			t.Fatalf("began %s", d.ID)
		}
	})
}
