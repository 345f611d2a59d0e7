package queue_test

import (
	"context"
	"syscall"
	"testing"
	"time"

	"bulkhead.dev/host/internal/queue"
)

func TestStoppedRedisEndsNoLease(t *testing.T) {
	r := onReal(t)
	io := func(c *queue.Config) { c.IOTimeout = 100 * time.Millisecond }
	a, b := r.node(io), r.node(io)
	ra, rb := read(t, a), read(t, b)
	put(t, a, job(1))
	d := ra.one()
	r.real.signal(syscall.SIGSTOP)
	eventually(t, "the lease lapses", func() bool { return ra.Lease() == 0 && rb.Lease() == 0 })
	if list, err := ra.Read(context.Background(), 1); err != nil || len(list) > 0 {
		t.Fatalf("a node that can't beat began %s, %v", ids(list), err)
	}
	r.real.signal(syscall.SIGCONT)
	eventually(t, "the node beats again", func() bool { return ra.Lease() > 0 })
	for range 10 {
		if list, _ := rb.Read(context.Background(), 1); len(list) > 0 {
			t.Fatalf("taken from a living node: %s", ids(list))
		}
	}
	ra.done(d)
}

func TestPausedNodeLosesItsRun(t *testing.T) {
	r := onReal(t)
	p := startProxy(t, r.real)
	a := r.node(func(c *queue.Config) { c.URL, c.IOTimeout = p.url(), 200*time.Millisecond })
	b := r.node()
	ra, rb := read(t, a), read(t, b)
	put(t, a, job(1))
	d := ra.one()
	p.set(true, false)
	d2 := rb.one()
	if d2.ID != d.ID || d2.Starts != 2 || ra.Lease() > lease/2 {
		t.Fatalf("%+v, the lease there lasts %s", d2, ra.Lease())
	}
	p.set(false, false)
	if ra.end(queue.Settlement{Token: d.Token(), Kind: queue.Done, Result: []byte("late")}) {
		t.Fatal("the paused node won")
	}
	rb.done(d2)
	if s := status(t, b, d.ID); string(s.Result) != "result of acme-0001" {
		t.Fatalf("%+v", s)
	}
}

func TestLostReplies(t *testing.T) {
	r := onReal(t)
	p := startProxy(t, r.real)
	a := r.node(func(c *queue.Config) {
		c.URL, c.IOTimeout, c.Lease = p.url(), 100*time.Millisecond, 4*time.Second
	})
	b := r.node()
	ra := read(t, a)
	eventually(t, "it beats", func() bool { return ra.Lease() > 0 })
	put(t, b, job(0))
	ra.done(ra.one()) // from now on Redis knows the script: the answer that it does not would be lost as well
	// Of a read: the entry is owned and not known.
	p.set(false, true)
	put(t, b, job(1, func(j *queue.Job) { j.Lane = queue.LaneNow }))
	eventually(t, "the reply is lost", func() bool {
		_, _ = ra.Read(context.Background(), 1)
		return status(t, b, "acme-0001").State == queue.StateRunning
	})
	p.set(false, false)
	p.cut()
	d := ra.one()
	if d.Starts != 2 {
		t.Fatalf("%+v", d)
	}
	// Of a settlement: it is repeated, and answered as it was the first time.
	p.set(false, true)
	result := make(chan bool, 1)
	go func() {
		won, err := ra.Settle(context.Background(), queue.Settlement{Token: d.Token(), Kind: queue.Done, Emits: []queue.Emit{{Type: "once"}}})
		result <- won && err == nil
	}()
	eventually(t, "it has landed", func() bool { return status(t, b, d.ID).State == queue.StateDone })
	p.set(false, false)
	p.cut()
	if !<-result {
		t.Fatal("the settlement was not told that it won")
	}
	if depth, err := b.Depth(context.Background(), acme); err != nil || depth.Outbox != 1 {
		t.Fatalf("%+v, %v", depth, err)
	}
}

// A reply that was long on its way begins nothing: another node may have taken the entry meanwhile.
func TestLateReplyBeginsNothing(t *testing.T) {
	r := onReal(t)
	p := startProxy(t, r.real)
	a := r.node(func(c *queue.Config) { c.URL, c.Lease = p.url(), time.Second })
	b := r.node()
	ra := read(t, a)
	put(t, b, job(0))
	ra.done(ra.one())
	eventually(t, "it beats", func() bool { return ra.Lease() > 0 })
	p.hold("xreadgroup")
	put(t, b, job(1, func(j *queue.Job) { j.Lane = queue.LaneNow }))
	got := make(chan []queue.Delivery, 1)
	go func() {
		list, _ := ra.Read(context.Background(), 1)
		got <- list
	}()
	eventually(t, "the entry is given", func() bool { return status(t, b, "acme-0001").State == queue.StateRunning })
	half := time.Now().Add(600 * time.Millisecond)
	eventually(t, "more than half a lease passes", func() bool { return time.Now().After(half) })
	if ra.Lease() < 500*time.Millisecond {
		t.Fatalf("it beats all the time, and the lease lasts %s", ra.Lease())
	}
	p.hold("")
	if list := <-got; len(list) > 0 {
		t.Fatalf("began %s", ids(list))
	}
	d := ra.one()
	if d.Starts != 2 {
		t.Fatalf("%+v", d)
	}
	ra.done(d)
}

func TestScriptsAreFlushed(t *testing.T) {
	onBoth(t, func(t *testing.T, r *rig) {
		q := r.node()
		rd := read(t, q)
		for n := range 3 {
			if err := queue.Raw(q).ScriptFlush(context.Background()).Err(); err != nil {
				t.Fatal(err)
			}
			put(t, q, job(n))
			rd.done(rd.one())
		}
	})
}

// At maxmemory nothing is accepted, and all that frees memory goes on: beats, settlements, cancels.
func TestFullMemory(t *testing.T) {
	r := onReal(t)
	q := r.node()
	rd := read(t, q)
	ctx := context.Background()
	for n := range 5 {
		put(t, q, job(n))
	}
	put(t, q, job(5, func(j *queue.Job) { j.At = time.Now().Add(time.Hour) }))
	runs := rd.next(4)
	if err := queue.Raw(q).ConfigSet(ctx, "maxmemory", "1").Err(); err != nil {
		t.Fatal(err)
	}
	if _, err := q.Enqueue(ctx, job(6)); err == nil {
		t.Fatal("accepted at maxmemory")
	}
	rd.done(runs[0])
	rd.end(queue.Settlement{Token: runs[1].Token(), Kind: queue.Later, After: time.Hour, Emits: []queue.Emit{{Type: "fact"}}})
	rd.end(queue.Settlement{Token: runs[2].Token(), Kind: queue.Dead})
	rd.end(queue.Settlement{Token: runs[3].Token(), Kind: queue.Interrupted, Died: true})
	for _, n := range []int{4, 5} {
		if s, err := q.Cancel(ctx, job(n).ID, ""); err != nil || s != queue.StateCancelled {
			t.Fatalf("cancel %d: %s, %v", n, s, err)
		}
	}
	again := rd.one()
	if !again.Suspect {
		t.Fatalf("%+v", again)
	}
	// It goes on beating: a whole lease later it still reads.
	end := time.Now().Add(2 * lease)
	eventually(t, "two leases pass", func() bool { return time.Now().After(end) })
	if rd.Lease() < lease/4 {
		t.Fatalf("the lease lasts %s", rd.Lease())
	}
	rd.done(again)
	if _, err := q.Replay(ctx, runs[2].ID, "acme-again"); err != nil {
		t.Fatalf("replay: %v", err)
	}
	if err := queue.Raw(q).ConfigSet(ctx, "maxmemory", "0").Err(); err != nil {
		t.Fatal(err)
	}
	put(t, q, job(6))
	rd.next(2)
}
