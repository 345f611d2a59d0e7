// Package gateway is the one door: it turns manifests into HTTP routes and each call into a job.
//
// A call passes in one direction: request id, path, method, size, authentication on the raw body, media type, shape;
// then it is queued, and answered at once (pattern A) or with the result (pattern B). The gateway knows no domain and
// blocks on nothing but the queue.
package gateway

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"path"
	"strings"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"

	"bulkhead.dev/host/internal/queue"
	"bulkhead.dev/sdk/pluginv1"
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
	// PublicURL is the base of every URL that is given out, without a trailing slash. Its path is a prefix of all routes.
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
	// Now is the clock that signatures' timestamps are compared with; nil: time.Now.
	Now func() time.Time
}

// Domain is one instance as the door sees it.
type Domain struct {
	Instance string
	Manifest *pluginv1.Manifest
	// Secret looks up a string setting.
	Secret func(key string) (string, bool)
	// Unready says why calls are answered with 503; empty: they are accepted.
	Unready string
}

// Gateway is an http.Handler. Make one with New.
type Gateway struct {
	node    string
	base    string
	prefix  string
	queue   Queue
	people  Authenticator
	health  func(context.Context) Health
	metrics http.Handler
	rec     Recorder
	log     hclog.Logger
	now     func() time.Time
	mux     atomic.Pointer[http.ServeMux]
}

// New returns a Gateway without domains; an error means that PublicURL is no URL.
func New(cfg Config) (*Gateway, error) {
	base, err := url.Parse(cfg.PublicURL)
	if err != nil {
		return nil, fmt.Errorf("public URL: %w", err)
	}
	g := &Gateway{
		node: cfg.Node, base: strings.TrimSuffix(cfg.PublicURL, "/"), prefix: strings.TrimSuffix(base.Path, "/"),
		queue: cfg.Queue, people: cfg.People, health: cfg.Health, metrics: cfg.Metrics,
		rec: cfg.Recorder, log: cfg.Log, now: cfg.Now,
	}
	if g.now == nil {
		g.now = time.Now
	}
	return g, g.Serve(nil)
}

// Serve replaces the routes by those of the given domains: a new mux is built whole and then published, so that a
// request sees the old set or the new one. A domain at fault has no routes; the error joins a *RouteError for each.
func (g *Gateway) Serve(domains []Domain) error {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", g.alive)
	mux.HandleFunc("GET /readyz", g.ready)
	mux.Handle("GET /metrics", g.metrics)
	mux.HandleFunc("GET /jobs/{id}", g.status)
	var faults []error
	for _, domain := range domains {
		endpoints, err := g.compile(domain)
		if err != nil {
			faults = append(faults, &RouteError{Instance: domain.Instance, Err: err})
			continue
		}
		for _, e := range endpoints {
			if err := handle(mux, e.pattern, e); err != nil {
				faults = append(faults, &RouteError{Instance: domain.Instance, Err: err})
			}
		}
	}
	g.mux.Store(mux)
	return errors.Join(faults...)
}

// RouteError says that an instance's routes could not be made.
type RouteError struct {
	Instance string
	Err      error
}

func (e *RouteError) Error() string { return fmt.Sprintf("routes of %s: %v", e.Instance, e.Err) }

// Unwrap returns the reason.
func (e *RouteError) Unwrap() error { return e.Err }

// handle registers a pattern; ServeMux reports a conflict by panic, which ends here.
func handle(mux *http.ServeMux, pattern string, h http.Handler) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("route %q: %v", pattern, p)
		}
	}()
	mux.Handle(pattern, h)
	return nil
}

// ServeHTTP implements http.Handler.
func (g *Gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	start := time.Now()
	r = g.identify(w, r)
	answer := &recorder{ResponseWriter: w, status: http.StatusOK}
	route := g.route(answer, r)
	g.rec.Request(route, answer.status, time.Since(start))
}

// route serves r and returns the pattern that it matched.
func (g *Gateway) route(w http.ResponseWriter, r *http.Request) string {
	defer func() {
		if p := recover(); p != nil {
			if p == http.ErrAbortHandler {
				panic(p)
			}
			g.refuse(w, r, fmt.Errorf("panic: %v", p))
		}
	}()
	if g.prefix != "" {
		rest, ok := strings.CutPrefix(r.URL.Path, g.prefix)
		if !ok || !strings.HasPrefix(rest, "/") {
			g.refuse(w, r, notFound())
			return "none"
		}
		r = withPath(r, rest)
	}
	// A path that ServeMux would redirect is refused: a vendor does not follow, and a redirect loses the body.
	if clean := path.Clean(r.URL.Path); clean != r.URL.Path || strings.Contains(r.URL.EscapedPath(), "%2F") {
		g.refuse(w, r, notFound())
		return "none"
	}
	mux := g.mux.Load()
	handler, pattern := mux.Handler(r)
	if pattern == "" {
		g.refuse(w, r, unmatched(handler, r))
		return "none"
	}
	mux.ServeHTTP(w, r) // sets the path values, which mux.Handler does not
	return pattern
}

func withPath(r *http.Request, p string) *http.Request {
	u := *r.URL
	u.Path, u.RawPath = p, ""
	r2 := r.WithContext(r.Context())
	r2.URL = &u
	return r2
}

func notFound() *Problem {
	return problem(http.StatusNotFound, "no-route", "There is no such route", "see /readyz for the plugins that are there")
}

// unmatched turns what ServeMux would answer to a request that matches no route into a problem.
func unmatched(handler http.Handler, r *http.Request) *Problem {
	own := probe{header: http.Header{}}
	handler.ServeHTTP(&own, r)
	if own.status == http.StatusMethodNotAllowed {
		p := problem(http.StatusMethodNotAllowed, "method", "This route does not take this method", "see the Allow header")
		p.allow = own.header.Get("Allow")
		return p
	}
	return notFound()
}

// probe takes an answer that nobody gets.
type probe struct {
	header http.Header
	status int
}

func (p *probe) Header() http.Header         { return p.header }
func (p *probe) Write(b []byte) (int, error) { return len(b), nil }
func (p *probe) WriteHeader(status int)      { p.status = status }

// recorder notes the status that was answered.
type recorder struct {
	http.ResponseWriter
	status int
	wrote  bool
}

func (r *recorder) WriteHeader(status int) {
	if !r.wrote {
		r.status, r.wrote = status, true
	}
	r.ResponseWriter.WriteHeader(status)
}

// Unwrap lets http.ResponseController reach the connection.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }
