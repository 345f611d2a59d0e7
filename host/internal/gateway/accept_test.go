package gateway_test

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	"bulkhead.dev/host/internal/gateway"
	"bulkhead.dev/host/internal/queue"
	"bulkhead.dev/sdk/pluginv1"
)

func TestJobOfAWebhook(t *testing.T) {
	t.Parallel()
	d := open(t, event(func(r *pluginv1.Route) {
		r.Path, r.Ordering, r.Lane = "{shop}/events", "/order/id", pluginv1.Lane_LANE_BULK
		r.Headers = []string{"X-Topic", "X-Tag", "X-Absent"}
		r.Dedup = []*pluginv1.Source{deliveryID(), pointer("/seq")}
	}))
	const trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	body := `{"order":{"id":12345678901234567890},"seq":3}`
	before := time.Now()
	a := d.send(request{path: "/webhooks/acme/m%C3%BC/events?a=1&b=%zz&c=\xff", body: body, header: signed(
		"X-Delivery", "d-1", "X-Topic", "caf\xe9", "X-Tag", "a", "X-Tag", "b", "Traceparent", trace, "X-Request-Id", "up-7", "X-Private", "p")})
	id := a.accepted(t)
	if location := a.Header.Get("Content-Type"); location != "application/json" {
		t.Errorf("content type %q", location)
	}
	delivery, job := d.plugin().next()
	want := &pluginv1.Job{
		Id: id, Type: "acme.event", Source: "webhook:/webhooks/acme/{shop}/events", Subject: "12345678901234567890", Time: job.GetTime(),
		Data: []byte(body), Datacontenttype: "application/json", RequestId: a.Header.Get("X-Request-Id"), Traceparent: trace,
		Lane: pluginv1.Lane_LANE_BULK, PathParams: map[string]string{"shop": "mü"},
		Headers: map[string]string{"X-Topic": "caf\uFFFD", "X-Tag": "a, b"}, Query: "a=1&b=%zz&c=\uFFFD", EventId: "d-1 3",
	}
	if !proto.Equal(job, want) {
		t.Errorf("envelope %v\nwant %v", job, want)
	}
	if at := job.GetTime().AsTime(); at.Before(before.Add(-time.Second)) || at.After(time.Now().Add(time.Second)) {
		t.Errorf("accepted at %v", at)
	}
	if delivery.ID != id || delivery.Lane != queue.LaneBulk || delivery.Reply || !delivery.Expires.IsZero() || delivery.RequestID != job.GetRequestId() {
		t.Errorf("delivery %+v", delivery)
	}
	for _, part := range []string{`"@message":"accepted"`, `"request_id":"` + job.GetRequestId(), `"upstream_id":"up-7"`, `"job":"` + id, `"plugin":"acme"`} {
		if !strings.Contains(d.log.String(), part) {
			t.Errorf("the log lacks %s: %s", part, d.log)
		}
	}
	if got := d.rec.last(); got != "POST /webhooks/acme/{shop}/events Accepted" {
		t.Errorf("counted as %q", got)
	}
}

func deliveryID() *pluginv1.Source {
	return &pluginv1.Source{From: &pluginv1.Source_Header{Header: "X-Delivery"}}
}

func pointer(p string) *pluginv1.Source {
	return &pluginv1.Source{From: &pluginv1.Source_Pointer{Pointer: p}}
}

func TestTraceparent(t *testing.T) {
	t.Parallel()
	d := open(t, event())
	p := d.plugin()
	const good = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	for name, c := range map[string]struct {
		sent []string
		kept bool
	}{
		"one":                     {[]string{good}, true},
		"a later version":         {[]string{"01" + good[2:] + "-more"}, true},
		"none":                    {nil, false},
		"two":                     {[]string{good, good}, false},
		"too short":               {[]string{good[:54]}, false},
		"too long":                {[]string{good + "-more"}, false},
		"a later one, no dash":    {[]string{"01" + good[2:] + "more"}, false},
		"version ff":              {[]string{"ff" + good[2:]}, false},
		"capitals":                {[]string{strings.ToUpper(good)}, false},
		"no trace":                {[]string{"00-00000000000000000000000000000000-b7ad6b7169203331-01"}, false},
		"no parent":               {[]string{"00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01"}, false},
		"letters that are no hex": {[]string{"00-0af7651916cd43dd8448eb211c80319g-b7ad6b7169203331-01"}, false},
		"dashes elsewhere":        {[]string{"000-af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}, false},
		"endless":                 {[]string{"01" + good[2:] + "-" + strings.Repeat("x", 99)}, false},
	} {
		h := signed()
		for _, v := range c.sent {
			h.Add("Traceparent", v)
		}
		d.send(request{path: "/webhooks/acme/events", header: h, body: "{}"}).accepted(t)
		_, job := p.next()
		if got := job.GetTraceparent(); (got != "") != c.kept || c.kept && got != c.sent[0] {
			t.Errorf("%s: %q", name, got)
		}
	}
}

func TestPayloads(t *testing.T) {
	t.Parallel()
	types := func(types ...string) func(*pluginv1.Route) {
		return func(r *pluginv1.Route) { r.ContentTypes = types }
	}
	method := func(m string) func(*pluginv1.Route) { return func(r *pluginv1.Route) { r.Method = m } }
	for name, c := range map[string]struct {
		change      func(*pluginv1.Route)
		query       string
		contentType string
		body        string
		data        string
		as          string
	}{
		"JSON":                 {types(), "", "application/json", ` {"a" : 1}`, ` {"a" : 1}`, "application/json"},
		"with its charset":     {types(), "", "Application/JSON; Charset=UTF-8", `1`, `1`, "application/json"},
		"a kind of JSON":       {types("application/cloudevents+json"), "", "application/cloudevents+json", `{}`, `{}`, "application/cloudevents+json"},
		"a form":               {types(form), "", form, "b=2&a=x+y&b=3&c=", `{"a":"x y","b":["2","3"],"c":""}`, "application/json"},
		"an empty form":        {types(form), "", form, "", `{}`, "application/json"},
		"one of several":       {types("application/json", form), "", form, "a=1", `{"a":"1"}`, "application/json"},
		"any other":            {types("text/csv"), "", "text/csv", "a;b\xff", "a;b\xff", "text/csv"},
		"a query":              {method("GET"), "?b=2&a=x+y&b=3", "", "", `{"a":"x y","b":["2","3"]}`, "application/json"},
		"no query":             {method("GET"), "", "", "", `{}`, "application/json"},
		"an empty query":       {method("GET"), "?", "", "", `{}`, "application/json"},
		"a GET with a body":    {method("GET"), "?a=1", "text/plain", "not read", `{"a":"1"}`, "application/json"},
		"a HEAD":               {method("HEAD"), "?a=1", "", "", `{"a":"1"}`, "application/json"},
		"a DELETE":             {method("DELETE"), "?a=1", "", "", `{}`, "application/json"},
		"a DELETE with a body": {method("DELETE"), "", "application/json", `{"a":1}`, `{"a":1}`, "application/json"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			route := event(c.change)
			d := open(t, route)
			h := headers("X-Key", secret)
			if c.contentType != "" {
				h.Set("Content-Type", c.contentType)
			}
			a := d.send(request{method: route.GetMethod(), path: "/webhooks/acme/events" + c.query, header: h, body: c.body})
			if a.StatusCode != http.StatusAccepted {
				t.Fatalf("answer %d %s", a.StatusCode, a.body)
			}
			_, job := d.plugin().next()
			if string(job.GetData()) != c.data || job.GetDatacontenttype() != c.as || job.GetQuery() != strings.TrimPrefix(c.query, "?") {
				t.Errorf("data %q as %q, query %q; want %q as %q", job.GetData(), job.GetDatacontenttype(), job.GetQuery(), c.data, c.as)
			}
		})
	}
}

// TestDeliveries: which calls are the same event.
func TestDeliveries(t *testing.T) {
	t.Parallel()
	d := open(t,
		event(func(r *pluginv1.Route) { r.Dedup = []*pluginv1.Source{deliveryID(), pointer("/seq")} }),
		event(func(r *pluginv1.Route) {
			r.Path = "other"
			r.Dedup = []*pluginv1.Source{deliveryID(), pointer("/seq")}
		}),
		event(func(r *pluginv1.Route) { r.Path = "shops/{shop}"; r.Dedup = []*pluginv1.Source{deliveryID()} }),
		event(func(r *pluginv1.Route) {
			r.Path, r.Method = "shops/{shop}", "PUT"
			r.Dedup = []*pluginv1.Source{deliveryID()}
		}),
		event(func(r *pluginv1.Route) { r.Path = "plain" }),
	)
	send := func(method, path, delivery, body string) string {
		t.Helper()
		h := signed()
		if delivery != "" {
			h.Set("X-Delivery", delivery)
		}
		return d.send(request{method: method, path: "/webhooks/acme/" + path, header: h, body: body}).accepted(t)
	}
	first := send("POST", "events", "d", `{"seq":1,"attempt":1}`)
	content := send("POST", "events", "", `{"a":1}`)
	shop := send("POST", "shops/a", "", `{}`)
	for name, c := range map[string]struct {
		id   string
		same string
	}{
		"another body, the same delivery": {send("POST", "events", "d", `{"attempt":2,"seq":1}`), first},
		"another part of the id":          {send("POST", "events", "d", `{"seq":2}`), ""},
		"a part in another place":         {send("POST", "events", "d1", `{}`), ""},
		"one part absent":                 {send("POST", "events", "d", `{}`), ""},
		"another route":                   {send("POST", "other", "d", `{"seq":1}`), ""},
		"no id, the same content":         {send("POST", "events", "", `{"a":1}`), content},
		"no id, other content":            {send("POST", "events", "", `{"a":2}`), ""},
		"no id, another query":            {send("POST", "events?x=1", "", `{"a":1}`), ""},
		"another path, the same content":  {send("POST", "shops/b", "", `{}`), ""},
		"another method":                  {send("PUT", "shops/a", "", `{}`), ""},
		"the same path":                   {send("POST", "shops/a", "", `{}`), shop},
		"an id that looks like content":   {send("POST", "shops/a", "content", `{}`), ""},
		"a route that declares no ids":    {send("POST", "plain", "d", `{}`), ""},
	} {
		known := []string{first, content, shop}
		if c.same != "" && c.id != c.same || c.same == "" && slices.Contains(known, c.id) {
			t.Errorf("%s: %s; want the same as %q of %v", name, c.id, c.same, known)
		}
	}
	if a, b := send("POST", "plain", "d", `{}`), send("POST", "plain", "d", `{}`); a == b {
		t.Error("a route without delivery ids took two calls for one")
	}
	d.rec.mu.Lock()
	defer d.rec.mu.Unlock()
	if d.rec.repeated != 3 {
		t.Errorf("%d repeats counted; want 3", d.rec.repeated)
	}
	if rest, ok := strings.CutPrefix(first, "acme-"); !ok || len(rest) != 32 || strings.Trim(rest, "0123456789abcdef") != "" {
		t.Errorf("id %s; want the instance and 128 bits in hex", first)
	}
}

// watched is a queue that notes what is enqueued and does as it is told first.
type watched struct {
	gateway.Queue
	before func(ctx context.Context, j queue.Job)
}

func (w watched) Enqueue(ctx context.Context, j queue.Job) (queue.Receipt, error) {
	w.before(ctx, j)
	return w.Queue.Enqueue(ctx, j)
}

func watch(before func(ctx context.Context, j queue.Job)) func(*gateway.Config) {
	return func(c *gateway.Config) { c.Queue = watched{c.Queue, before} }
}

func TestHowLongAJobIsKnown(t *testing.T) {
	t.Parallel()
	ids := []*pluginv1.Source{deliveryID()}
	for name, c := range map[string]struct {
		route *pluginv1.Route
		want  time.Duration
	}{
		"as the route says":      {event(func(r *pluginv1.Route) { r.Dedup, r.DedupWindow = ids, durationpb.New(2*time.Hour) }), 2 * time.Hour},
		"a day":                  {event(func(r *pluginv1.Route) { r.Dedup = ids }), 24 * time.Hour},
		"an hour without ids":    {event(), time.Hour},
		"an hour for a question": {ask(func(r *pluginv1.Route) { r.Dedup, r.Deadline = ids, durationpb.New(time.Millisecond) }), time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got time.Duration
			d := newDoor(t, watch(func(_ context.Context, j queue.Job) { got = j.Window })).serve(domain(c.route))
			h := known("X-Key", secret)
			d.send(request{path: "/webhooks/acme/events", header: h, body: "{}"})
			d.send(request{path: "/interactive/acme/ask", header: h, body: "{}"})
			if got != c.want {
				t.Errorf("window %v; want %v", got, c.want)
			}
		})
	}
}

func TestAnswerThatTheRouteFixes(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		answer      *pluginv1.Answer
		contentType []string
	}{
		"an empty 200": {&pluginv1.Answer{Status: 200}, nil},
		"a text":       {&pluginv1.Answer{Status: 201, ContentType: "text/plain", Body: []byte("thanks")}, []string{"text/plain"}},
		"nothing":      {&pluginv1.Answer{Status: 204}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := open(t, event(func(r *pluginv1.Route) { r.Accepted = c.answer }))
			a := d.send(request{path: "/webhooks/acme/events", header: signed(), body: "{}"})
			if a.StatusCode != int(c.answer.GetStatus()) || a.body != string(c.answer.GetBody()) || !slices.Equal(a.Header["Content-Type"], c.contentType) {
				t.Errorf("answer %d %q of type %q", a.StatusCode, a.body, a.Header["Content-Type"])
			}
			if a.Header.Get("X-Request-Id") == "" || d.jobs() != 1 {
				t.Errorf("request id %q, %d jobs", a.Header.Get("X-Request-Id"), d.jobs())
			}
		})
	}
}

func TestChallenge(t *testing.T) {
	t.Parallel()
	d := open(t,
		event(shaped, func(r *pluginv1.Route) {
			r.Challenge = &pluginv1.Challenge{Match: "/type", Value: "hello", Echo: "/challenge"}
		}),
		event(func(r *pluginv1.Route) {
			r.Path = "json"
			r.Challenge = &pluginv1.Challenge{Match: "/type", Value: "hello", Echo: "/challenge", Member: "challenge"}
		}),
	)
	body := `{"type":"hello","challenge":"<b>\"3\""}`
	for name, c := range map[string]struct{ path, contentType, body string }{
		"as text, though the body is no event": {"events", "text/plain; charset=utf-8", `<b>"3"`},
		"as JSON":                              {"json", "application/json", `{"challenge":"\u003cb\u003e\"3\""}`},
	} {
		a := d.send(request{path: "/webhooks/acme/" + c.path, header: signed(), body: body})
		if a.StatusCode != 200 || a.body != c.body || a.Header.Get("Content-Type") != c.contentType {
			t.Errorf("%s: %d %q of type %q", name, a.StatusCode, a.body, a.Header.Get("Content-Type"))
		}
	}
	d.send(request{path: "/webhooks/acme/events", header: headers("Content-Type", "application/json"), body: body}).problem(t, 401, "signature")
	d.send(request{path: "/webhooks/acme/events", header: signed(), body: `{"type":"hello"}`}).problem(t, 422, "invalid")
	d.send(request{path: "/webhooks/acme/events", header: signed(), body: `{"type":"other","challenge":"x"}`}).problem(t, 422, "invalid")
	if n := d.jobs(); n != 0 {
		t.Errorf("%d jobs of challenges", n)
	}
	d.send(request{path: "/webhooks/acme/json", header: signed(), body: `{"type":"other","challenge":"x"}`}).accepted(t)
}

// TestWebhookWhoseCallerHangsUp: what was checked is kept, whatever becomes of the line.
func TestWebhookWhoseCallerHangsUp(t *testing.T) {
	t.Parallel()
	ctx, hangUp := context.WithCancel(context.Background())
	d := newDoor(t, watch(func(inside context.Context, _ queue.Job) {
		hangUp()
		if inside.Err() != nil || inside.Done() != nil {
			t.Error("the enqueue ends with its caller")
		}
	})).serve(domain(event()))
	if _, err := d.try(ctx, request{path: "/webhooks/acme/events", header: signed(), body: "{}"}); err == nil {
		t.Fatal("the caller did not hang up")
	}
	eventually(t, "the job is there", func() bool { return d.jobs() == 1 })
}

func TestQueueThatTakesNothing(t *testing.T) {
	t.Parallel()
	t.Run("it is full", func(t *testing.T) {
		t.Parallel()
		q, err := queue.Open(context.Background(), queue.Config{Node: "node0001", MaxDepth: 1})
		if err != nil {
			t.Fatal(err)
		}
		d := newDoor(t, func(c *gateway.Config) { c.Queue = q }).serve(domain(event()))
		t.Cleanup(func() { _ = q.Close() })
		d.send(request{path: "/webhooks/acme/events", header: signed(), body: "{}"}).accepted(t)
		a := d.send(request{path: "/webhooks/acme/events", header: signed(), body: "{}"})
		a.problem(t, http.StatusTooManyRequests, "overloaded")
		if a.Header.Get("Retry-After") != "5" {
			t.Errorf("Retry-After %q", a.Header.Get("Retry-After"))
		}
	})
	t.Run("Redis is not there", func(t *testing.T) {
		t.Parallel()
		q, err := queue.Open(context.Background(), queue.Config{
			Node: "node0001", URL: "unix://" + t.TempDir() + "/nothing", EnqueueTimeout: 50 * time.Millisecond, DialTimeout: 50 * time.Millisecond,
		})
		if err != nil {
			t.Fatal(err)
		}
		d := newDoor(t, func(c *gateway.Config) { c.Queue = q }).serve(domain(event(), ask()))
		t.Cleanup(func() { _ = q.Close() })
		for path, h := range map[string]http.Header{"/webhooks/acme/events": signed(), "/interactive/acme/ask": known()} {
			a := d.send(request{path: path, header: h, body: "{}"})
			a.problem(t, http.StatusServiceUnavailable, "queue-unavailable")
			if a.Header.Get("Retry-After") != "5" || strings.Contains(a.body, "unix") {
				t.Errorf("answer %v %s", a.Header, a.body)
			}
		}
	})
	t.Run("the host stops", func(t *testing.T) {
		t.Parallel()
		q, err := queue.Open(context.Background(), queue.Config{Node: "node0001"})
		if err != nil {
			t.Fatal(err)
		}
		d := newDoor(t, func(c *gateway.Config) { c.Queue = q }).serve(domain(event()))
		if err := q.Close(); err != nil {
			t.Fatal(err)
		}
		d.send(request{path: "/webhooks/acme/events", header: signed(), body: "{}"}).problem(t, http.StatusServiceUnavailable, "stopping")
	})
}
