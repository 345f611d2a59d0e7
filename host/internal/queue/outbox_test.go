package queue_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"bulkhead.dev/host/internal/queue"
)

// router makes one job of each fact, in the instance that the fact's type names.
type router struct{ failing atomic.Bool }

func (r *router) Route(_ context.Context, e queue.Emitted) ([]queue.Job, error) {
	if r.failing.Load() {
		return nil, errors.New("subscriptions are not known")
	}
	if e.Type == "nobody" {
		return nil, nil
	}
	return []queue.Job{{
		Instance: e.Type, ID: fmt.Sprintf("%s-%s_%s", e.Type, e.Parent[5:], e.Key), Type: e.Type + ".heard", RequestID: e.RequestID,
		Envelope: append([]byte(e.Parent+" says "), e.Data...),
	}}, nil
}

func TestFactsReachTheirSubscribers(t *testing.T) {
	onBoth(t, func(t *testing.T, r *rig) {
		q := r.node()
		to := &router{}
		to.failing.Store(true)
		rd := read(t, q, func(o *queue.DomainOptions) { o.Router = to })
		put(t, q, job(1))
		d := rd.one()
		emits := []queue.Emit{{Type: "widget", Key: "0", Data: []byte("hired")}, {Type: "nobody", Key: "1"}, {Type: "gadget", Key: "2", Data: []byte("left")}}
		rd.end(queue.Settlement{Token: d.Token(), Kind: queue.Done, Emits: emits})
		wantState(t, q, d.ID, queue.StateDone)
		if depth, err := q.Depth(context.Background(), acme); err != nil || depth.Outbox != 3 {
			t.Fatalf("facts are kept: %+v, %v", depth, err)
		}
		to.failing.Store(false)
		for _, id := range []string{"widget-0001_0", "gadget-0001_2"} {
			eventually(t, id+" is there", func() bool {
				s, err := q.Status(context.Background(), id)
				return err == nil && s.State == queue.StateQueued && s.RequestID == "node0001-0001"
			})
		}
		eventually(t, "the outbox is empty", func() bool {
			depth, err := q.Depth(context.Background(), acme)
			return err == nil && depth.Outbox == 0
		})
	})
}

func TestRelayPassesTheDepthLimit(t *testing.T) {
	onBoth(t, func(t *testing.T, r *rig) {
		q := r.node(func(c *queue.Config) { c.MaxDepth = 1 })
		rd := read(t, q, func(o *queue.DomainOptions) { o.Router = &router{} })
		put(t, q, job(1))
		d := rd.one()
		rd.end(queue.Settlement{Token: d.Token(), Kind: queue.Done, Emits: []queue.Emit{{Type: acme, Key: "a"}, {Type: acme, Key: "b"}}})
		rd.next(2)
	})
}

func TestSubscriptions(t *testing.T) {
	onBoth(t, func(t *testing.T, r *rig) {
		a, b := r.node(), r.node()
		ctx := context.Background()
		want := map[string][]byte{}
		for _, step := range []struct{ instance, doc string }{{"acme", "one"}, {"widget", "two"}, {"widget", "two"}, {"acme", ""}, {"widget", "three"}} {
			if err := a.PublishSubscriptions(ctx, step.instance, []byte(step.doc)); err != nil {
				t.Fatal(err)
			}
			if want[step.instance] = []byte(step.doc); step.doc == "" {
				delete(want, step.instance)
			}
			got, err := b.Subscriptions(ctx)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Fatal(diff)
			}
		}
		if err := a.PublishSubscriptions(ctx, "#version", []byte("x")); !errors.Is(err, queue.ErrInvalid) {
			t.Fatal(err)
		}
	})
}

func TestNodes(t *testing.T) {
	onBoth(t, func(t *testing.T, r *rig) {
		a, b, c := r.node(), r.node(), r.node()
		ctx := context.Background()
		info := queue.NodeInfo{Version: "1.2.3", Store: "one"}
		if err := errors.Join(a.Register(ctx, info), b.Register(ctx, info)); err != nil {
			t.Fatal(err)
		}
		if err := c.Register(ctx, queue.NodeInfo{Store: "another"}); !errors.Is(err, queue.ErrForeignStore) {
			t.Fatalf("another store: %v", err)
		}
		got, err := c.Nodes(ctx)
		if diff := cmp.Diff(map[string]queue.NodeInfo{a.Node(): info, b.Node(): info}, got); err != nil || diff != "" {
			t.Fatal(err, diff)
		}
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
		if got, err = c.Nodes(ctx); err != nil || len(got) != 1 {
			t.Fatalf("%v, %v", got, err)
		}
	})
}
