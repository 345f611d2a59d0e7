package gateway_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"go.uber.org/goleak"
	"google.golang.org/protobuf/proto"

	"bulkhead.dev/host/internal/gateway"
	"bulkhead.dev/host/internal/queue"
	"bulkhead.dev/sdk/pluginv1"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	acme   = "acme"
	secret = "shared-secret"
	token  = "people-token"
	// patience is how long a test waits for what must come.
	patience = 20 * time.Second
)

// eventually waits until a condition holds.
func eventually(t testing.TB, what string, cond func() bool) {
	t.Helper()
	tick := time.NewTicker(3 * time.Millisecond)
	defer tick.Stop()
	end := time.NewTimer(patience)
	defer end.Stop()
	for !cond() {
		select {
		case <-tick.C:
		case <-end.C:
			t.Fatalf("did not happen: %s", what)
		}
	}
}

// byToken is a recipe that is easily satisfied: X-Key holds the secret.
func byToken() *pluginv1.Verification {
	return &pluginv1.Verification{Scheme: &pluginv1.Verification_Token{Token: &pluginv1.Token{Key: "key", Header: "X-Key"}}}
}

// event is an asynchronous route.
func event(change ...func(r *pluginv1.Route)) *pluginv1.Route {
	r := &pluginv1.Route{
		Method: http.MethodPost, Path: "events", Pattern: pluginv1.Pattern_PATTERN_ASYNC, Lane: pluginv1.Lane_LANE_NORMAL,
		JobType: "acme.event", Verification: byToken(),
	}
	for _, c := range change {
		c(r)
	}
	return r
}

// ask is a synchronous route for people.
func ask(change ...func(r *pluginv1.Route)) *pluginv1.Route {
	r := &pluginv1.Route{
		Method: http.MethodPost, Path: "ask", Pattern: pluginv1.Pattern_PATTERN_SYNC, Lane: pluginv1.Lane_LANE_NOW, JobType: "acme.ask",
	}
	for _, c := range change {
		c(r)
	}
	return r
}

// domain is an instance with these routes.
func domain(routes ...*pluginv1.Route) gateway.Domain {
	return gateway.Domain{
		Instance: acme, Manifest: &pluginv1.Manifest{Name: acme, Routes: routes},
		Secret: func(key string) (string, bool) { return secret, key == "key" },
	}
}

// recorder keeps what the door counts.
type recorder struct {
	mu       sync.Mutex
	requests []string
	repeated int
}

func (r *recorder) Request(route string, status int, _ time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.requests = append(r.requests, route+" "+http.StatusText(status))
}

func (r *recorder) Repeated(string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.repeated++
}

func (r *recorder) last() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.requests) == 0 {
		return ""
	}
	return r.requests[len(r.requests)-1]
}

// syncBuffer is a log that can be read while it is written.
type syncBuffer struct {
	mu sync.Mutex
	b  strings.Builder
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// door is a gateway behind a real server, on a real embedded queue.
type door struct {
	t   testing.TB
	q   *queue.Queue
	g   *gateway.Gateway
	rec *recorder
	log *syncBuffer
	url string
	// server may be changed before start.
	server *httptest.Server
}

// newDoor makes a door whose server has not started.
func newDoor(t testing.TB, change ...func(*gateway.Config)) *door {
	t.Helper()
	q, err := queue.Open(context.Background(), queue.Config{Node: "node0001"})
	if err != nil {
		t.Fatal(err)
	}
	d := &door{t: t, q: q, rec: &recorder{}, log: &syncBuffer{}}
	cfg := gateway.Config{
		Node: "node0001", PublicURL: "https://example.com", Queue: q, People: gateway.BearerToken{Who: "mara", Token: token},
		Health:   func(context.Context) gateway.Health { return gateway.Health{Status: "ready"} },
		Metrics:  http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "metrics") }),
		Recorder: d.rec, Log: hclog.New(&hclog.LoggerOptions{Output: d.log, JSONFormat: true, Level: hclog.Debug}),
	}
	for _, c := range change {
		c(&cfg)
	}
	if d.g, err = gateway.New(cfg); err != nil {
		t.Fatal(err)
	}
	d.server = httptest.NewUnstartedServer(d.g)
	t.Cleanup(func() {
		d.server.Close()
		if err := q.Close(); err != nil {
			t.Error(err)
		}
	})
	return d
}

// open starts a door with these routes.
func open(t testing.TB, routes ...*pluginv1.Route) *door {
	t.Helper()
	return newDoor(t).serve(domain(routes...))
}

func (d *door) serve(domains ...gateway.Domain) *door {
	d.t.Helper()
	if err := d.g.Serve(domains); err != nil {
		d.t.Fatal(err)
	}
	d.server.Start()
	d.url = d.server.URL
	return d
}

// request is what a test sends.
type request struct {
	method, path, body string
	header             http.Header
	// chunked leaves the length unsaid.
	chunked bool
}

// answer is what comes back.
type answer struct {
	*http.Response
	body string
}

func (d *door) send(r request) answer {
	d.t.Helper()
	a, err := d.try(context.Background(), r)
	if err != nil {
		d.t.Fatal(err)
	}
	return a
}

func (d *door) try(ctx context.Context, r request) (answer, error) {
	if r.method == "" {
		r.method = http.MethodPost
	}
	var body io.Reader = strings.NewReader(r.body)
	if r.chunked {
		body = struct{ io.Reader }{body}
	}
	req, err := http.NewRequestWithContext(ctx, r.method, d.url+r.path, body)
	if err != nil {
		return answer{}, err
	}
	for name, values := range r.header {
		req.Header[name] = values
	}
	transport := &http.Transport{DisableKeepAlives: true}
	resp, err := transport.RoundTrip(req) // no redirects
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	return answer{Response: resp, body: string(got)}, err
}

// headers makes a header of names and values.
func headers(pairs ...string) http.Header {
	h := http.Header{}
	for pair := range slices.Chunk(pairs, 2) {
		h.Add(pair[0], pair[len(pair)-1])
	}
	return h
}

// signed is a JSON event with its proof.
func signed(more ...string) http.Header {
	return headers(append([]string{"X-Key", secret, "Content-Type", "application/json"}, more...)...)
}

// known is a JSON call of someone who is known.
func known(more ...string) http.Header {
	return headers(append([]string{"Authorization", "Bearer " + token, "Content-Type", "application/json"}, more...)...)
}

// accepted checks a 202 and returns the job's id.
func (a answer) accepted(t testing.TB) string {
	t.Helper()
	var body struct {
		JobID     string `json:"job_id"`
		StatusURL string `json:"status_url"`
	}
	if err := json.Unmarshal([]byte(a.body), &body); err != nil || a.StatusCode != http.StatusAccepted {
		t.Fatalf("answer %d %s; want 202", a.StatusCode, a.body)
	}
	if !strings.HasPrefix(body.JobID, acme+"-") || !strings.HasSuffix(body.StatusURL, "/jobs/"+body.JobID) {
		t.Errorf("answer %s", a.body)
	}
	return body.JobID
}

// problem checks that the answer is a problem of a kind, with all that each has.
func (a answer) problem(t testing.TB, status int, kind string) gateway.Problem {
	t.Helper()
	var p gateway.Problem
	if err := json.Unmarshal([]byte(a.body), &p); err != nil {
		t.Fatalf("answer %d %q: %v", a.StatusCode, a.body, err)
	}
	if a.StatusCode != status || p.Status != status || p.Type != "urn:bulkhead:problem:"+kind || p.Title == "" {
		t.Errorf("answer %d %s; want %d %s", a.StatusCode, a.body, status, kind)
	}
	if got := a.Header.Get("Content-Type"); got != "application/problem+json" {
		t.Errorf("content type %q", got)
	}
	if p.RequestID == "" || p.RequestID != a.Header.Get("X-Request-Id") {
		t.Errorf("request id %q in the body, %q in the header", p.RequestID, a.Header.Get("X-Request-Id"))
	}
	return p
}

// plugin plays the domain's other side: it reads what was queued.
type plugin struct {
	*queue.Domain
	t       testing.TB
	cancels chan string
}

func (d *door) plugin() *plugin {
	d.t.Helper()
	p := &plugin{t: d.t, cancels: make(chan string, 16)}
	var err error
	if p.Domain, err = d.q.Domain(acme, queue.DomainOptions{Cancel: func(_, reason string) { p.cancels <- reason }}); err != nil {
		d.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := p.Run(ctx); err != nil {
			d.t.Error(err)
		}
	}()
	d.t.Cleanup(func() { cancel(); <-done })
	return p
}

// next is the next job and its envelope.
func (p *plugin) next() (queue.Delivery, *pluginv1.Job) {
	p.t.Helper()
	var got queue.Delivery
	eventually(p.t, "a run begins", func() bool {
		list, err := p.Read(context.Background(), 1)
		if err != nil || len(list) == 0 {
			return false
		}
		got = list[0]
		return true
	})
	var job pluginv1.Job
	if err := proto.Unmarshal(got.Envelope, &job); err != nil {
		p.t.Fatal(err)
	}
	return got, &job
}

func (p *plugin) settle(d queue.Delivery, s queue.Settlement) {
	p.t.Helper()
	s.Token = d.Token()
	if _, err := p.Settle(context.Background(), s); err != nil {
		p.t.Fatal(err)
	}
}

func (p *plugin) answer(d queue.Delivery, done *pluginv1.Done) {
	p.t.Helper()
	result, err := proto.Marshal(done)
	if err != nil {
		p.t.Fatal(err)
	}
	p.settle(d, queue.Settlement{Kind: queue.Done, Result: result})
}

// jobs counts what was queued for the domain.
func (d *door) jobs() int64 {
	d.t.Helper()
	depth, err := d.q.Depth(context.Background(), acme)
	if err != nil {
		d.t.Fatal(err)
	}
	return depth.Ready + depth.Running + depth.Held + depth.Delayed
}

func (d *door) state(id string) queue.State {
	d.t.Helper()
	s, err := d.q.Status(context.Background(), id)
	if errors.Is(err, queue.ErrNotFound) {
		return ""
	}
	if err != nil {
		d.t.Fatal(err)
	}
	return s.State
}
