package queue_test

import (
	"context"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"bulkhead.dev/host/internal/queue"
)

// ghost reads n jobs as a node that then says nothing more.
func ghost(t *testing.T, q *queue.Queue, name string, n int) []redis.XMessage {
	t.Helper()
	var got []redis.XMessage
	eventually(t, "the ghost reads", func() bool {
		res, err := queue.Raw(q).XReadGroup(context.Background(), &redis.XReadGroupArgs{
			Group: queue.Group, Consumer: name, Streams: []string{queue.KeysOf(acme).Lanes[0], ">"}, Count: int64(n - len(got)), Block: -1,
		}).Result()
		if err == nil {
			got = append(got, res[0].Messages...)
		}
		return len(got) == n
	})
	return got
}

// groups makes the lanes' groups before anybody reads.
func groups(t *testing.T, q *queue.Queue) {
	t.Helper()
	for _, lane := range queue.KeysOf(acme).Lanes {
		if err := queue.Raw(q).XGroupCreateMkStream(context.Background(), lane, queue.Group, "0").Err(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestTakeoverFromASilentNode(t *testing.T) {
	onBoth(t, func(t *testing.T, r *rig) {
		q := r.node()
		groups(t, q)
		for n := range 3 {
			put(t, q, job(n))
		}
		ghost(t, q, "ghost001", 2) // one that died before its first beat
		ghost(t, q, "ghost002", 1)
		if err := queue.Raw(q).HSet(context.Background(), queue.KeysOf(acme).Beat, "ghost002", 7).Err(); err != nil {
			t.Fatal(err)
		}
		rd := read(t, q)
		got := map[string]bool{}
		for range 3 { // one slot at a time: no more is taken than can begin
			d := rd.one()
			if d.Starts != 2 || d.Attempt != 1 || string(d.Envelope) == "" {
				t.Fatalf("%+v", d)
			}
			got[d.ID] = true
			rd.done(d)
		}
		if len(got) != 3 {
			t.Fatalf("%v", got)
		}
		eventually(t, "the ghosts are forgotten", func() bool {
			c, err := queue.Raw(q).XInfoConsumers(context.Background(), queue.KeysOf(acme).Lanes[0], queue.Group).Result()
			beats := queue.Raw(q).HLen(context.Background(), queue.KeysOf(acme).Beat).Val()
			return err == nil && len(c) <= 1 && beats == 1
		})
	})
}

func TestLivingNodeKeepsItsRuns(t *testing.T) {
	onBoth(t, func(t *testing.T, r *rig) {
		a, b := r.node(), r.node()
		ra, rb := read(t, a), read(t, b)
		put(t, a, job(1))
		d := ra.one()
		for end := time.Now().Add(4 * lease); time.Now().Before(end); {
			list, err := rb.Read(context.Background(), 5)
			if err != nil || len(list) > 0 {
				t.Fatalf("taken from a living node: %s, %v", ids(list), err)
			}
		}
		if ra.Lease() <= 0 {
			t.Fatal("the lease has ended")
		}
		ra.done(d)
	})
}

func TestSweepFindsWhatALostReplyLeft(t *testing.T) {
	onBoth(t, func(t *testing.T, r *rig) {
		q := r.node()
		groups(t, q)
		put(t, q, job(1, key("k")))
		ghost(t, q, q.Node(), 1) // as if the reply had been lost
		rd := read(t, q)
		d := rd.one()
		if d.Starts != 2 {
			t.Fatalf("it begins through the fenced claim: %+v", d)
		}
		put(t, q, job(2))
		ghost(t, q, q.Node(), 1) // later too, without any error
		if d2 := rd.one(); d2.ID != "acme-0002" {
			t.Fatalf("%+v", d2)
		}
		rd.done(d)
	})
}

func TestStaleRunWritesNothing(t *testing.T) {
	onBoth(t, func(t *testing.T, r *rig) {
		q := r.node()
		rd := read(t, q)
		for _, kind := range []queue.Kind{queue.Done, queue.Later, queue.Dead, queue.Interrupted} {
			put(t, q, job(int(kind), key("k")))
			d := rd.one()
			entry, err := queue.Raw(q).XRange(context.Background(), queue.KeysOf(acme).Lanes[0], "-", "+").Result()
			if err != nil || len(entry) != 1 {
				t.Fatalf("%v, %v", entry, err)
			}
			// Another node takes it: the owner is another. Then this node has it again: the count is another.
			for _, owner := range []string{"ghost001", q.Node()} {
				if err := queue.Raw(q).XClaim(context.Background(), &redis.XClaimArgs{
					Stream: queue.KeysOf(acme).Lanes[0], Group: queue.Group, Consumer: owner, Messages: []string{entry[0].ID},
				}).Err(); err != nil {
					t.Fatal(err)
				}
			}
			won, err := rd.Settle(context.Background(), queue.Settlement{Token: d.Token(), Kind: kind, Emits: []queue.Emit{{Type: "x"}}})
			if won || err != nil {
				t.Fatalf("kind %d: %v, %v", kind, won, err)
			}
			if depth, err := q.Depth(context.Background(), acme); err != nil || depth != (queue.Depth{Running: 1}) {
				t.Fatalf("kind %d wrote: %+v, %v", kind, depth, err)
			}
			d = rd.one() // the sweep begins it again
			if d.Starts != 4 {
				t.Fatalf("%+v", d)
			}
			rd.done(d)
		}
	})
}

func TestTakingBackWhatStillRunsHere(t *testing.T) {
	onBoth(t, func(t *testing.T, r *rig) {
		q := r.node()
		told := make(chan string, 8)
		rd := read(t, q, func(o *queue.DomainOptions) { o.Cancel = func(token, _ string) { told <- token } })
		put(t, q, job(1))
		d := rd.one()
		entry := queue.Raw(q).XRange(context.Background(), queue.KeysOf(acme).Lanes[0], "-", "+").Val()
		if err := queue.Raw(q).XClaim(context.Background(), &redis.XClaimArgs{
			Stream: queue.KeysOf(acme).Lanes[0], Group: queue.Group, Consumer: "ghost001", Messages: []string{entry[0].ID},
		}).Err(); err != nil {
			t.Fatal(err)
		}
		// The ghost is silent, so this node takes the entry: nothing begins while the older run goes on.
		eventually(t, "the older run is told to end", func() bool {
			list, err := rd.Read(context.Background(), 5)
			if err != nil || len(list) > 0 {
				t.Fatalf("began beside the older run: %s, %v", ids(list), err)
			}
			return len(told) > 0
		})
		if token := <-told; token != d.Token() {
			t.Fatalf("told %s", token)
		}
		rd.none()
		if rd.end(queue.Settlement{Token: d.Token(), Kind: queue.Done}) {
			t.Fatal("the older run won")
		}
		d = rd.one()
		if d.ID != "acme-0001" {
			t.Fatalf("%+v", d)
		}
		rd.done(d)
	})
}

func TestCancelSurvivesATakeover(t *testing.T) {
	onBoth(t, func(t *testing.T, r *rig) {
		q := r.node()
		groups(t, q)
		put(t, q, job(1))
		ghost(t, q, "ghost001", 1)
		if s, err := q.Cancel(context.Background(), "acme-0001", "enough"); err != nil || s != queue.StateRunning {
			t.Fatalf("%s, %v", s, err)
		}
		rd := read(t, q)
		eventually(t, "it ends without a start", func() bool {
			list, err := rd.Read(context.Background(), 1)
			if err != nil || len(list) > 0 {
				t.Fatalf("began %s, %v", ids(list), err)
			}
			s := status(t, q, "acme-0001")
			return s.State == queue.StateCancelled && s.Reason == "enough"
		})
	})
}

func TestHandBackAtTheEnd(t *testing.T) {
	onBoth(t, func(t *testing.T, r *rig) {
		a, b := r.node(), r.node(func(c *queue.Config) { c.Lease = time.Hour }) // b takes nothing over in this test
		ra := read(t, a)
		put(t, a, job(1))
		d := ra.one()
		ra.end(queue.Settlement{Token: d.Token(), Kind: queue.Interrupted, Died: true})
		ra.stop()
		rb := read(t, b)
		again := rb.one()
		if again.ID != d.ID || !again.Suspect || again.Starts < 2 {
			t.Fatalf("%+v", again)
		}
		rb.done(again)
	})
}

func TestRedisForgot(t *testing.T) {
	onBoth(t, func(t *testing.T, r *rig) {
		q := r.node()
		rd := read(t, q)
		ctx := context.Background()
		for n, kind := range []queue.Kind{queue.Done, queue.Later, queue.Dead, queue.Interrupted} {
			put(t, q, job(n, key("k"), limit("api", 1)))
			d := rd.one()
			if err := queue.Raw(q).FlushAll(ctx).Err(); err != nil {
				t.Fatal(err)
			}
			if !rd.end(queue.Settlement{Token: d.Token(), Kind: kind, Result: []byte("kept"), After: time.Millisecond, Emits: []queue.Emit{{Type: "fact"}}}) {
				t.Fatalf("kind %d: the outcome is lost", kind)
			}
			s := status(t, q, d.ID)
			switch kind {
			case queue.Done:
				if s.State != queue.StateDone || string(s.Result) != "kept" || s.Type != "acme.event" || s.RequestID == "" {
					t.Fatalf("%+v", s)
				}
			case queue.Dead:
				if s.State != queue.StateDead {
					t.Fatalf("%+v", s)
				}
			default:
				again := rd.one()
				if again.ID != d.ID || string(again.Envelope) != string(d.Envelope) {
					t.Fatalf("%+v", again)
				}
				rd.done(again)
			}
			put(t, q, job(100+n, key("k"))) // into a stream whose group is gone
			rd.done(rd.one())
		}
	})
}

// After a failover to an older state an entry can be there that is not its job's place any more: it neither begins nor
// settles, and goes.
func TestStrayEntries(t *testing.T) {
	onBoth(t, func(t *testing.T, r *rig) {
		q := r.node()
		groups(t, q)
		ctx, k := context.Background(), queue.KeysOf(acme)
		for n := range 2 {
			put(t, q, job(n, key("k")))
			sid := ghost(t, q, "ghost001", 1)[0].ID
			if err := queue.Raw(q).HSet(ctx, k.Record+job(n).ID, "i", "1-1").Err(); err != nil {
				t.Fatal(err)
			}
			if n == 0 {
				settle(t, q, job(n).ID, sid, "stale")
			} else if got, err := queue.RunScript(ctx, q, acme, "claim", "ghost001", 0, sid, 1).Slice(); err != nil || len(got) > 0 {
				t.Fatalf("claimed: %v, %v", got, err)
			}
			if left := queue.Raw(q).XLen(ctx, k.Lanes[0]).Val(); left != 0 {
				t.Fatalf("%d entries are left", left)
			}
			if s := queue.Raw(q).HGet(ctx, k.Record+job(n).ID, "s").Val(); s != "r" {
				t.Fatalf("the record was written: %q", s)
			}
			if err := queue.Raw(q).FlushAll(ctx).Err(); err != nil {
				t.Fatal(err)
			}
			groups(t, q)
		}
	})
}

// An entry whose record a hand has deleted gets it back when it is claimed, with its gates.
func TestEntryWithoutRecord(t *testing.T) {
	onBoth(t, func(t *testing.T, r *rig) {
		q := r.node()
		groups(t, q)
		ctx, k := context.Background(), queue.KeysOf(acme)
		put(t, q, job(1, key("k")))
		ghost(t, q, "ghost001", 1)
		if err := queue.Raw(q).Del(ctx, k.Record+"acme-0001", k.Gate+"order:k").Err(); err != nil {
			t.Fatal(err)
		}
		rd := read(t, q)
		d := rd.one()
		if s := status(t, q, d.ID); s.State != queue.StateRunning || s.Type != "acme.event" {
			t.Fatalf("%+v", s)
		}
		if got := put(t, q, job(2, key("k"))); got.State != queue.StateHeld {
			t.Fatalf("%+v", got)
		}
		rd.done(d)
		rd.done(rd.one())
	})
}

// A consumer that still owns an entry, or beats after all, is not forgotten: its entries would go with it.
func TestReapSparesWhoOwnsOrLives(t *testing.T) {
	onBoth(t, func(t *testing.T, r *rig) {
		q := r.node()
		groups(t, q)
		put(t, q, job(1))
		sid := ghost(t, q, "ghost001", 1)[0].ID
		reap := func(counter string, want int64) {
			t.Helper()
			got, err := queue.RunScript(context.Background(), q, acme, "reap", "ghost001", counter).Int64()
			if err != nil || got != want {
				t.Fatalf("reap: %d, %v, want %d", got, err, want)
			}
		}
		reap("", 0)
		settle(t, q, "acme-0001", sid, "won")
		if err := queue.RunScript(context.Background(), q, acme, "beat", "ghost001", 2).Err(); err != nil {
			t.Fatal(err)
		}
		reap("1", 0)
		reap("2", 1)
	})
}
