// Package gateway is the one door: it turns manifests into HTTP routes (routes.go) and each call into a job (job.go).
//
// A call passes in one direction: request id, path, method, size, authentication on the raw body, media type, shape
// (endpoint.go, body.go); then it is queued, and answered at once (accept.go: pattern A) or with the result (await.go:
// pattern B). Whatever is refused gets a problem (problem.go, the one mapping of errors to HTTP). The gateway knows no
// domain and blocks on nothing but the queue.
package gateway

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"runtime/debug"
	"strings"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"

	"bulkhead.dev/host/internal/queue"
)

// Queue is what the gateway needs of the queue.
type Queue interface {
	Enqueue(ctx context.Context, job queue.Job) (queue.Receipt, error)
	Await(requestID string) *queue.Waiter
	Status(ctx context.Context, id string) (queue.Status, error)
	Cancel(ctx context.Context, id, reason string) (queue.State, error)
}

// Recorder counts what the door did. Implementations must be safe for concurrent use.
type Recorder interface {
	// Request is called once for each answered call; route is a pattern, never a path.
	Request(route string, status int, took time.Duration)
	// Repeated counts deliveries that were known already.
	Repeated(instance string)
}

// Config is what a Gateway needs.
type Config struct {
	// Node is the id of this host process, the head of each request id it makes.
	Node string
	// PublicURL is the base of every URL that is given out, without a trailing slash. Its path is a prefix of all
	// routes: a proxy in front may hand it on or cut it off, the routes are found both ways.
	PublicURL string
	Queue     Queue
	// People authenticates callers of /interactive/* and /jobs/*.
	People Authenticator
	// Health tells how the host is.
	Health func(context.Context) Health
	// Metrics serves /metrics.
	Metrics  http.Handler
	Recorder Recorder
	Log      hclog.Logger
	// BodyTime is the longest that a body may take to come, whatever its route allows by its size; 0: 30 s.
	BodyTime time.Duration
	// Now is the clock that signatures' timestamps are compared with; nil: time.Now.
	Now func() time.Time
}

const defaultBodyTime = 30 * time.Second

// Gateway is an http.Handler. Make one with New.
type Gateway struct {
	node     string
	base     string
	prefix   string
	queue    Queue
	people   Authenticator
	origins  *http.CrossOriginProtection
	health   func(context.Context) Health
	metrics  http.Handler
	rec      Recorder
	log      hclog.Logger
	bodyTime time.Duration
	now      func() time.Time
	routes   atomic.Pointer[routes]
}

// New returns a Gateway without domains; an error means that PublicURL is no URL.
func New(cfg Config) (*Gateway, error) {
	base, err := url.Parse(cfg.PublicURL)
	if err != nil {
		return nil, fmt.Errorf("public URL: %w", err)
	}
	g := &Gateway{
		node: cfg.Node, base: strings.TrimSuffix(cfg.PublicURL, "/"), prefix: strings.TrimSuffix(base.Path, "/"),
		queue: cfg.Queue, people: cfg.People, origins: http.NewCrossOriginProtection(), health: cfg.Health, metrics: cfg.Metrics,
		rec: cfg.Recorder, log: cfg.Log, bodyTime: cfg.BodyTime, now: cfg.Now,
	}
	if g.now == nil {
		g.now = time.Now
	}
	if g.bodyTime <= 0 {
		g.bodyTime = defaultBodyTime
	}
	if err := g.origins.AddTrustedOrigin(base.Scheme + "://" + base.Host); err != nil {
		return nil, fmt.Errorf("public URL: %w", err)
	}
	return g, g.Serve(nil)
}

// noRoute stands for the pattern of a call that no route takes.
const noRoute = "none"

// ServeHTTP implements http.Handler.
func (g *Gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	start, route := time.Now(), noRoute
	answer := &recorder{ResponseWriter: w, status: http.StatusOK}
	r = g.identify(answer, r)
	secure(answer.Header())
	defer func() {
		cut := false
		if p := recover(); p != nil {
			cut = g.panicked(answer, r, p)
		}
		g.rec.Request(route, answer.status, time.Since(start))
		if cut {
			panic(http.ErrAbortHandler) // net/http ends the connection, so that nobody takes a half for the whole
		}
	}()
	set := g.routes.Load()
	if !clean(r.URL) {
		g.refuse(answer, r, notFound())
		return
	}
	r, handler, pattern := set.match(r, g.prefix)
	if pattern == "" {
		g.refuse(answer, r, set.unmatched(handler, r))
		return
	}
	route = pattern
	set.mux.ServeHTTP(answer, r) // sets the path values, which mux.Handler does not
}

// panicked answers a call whose handler panicked, or says that the connection must be cut because the answer has begun.
func (g *Gateway) panicked(w *recorder, r *http.Request, p any) (cut bool) {
	if err, ok := p.(error); ok && errors.Is(err, http.ErrAbortHandler) {
		return true
	}
	g.log.Error("the gateway panicked", g.fields(r, "panic", fmt.Sprint(p), "stack", string(debug.Stack()))...)
	if w.wrote {
		return true
	}
	g.refuse(w, r, errPanic)
	return false
}

var errPanic = errors.New("panic; see above")

// secure sets what every answer has: whatever a plugin answers is no page of this origin unless it says so itself, and
// no cache keeps it.
func secure(h http.Header) {
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'; sandbox")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "no-store")
}

// recorder notes the status that was answered.
type recorder struct {
	http.ResponseWriter
	status int
	wrote  bool
}

func (r *recorder) WriteHeader(status int) {
	if !r.wrote && status >= http.StatusOK {
		r.status, r.wrote = status, true
	}
	r.ResponseWriter.WriteHeader(status)
}

func (r *recorder) Write(b []byte) (int, error) {
	r.wrote = true
	return r.ResponseWriter.Write(b)
}

// Unwrap lets http.ResponseController reach the connection.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }
