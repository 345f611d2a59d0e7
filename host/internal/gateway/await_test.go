package gateway_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	"bulkhead.dev/host/internal/gateway"
	"bulkhead.dev/host/internal/queue"
	"bulkhead.dev/sdk/pluginv1"
)

// asking sends a question while the test plays the plugin.
func (d *door) asking(ctx context.Context, r request) <-chan answer {
	d.t.Helper()
	if r.path == "" {
		r.path = "/interactive/acme/ask"
	}
	if r.header == nil {
		r.header = known()
	}
	if r.body == "" && r.method != http.MethodGet {
		r.body = "{}"
	}
	answers := make(chan answer, 1)
	go func() {
		defer close(answers)
		a, err := d.try(ctx, r)
		if err == nil {
			answers <- a
		} else if ctx.Err() == nil {
			d.t.Error(err)
		}
	}()
	return answers
}

func TestJobOfAQuestion(t *testing.T) {
	t.Parallel()
	// Whatever an asynchronous route may have has no meaning here.
	d := open(t, ask(func(r *pluginv1.Route) {
		r.Ordering, r.Lane, r.Dedup = "/id", pluginv1.Lane_LANE_BULK, []*pluginv1.Source{pointer("/id")}
		r.Deadline = durationpb.New(10 * time.Second)
	}))
	p := d.plugin()
	ids := map[string]bool{}
	for range 2 {
		before := time.Now()
		answers := d.asking(context.Background(), request{body: `{"id":7}`})
		delivery, job := p.next()
		ids[job.GetId()] = true
		if delivery.Lane != queue.LaneNow || !delivery.Reply || !job.GetReply() || job.GetLane() != pluginv1.Lane_LANE_NOW ||
			job.GetSubject() != "" || job.GetEventId() != "" || job.GetSource() != "interactive:/interactive/acme/ask" || job.GetPrincipal().GetWho() != "mara" {
			t.Errorf("envelope %v in lane %v", job, delivery.Lane)
		}
		if at := job.GetExpires().AsTime(); at.Before(before.Add(9*time.Second)) || at.After(time.Now().Add(10*time.Second)) || delivery.Expires.Sub(at).Abs() > time.Second {
			t.Errorf("expires %v and %v; want the caller's deadline", at, delivery.Expires)
		}
		p.answer(delivery, &pluginv1.Done{})
		<-answers
	}
	if len(ids) != 2 {
		t.Error("two callers of one question got one job")
	}
}

func TestAnswers(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		done        *pluginv1.Done
		status      int
		contentType string
		body        string
		header      map[string]string
	}{
		"JSON by default": {&pluginv1.Done{Data: []byte(`{"a":1}`)}, 200, "application/json", `{"a":1}`, map[string]string{"Cache-Control": "no-store"}},
		"all of it": {&pluginv1.Done{
			Data: []byte("<p>"), ContentType: "text/html", Status: 418,
			Headers: map[string]string{"X-Mine": "1", "Cache-Control": "max-age=5", "Content-Security-Policy": "default-src 'self'"},
		}, 418, "text/html", "<p>", map[string]string{"X-Mine": "1", "Cache-Control": "max-age=5", "Content-Security-Policy": "default-src 'self'", "X-Content-Type-Options": "nosniff"}},
		"nothing":         {&pluginv1.Done{}, 200, "", "", nil},
		"no content":      {&pluginv1.Done{Status: 204, Data: []byte("x"), ContentType: "text/plain"}, 204, "", "", nil},
		"no such status":  {&pluginv1.Done{Status: 99, Data: []byte("1")}, 200, "application/json", "1", nil},
		"a large one":     {&pluginv1.Done{Data: []byte(`"` + strings.Repeat("x", 200<<10) + `"`)}, 200, "application/json", `"` + strings.Repeat("x", 200<<10) + `"`, nil},
		"what is not its": {&pluginv1.Done{Data: []byte("1"), Headers: map[string]string{"Set-Cookie": "a=b", "x-request-id": "x", "Content-Length": "9", "Clear-Site-Data": `"*"`}}, 200, "application/json", "1", map[string]string{"Set-Cookie": "", "Clear-Site-Data": ""}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := open(t, ask())
			p := d.plugin()
			answers := d.asking(context.Background(), request{})
			delivery, job := p.next()
			p.answer(delivery, c.done)
			a := <-answers
			if a.StatusCode != c.status || a.body != c.body || a.Header.Get("Content-Type") != c.contentType || a.Header.Get("X-Request-Id") != job.GetRequestId() {
				t.Errorf("answer %d %.99q of type %q, request %q", a.StatusCode, a.body, a.Header.Get("Content-Type"), a.Header.Get("X-Request-Id"))
			}
			for name, want := range c.header {
				if got := a.Header.Get(name); got != want {
					t.Errorf("%s: %q; want %q", name, got, want)
				}
			}
		})
	}
}

func TestQuestionWithoutAResult(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		s      queue.Settlement
		kind   string
		detail string
	}{
		"it failed": {queue.Settlement{Kind: queue.Dead, Reason: "no such order", Fault: queue.FaultPlugin}, "job-failed", "no such order"},
		"its result is too large": {queue.Settlement{Kind: queue.Done, Result: make([]byte, 2<<20)}, "no-result",
			"the result of 2097152 bytes is larger than 1048576 and was not kept"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := open(t, ask())
			p := d.plugin()
			answers := d.asking(context.Background(), request{})
			delivery, _ := p.next()
			p.settle(delivery, c.s)
			got := (<-answers).problem(t, http.StatusBadGateway, c.kind)
			if got.Detail != c.detail || got.JobID != delivery.ID || got.StatusURL != "https://example.com/jobs/"+delivery.ID {
				t.Errorf("problem %+v", got)
			}
		})
	}
	t.Run("someone cancelled it", func(t *testing.T) {
		t.Parallel()
		d := open(t, ask())
		answers := d.asking(context.Background(), request{})
		id := d.postponed()
		if _, err := d.q.Cancel(context.Background(), id, "no longer wanted"); err != nil {
			t.Fatal(err)
		}
		if got := (<-answers).problem(t, http.StatusBadGateway, "job-failed"); got.Detail != "no longer wanted" {
			t.Errorf("problem %+v", got)
		}
	})
}

// postponed waits for the one job that is queued and puts it off, so that it has begun and does not run.
func (d *door) postponed() (id string) {
	d.t.Helper()
	p := d.plugin()
	delivery, _ := p.next()
	p.settle(delivery, queue.Settlement{Kind: queue.Later, After: time.Hour, Free: true})
	return delivery.ID
}

func TestDeadline(t *testing.T) {
	t.Parallel()
	soon := func(r *pluginv1.Route) { r.Deadline = durationpb.New(100 * time.Millisecond) }
	t.Run("of a job that has begun", func(t *testing.T) {
		t.Parallel()
		d := open(t, ask(func(r *pluginv1.Route) { r.Deadline = durationpb.New(time.Second) }))
		p := d.plugin()
		answers := d.asking(context.Background(), request{})
		delivery, _ := p.next()
		got := (<-answers).problem(t, http.StatusGatewayTimeout, "deadline")
		if got.JobID != delivery.ID || got.StatusURL == "" {
			t.Errorf("problem %+v; want the job %s", got, delivery.ID)
		}
		p.answer(delivery, &pluginv1.Done{Data: []byte(`{"late":true}`)})
		if a := d.send(request{method: "GET", path: "/jobs/" + delivery.ID, header: known()}); !strings.Contains(a.body, `"result":{"late":true}`) {
			t.Errorf("status %s; want the late result", a.body)
		}
	})
	t.Run("of a job that has not begun: it expires", func(t *testing.T) {
		t.Parallel()
		d := open(t, ask(soon))
		got := (<-d.asking(context.Background(), request{})).problem(t, http.StatusGatewayTimeout, "deadline")
		p := d.plugin()
		eventually(t, "it has expired", func() bool {
			list, err := p.Read(context.Background(), 1)
			if err != nil || len(list) > 0 {
				t.Fatalf("began %v, %v", list, err)
			}
			return d.state(got.JobID) == queue.StateExpired
		})
	})
	t.Run("of a route that answers by itself: the work goes on", func(t *testing.T) {
		t.Parallel()
		late := &pluginv1.Answer{Status: 200, ContentType: "text/plain", Body: []byte("working on it")}
		d := open(t, ask(soon, func(r *pluginv1.Route) { r.Late = late }))
		a := <-d.asking(context.Background(), request{})
		if a.StatusCode != 200 || a.body != "working on it" || a.Header.Get("Content-Type") != "text/plain" {
			t.Errorf("answer %d %q", a.StatusCode, a.body)
		}
		delivery, job := d.plugin().next() // although nobody waits any more
		if !delivery.Expires.IsZero() || job.GetExpires() != nil {
			t.Errorf("expires %v", delivery.Expires)
		}
	})
}

// TestWaitOutlastsTheServersReadTimeout: a deadline for reading must not look like a caller who hangs up.
func TestWaitOutlastsTheServersReadTimeout(t *testing.T) {
	t.Parallel()
	for name, r := range map[string]request{
		"with a body": {},
		"without one": {method: "GET", path: "/interactive/acme/ask?a=1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			wait := func(r *pluginv1.Route) { r.Deadline = durationpb.New(time.Second) }
			d := newDoor(t, func(c *gateway.Config) { c.BodyTime = 200 * time.Millisecond })
			d.server.Config.ReadTimeout = 200 * time.Millisecond
			d.serve(domain(ask(wait), ask(wait, func(r *pluginv1.Route) { r.Method = "GET" })))
			(<-d.asking(context.Background(), r)).problem(t, http.StatusGatewayTimeout, "deadline")
		})
	}
}

func TestCallerWhoHangsUp(t *testing.T) {
	t.Parallel()
	t.Run("before it is queued", func(t *testing.T) {
		t.Parallel()
		ctx, hangUp := context.WithCancel(context.Background())
		gone := make(chan struct{})
		var id string
		d := newDoor(t, func(c *gateway.Config) {
			c.Queue = watched{c.Queue, func(inside context.Context, j queue.Job) {
				id = j.ID
				hangUp()
				<-gone
				if inside.Err() != nil {
					t.Error("the enqueue ends with its caller: whether the job is there nobody would know")
				}
			}}
		}).serve(domain(ask()))
		answers := d.asking(ctx, request{})
		<-answers // closed
		close(gone)
		eventually(t, "the job is taken back", func() bool { return d.state(id) == queue.StateCancelled })
		eventually(t, "it is counted", func() bool { return d.rec.last() != "" })
		if got := d.rec.last(); got != "POST /interactive/acme/ask " { // 499 has no text
			t.Errorf("counted as %q", got)
		}
	})
	t.Run("while it waits", func(t *testing.T) {
		t.Parallel()
		ctx, hangUp := context.WithCancel(context.Background())
		d := open(t, ask())
		p := d.plugin()
		answers := d.asking(ctx, request{})
		delivery, _ := p.next()
		hangUp()
		<-answers
		select {
		case reason := <-p.cancels:
			if reason != "the caller hung up" {
				t.Errorf("cancelled because %q", reason)
			}
		case <-time.After(patience):
			t.Fatal("the run was not told")
		}
		p.settle(delivery, queue.Settlement{Kind: queue.Cancelled})
		if s := d.state(delivery.ID); s != queue.StateCancelled {
			t.Errorf("the job is %s", s)
		}
	})
	t.Run("that was told the queue is away", func(t *testing.T) {
		t.Parallel()
		// Redis took the job and its answer was lost.
		var id string
		d := newDoor(t, func(c *gateway.Config) { c.Queue = lossy{c.Queue, &id} }).serve(domain(ask()))
		d.send(request{path: "/interactive/acme/ask", header: known(), body: "{}"}).problem(t, http.StatusServiceUnavailable, "queue-unavailable")
		if s := d.state(id); s != queue.StateCancelled {
			t.Errorf("the job is %s; the caller was told that it was not accepted", s)
		}
	})
}

// lossy is a queue whose answers to Enqueue are lost.
type lossy struct {
	gateway.Queue
	id *string
}

func (l lossy) Enqueue(ctx context.Context, j queue.Job) (queue.Receipt, error) {
	*l.id = j.ID
	_, err := l.Queue.Enqueue(ctx, j)
	return queue.Receipt{}, errors.Join(err, queue.ErrUnavailable)
}

// TestResultThatWasThereBefore: the message about it is for another request, or was lost; its record tells.
func TestResultThatWasThereBefore(t *testing.T) {
	t.Parallel()
	var known queue.Receipt
	d := newDoor(t, func(c *gateway.Config) { c.Queue = repeating{c.Queue, &known} }).serve(domain(event(), ask()))
	p := d.plugin()
	known.ID = d.send(request{path: "/webhooks/acme/events", header: signed(), body: "{}"}).accepted(t)
	delivery, _ := p.next()
	p.answer(delivery, &pluginv1.Done{Data: []byte(`"known"`)})
	known.Repeated, known.State = true, queue.StateDone
	if a := <-d.asking(context.Background(), request{}); a.StatusCode != http.StatusOK || a.body != `"known"` {
		t.Errorf("answer %d %s", a.StatusCode, a.body)
	}
}

// repeating is a queue that knows a job already.
type repeating struct {
	gateway.Queue
	known *queue.Receipt
}

func (r repeating) Enqueue(ctx context.Context, j queue.Job) (queue.Receipt, error) {
	if r.known.Repeated {
		return *r.known, nil
	}
	return r.Queue.Enqueue(ctx, j)
}

// TestQuestionOfAVendor: a synchronous route may be verified instead of asking for a token.
func TestQuestionOfAVendor(t *testing.T) {
	t.Parallel()
	d := open(t, ask(func(r *pluginv1.Route) { r.Verification, r.ContentTypes = byToken(), []string{form} }))
	d.send(request{path: "/interactive/acme/ask", header: known(), body: "{}"}).problem(t, http.StatusUnauthorized, "signature")
	p := d.plugin()
	answers := d.asking(context.Background(), request{header: headers("X-Key", secret, "Content-Type", form, "Sec-Fetch-Site", "cross-site"), body: "text=hi"})
	delivery, job := p.next()
	if string(job.GetData()) != `{"text":"hi"}` || job.GetPrincipal() != nil {
		t.Errorf("envelope %v", job)
	}
	p.answer(delivery, &pluginv1.Done{Data: []byte("1")})
	if a := <-answers; a.StatusCode != http.StatusOK {
		t.Errorf("answer %d %s", a.StatusCode, a.body)
	}
}
