package queue_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"bulkhead.dev/host/internal/queue"
)

func ask(j *queue.Job) { j.Reply, j.Lane = true, queue.LaneNow }

func answer(t *testing.T, w *queue.Waiter) queue.Answer {
	t.Helper()
	select {
	case a := <-w.C:
		return a
	case <-time.After(patience):
		t.Fatal("no answer came")
		return queue.Answer{}
	}
}

func TestAnswerToACaller(t *testing.T) {
	onBoth(t, func(t *testing.T, r *rig) {
		q, other := r.node(), r.node()
		rd := read(t, other) // another node does the work
		for n, size := range []int{0, 10, 64 << 10, 64<<10 + 1, 1 << 20} {
			j := job(n, ask)
			w := q.Await(j.RequestID)
			w.Watch(put(t, q, j))
			d := rd.one()
			if !d.Reply {
				t.Fatalf("%+v", d)
			}
			result := bytes.Repeat([]byte("\n"), size)
			rd.end(queue.Settlement{Token: d.Token(), Kind: queue.Done, Result: result})
			a := answer(t, w)
			if a.JobID != j.ID || a.State != queue.StateDone || !bytes.Equal(a.Result, result) {
				t.Fatalf("%d bytes: %s %s, %d bytes", size, a.JobID, a.State, len(a.Result))
			}
			w.Close()
		}
	})
}

func TestEveryEndAnswers(t *testing.T) {
	onBoth(t, func(t *testing.T, r *rig) {
		q := r.node()
		rd := read(t, q)
		for n, c := range []struct {
			end  func(j queue.Job, d queue.Delivery)
			want queue.Answer
		}{
			{func(_ queue.Job, d queue.Delivery) {
				rd.end(queue.Settlement{Token: d.Token(), Kind: queue.Dead, Reason: "no\nway", Fault: queue.FaultVendor})
			}, queue.Answer{State: queue.StateDead, Reason: "no\nway", Fault: queue.FaultVendor}},
			{func(j queue.Job, d queue.Delivery) {
				if _, err := q.Cancel(context.Background(), j.ID, "gone"); err != nil {
					t.Error(err)
				}
				rd.end(queue.Settlement{Token: d.Token(), Kind: queue.Later})
			}, queue.Answer{State: queue.StateCancelled, Reason: "gone"}},
		} {
			j := job(n, ask)
			w := q.Await(j.RequestID)
			put(t, q, j) // without Watch: the message alone
			c.end(j, rd.one())
			a := answer(t, w)
			if a.JobID != j.ID || a.State != c.want.State || a.Reason != c.want.Reason || a.Fault != c.want.Fault {
				t.Fatalf("%+v, want %+v", a, c.want)
			}
			w.Close()
		}
		// One that expires before it begins.
		j := job(9, ask, func(j *queue.Job) { j.Expires = time.Now().Add(-time.Second) })
		w := q.Await(j.RequestID)
		defer w.Close()
		put(t, q, j)
		rd.none()
		if a := answer(t, w); a.State != queue.StateExpired {
			t.Fatalf("%+v", a)
		}
	})
}

func TestRepeatedRequestGetsTheFirstOnesAnswer(t *testing.T) {
	onBoth(t, func(t *testing.T, r *rig) {
		q := r.node()
		rd := read(t, q)
		j := job(1, ask)
		put(t, q, j)
		rd.done(rd.one())
		j.RequestID = "node0001-second"
		w := q.Await(j.RequestID)
		defer w.Close()
		w.Watch(put(t, q, j))
		if a := answer(t, w); a.State != queue.StateDone || string(a.Result) != "result of acme-0001" {
			t.Fatalf("%+v", a)
		}
	})
}

// The message goes to the channel of another node; the record is what is left.
func TestLostMessageCostsSecondsOnly(t *testing.T) {
	onBoth(t, func(t *testing.T, r *rig) {
		q := r.node(func(c *queue.Config) { c.Looks = []time.Duration{20 * time.Millisecond, 40 * time.Millisecond} })
		rd := read(t, q)
		j := job(1, ask)
		j.RequestID = "nodexxxx-1"
		w := q.Await("node0001-1")
		defer w.Close()
		w.Watch(put(t, q, j))
		rd.done(rd.one())
		if a := answer(t, w); a.State != queue.StateDone {
			t.Fatalf("%+v", a)
		}
	})
}

func TestClosedWaiterGetsNothing(t *testing.T) {
	onBoth(t, func(t *testing.T, r *rig) {
		q := r.node()
		rd := read(t, q)
		first, second := job(1, ask), job(2, ask)
		w := q.Await(first.RequestID)
		w.Watch(put(t, q, first))
		w.Close()
		other := q.Await(second.RequestID)
		defer other.Close()
		put(t, q, second)
		for _, d := range rd.next(2) {
			rd.done(d)
		}
		answer(t, other) // messages come in order: the first one's has passed
		select {
		case a := <-w.C:
			t.Fatalf("%+v", a)
		default:
		}
	})
}

func TestManyCallersAtOnce(t *testing.T) {
	onBoth(t, func(t *testing.T, r *rig) {
		q := r.node()
		rd := read(t, q)
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		var wg sync.WaitGroup
		wg.Go(func() {
			for ctx.Err() == nil {
				list, err := rd.Read(ctx, 50)
				if err != nil && ctx.Err() == nil {
					t.Log(err)
				}
				for _, d := range list {
					wg.Go(func() {
						if _, err := rd.Settle(context.Background(), queue.Settlement{Token: d.Token(), Kind: queue.Done, Result: d.Envelope}); err != nil {
							t.Error(err)
						}
					})
				}
			}
		})
		var callers sync.WaitGroup
		for n := range 64 {
			callers.Go(func() {
				j := job(n, ask)
				w := q.Await(j.RequestID)
				defer w.Close()
				receipt, err := q.Enqueue(context.Background(), j)
				if err != nil {
					t.Error(err)
					return
				}
				w.Watch(receipt)
				if a := answer(t, w); string(a.Result) != fmt.Sprintf("envelope %d", n) {
					t.Errorf("%d: %+v", n, a)
				}
			})
		}
		callers.Wait()
		cancel()
		wg.Wait()
	})
}

func TestCancelOfARunningJob(t *testing.T) {
	onBoth(t, func(t *testing.T, r *rig) {
		q, other := r.node(), r.node()
		type told struct{ token, reason string }
		c := make(chan told, 4)
		rd := read(t, other, func(o *queue.DomainOptions) { o.Cancel = func(token, reason string) { c <- told{token, reason} } })
		ctx := context.Background()
		for n, kind := range []queue.Kind{queue.Cancelled, queue.Later, queue.Dead, queue.Interrupted} {
			put(t, q, job(n, key("k")))
			d := rd.one()
			if s, err := q.Cancel(ctx, d.ID, "not wanted any more"); err != nil || s != queue.StateRunning {
				t.Fatalf("cancel: %s, %v", s, err)
			}
			select {
			case got := <-c:
				if got != (told{d.Token(), "not wanted any more"}) {
					t.Fatalf("told %+v", got)
				}
			case <-time.After(patience):
				t.Fatal("the node was not told")
			}
			if !rd.end(queue.Settlement{Token: d.Token(), Kind: kind, Reason: "context canceled"}) {
				t.Fatal("did not win")
			}
			if s := status(t, q, d.ID); s.State != queue.StateCancelled || s.Reason != "not wanted any more" {
				t.Fatalf("kind %d: %+v", kind, s)
			}
		}
		// An outcome that comes first stands.
		put(t, q, job(7))
		d := rd.one()
		if _, err := q.Cancel(ctx, d.ID, "late"); err != nil {
			t.Fatal(err)
		}
		rd.done(d)
		wantState(t, q, d.ID, queue.StateDone)
		if s, err := q.Cancel(ctx, d.ID, ""); !errors.Is(err, queue.ErrEnded) || s != queue.StateDone {
			t.Fatalf("cancel of a done job: %s, %v", s, err)
		}
		if _, err := q.Cancel(ctx, "acme-none", ""); !errors.Is(err, queue.ErrNotFound) {
			t.Fatalf("cancel of nothing: %v", err)
		}
	})
}
