package dispatch_test

import (
	"context"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"bulkhead.dev/host/internal/dispatch"
	"bulkhead.dev/host/internal/queue"
	"bulkhead.dev/sdk/pluginv1"
)

// subscribed is a manifest with these subscriptions.
func subscribed(subs ...*pluginv1.Subscription) *pluginv1.Manifest {
	return &pluginv1.Manifest{Name: "widget", Subscriptions: subs}
}

func (r *rig) publish(instance string, subs ...*pluginv1.Subscription) {
	r.t.Helper()
	if err := dispatch.Publish(r.t.Context(), r.q, instance, subscribed(subs...)); err != nil {
		r.t.Fatal(err)
	}
}

const paid = "acme.order.paid"

// emitted is a fact on its way, as the outbox has it.
func emitted(t *testing.T, change func(e *queue.Emitted, fact *pluginv1.Job)) queue.Emitted {
	t.Helper()
	e := queue.Emitted{Instance: acme, Parent: "acme-0001", RequestID: "node0001-x", Emit: queue.Emit{Type: paid, Key: "#0"}}
	fact := &pluginv1.Job{
		Type: paid, Subject: "order-7", Data: []byte(`{"order":{"id":7}}`), Datacontenttype: "application/json", RequestId: "node0001-x",
		Traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", Source: "job:acme-0001", EventId: "evt-1",
		Principal: &pluginv1.Principal{Who: "mara@example.com"},
	}
	if change != nil {
		change(&e, fact)
	}
	var err error
	if e.Data, err = proto.Marshal(fact); err != nil {
		t.Fatal(err)
	}
	return e
}

func (r *rig) route(e queue.Emitted) []queue.Job {
	r.t.Helper()
	jobs, err := dispatch.Router{Subscriptions: r.q}.Route(context.Background(), e)
	if err != nil {
		r.t.Fatal(err)
	}
	return jobs
}

func TestRouterMakesASubscribersJob(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		sub     *pluginv1.Subscription
		lane    queue.Lane
		subject string
	}{
		"with the fact's own subject": {
			sub: &pluginv1.Subscription{Fact: paid, JobType: "widget.ship", Lane: pluginv1.Lane_LANE_NORMAL}, subject: "order-7",
		},
		"with a subject of its own": {
			sub: &pluginv1.Subscription{Fact: paid, JobType: "widget.ship", Ordering: "/order/id"}, subject: "7",
		},
		"whose pointer finds nothing: no order": {
			sub: &pluginv1.Subscription{Fact: paid, JobType: "widget.ship", Ordering: "/nothing"},
		},
		"in the bulk lane": {
			sub:  &pluginv1.Subscription{Fact: paid, JobType: "widget.ship", Lane: pluginv1.Lane_LANE_BULK},
			lane: queue.LaneBulk, subject: "order-7",
		},
		"of this one instance": {
			sub: &pluginv1.Subscription{Fact: paid, Instance: acme, JobType: "widget.ship"}, subject: "order-7",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, 1)
			r.publish("widget-eu", c.sub)
			jobs := r.route(emitted(t, nil))
			if len(jobs) != 1 {
				t.Fatalf("%d jobs; want one", len(jobs))
			}
			j := jobs[0]
			if j.Instance != "widget-eu" || !strings.HasPrefix(j.ID, "widget-eu-") || j.Type != "widget.ship" || j.Lane != c.lane ||
				j.Key != c.subject || j.RequestID != "node0001-x" || j.Window < queue.MinWindow {
				t.Errorf("job %+v", j)
			}
			var got pluginv1.Job
			if err := proto.Unmarshal(j.Envelope, &got); err != nil {
				t.Fatal(err)
			}
			want := &pluginv1.Job{
				Id: j.ID, Type: "widget.ship", Source: "job:acme-0001", Subject: c.subject, Time: got.GetTime(),
				Data: []byte(`{"order":{"id":7}}`), Datacontenttype: "application/json", RequestId: "node0001-x",
				Traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", Lane: pluginv1.Lane_LANE_NORMAL,
				Principal: &pluginv1.Principal{Who: "mara@example.com"}, EventId: "evt-1", Fact: paid,
			}
			if c.lane == queue.LaneBulk {
				want.Lane = pluginv1.Lane_LANE_BULK
			}
			if !proto.Equal(&got, want) || got.GetTime() == nil {
				t.Errorf("envelope %v\nwant %v", &got, want)
			}
		})
	}
}

func TestRouterChooses(t *testing.T) {
	t.Parallel()
	r := newRig(t, 1)
	r.publish("widget-eu", &pluginv1.Subscription{Fact: paid, JobType: "widget.ship"}, &pluginv1.Subscription{Fact: paid, JobType: "widget.bill"})
	r.publish("widget-us", &pluginv1.Subscription{Fact: paid, Instance: "acme-us", JobType: "widget.ship"})
	r.publish("gadget", &pluginv1.Subscription{Fact: "acme.order.made", JobType: "gadget.note"})
	r.publish("leaver", &pluginv1.Subscription{Fact: paid, JobType: "leaver.note"})
	r.publish("leaver") // it subscribes to nothing any more
	var got []string
	for _, j := range r.route(emitted(t, nil)) {
		got = append(got, j.Instance+" "+j.Type)
	}
	if want := "widget-eu widget.ship, widget-eu widget.bill"; strings.Join(got, ", ") != want {
		t.Errorf("jobs %v; want %s", got, want)
	}
	if jobs := r.route(emitted(t, func(e *queue.Emitted, _ *pluginv1.Job) { e.Type = "acme.order.lost" })); len(jobs) != 0 {
		t.Errorf("jobs %v; nobody subscribes to it", jobs)
	}
}

func TestIdsOfFactsAreDerived(t *testing.T) {
	t.Parallel()
	r := newRig(t, 1)
	r.publish("widget", &pluginv1.Subscription{Fact: paid, JobType: "widget.ship"}, &pluginv1.Subscription{Fact: paid, JobType: "widget.bill"},
		&pluginv1.Subscription{Fact: "acme.order.made", JobType: "widget.ship"})
	r.publish("widget-eu", &pluginv1.Subscription{Fact: paid, JobType: "widget.ship"})
	ids := func(change func(e *queue.Emitted, fact *pluginv1.Job)) (ids []string) {
		for _, j := range r.route(emitted(t, change)) {
			ids = append(ids, j.ID)
		}
		return ids
	}
	first := ids(nil)
	same := ids(func(_ *queue.Emitted, fact *pluginv1.Job) { fact.Data = []byte(`{}`) })
	if strings.Join(first, " ") != strings.Join(same, " ") {
		t.Errorf("a repeat became %v, it was %v", same, first)
	}
	seen := map[string]bool{}
	for _, change := range []func(e *queue.Emitted, fact *pluginv1.Job){
		nil,
		func(e *queue.Emitted, _ *pluginv1.Job) { e.Parent = "acme-0002" },
		func(e *queue.Emitted, _ *pluginv1.Job) { e.Key = "#1" },
		func(e *queue.Emitted, _ *pluginv1.Job) { e.Type = "acme.order.made" },
	} {
		for _, id := range ids(change) {
			if seen[id] {
				t.Errorf("two facts or subscribers share %s", id)
			}
			seen[id] = true
		}
	}
	if len(seen) != 3*3+1 {
		t.Errorf("%d ids; want 10", len(seen))
	}
}

func TestRouterKeepsWhatItCanNotRead(t *testing.T) {
	t.Parallel()
	r := newRig(t, 1)
	r.publish("widget", &pluginv1.Subscription{Fact: paid, JobType: "widget.ship"})
	broken := emitted(t, nil)
	broken.Data = []byte{0xff}
	if _, err := (dispatch.Router{Subscriptions: r.q}).Route(context.Background(), broken); err == nil {
		t.Error("a fact that can't be read became jobs")
	}
}

// TestFactsReachTheirSubscribers goes the whole way: a job emits, the queue relays, another loop runs what it became.
func TestFactsReachTheirSubscribers(t *testing.T) {
	t.Parallel()
	r := newRig(t, 4)
	sub := &pluginv1.Subscription{Fact: paid, JobType: "widget.ship", Schema: []byte(`{"type":"object","required":["id"]}`)}
	r.publish("widget", sub)
	r.start()
	widget := &rig{t: t, q: r.q, w: newWorker(4), rec: &recorder{}, manifest: subscribed(sub), config: r.config}
	widget.config.Instance, widget.config.Worker, widget.config.Recorder = "widget", widget.w, widget.rec
	widget.start()

	parent := r.put(1)
	r.w.next(t).succeed(
		&pluginv1.Emit{Type: paid, Data: []byte(`{"id":1}`), Subject: "a"},
		&pluginv1.Emit{Type: paid, Data: []byte(`{"id":2}`), Key: "#0"}, // not the first one's index
		&pluginv1.Emit{Type: paid, Data: []byte(`{"id":3}`), Key: "key:#0"},
		&pluginv1.Emit{Type: paid, Data: []byte(`{}`)},     // not the subscriber's shape
		&pluginv1.Emit{Type: paid, Data: []byte(`{"id":`)}, // no JSON
	)
	r.await(parent, queue.StateDone)
	got := map[string]bool{}
	for range 3 {
		s := widget.w.next(t)
		job := s.GetJob()
		if job.GetFact() != paid || job.GetSource() != "job:"+parent || job.GetRequestId() != "node0001-"+parent {
			t.Errorf("job %v", job)
		}
		got[string(job.GetData())] = true
		s.succeed()
	}
	if !got[`{"id":1}`] || !got[`{"id":2}`] || !got[`{"id":3}`] {
		t.Errorf("facts %v; want three", got)
	}
	eventually(t, "the others are dead letters of the subscriber", func() bool {
		depth, err := r.q.Depth(t.Context(), "widget")
		return err == nil && depth.Dead == 2
	})
	widget.none(t)
}

func TestFactsThatMayNotBeEmitted(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		emits  []*pluginv1.Emit
		reason string
	}{
		"another domain's": {[]*pluginv1.Emit{{Type: "widget.order.paid"}}, `the fact "widget.order.paid" is not among those`},
		"twice one key":    {[]*pluginv1.Emit{{Type: paid, Key: "k"}, {Type: paid, Key: "k"}}, `have the key "k"`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, 1)
			r.start()
			id := r.put(1)
			r.w.next(t).succeed(c.emits...)
			if got := r.await(id, queue.StateDead); !strings.Contains(got.Reason, c.reason) || got.Error.Source != queue.FaultPlugin {
				t.Errorf("status %+v; want %q", got, c.reason)
			}
			depth, err := r.q.Depth(t.Context(), acme)
			if err != nil || depth.Outbox != 0 {
				t.Errorf("depth %+v, %v; want an empty outbox", depth, err)
			}
		})
	}
}
