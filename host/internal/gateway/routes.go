package gateway

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"bulkhead.dev/sdk/pluginv1"
)

// Domain is one instance as the door sees it.
type Domain struct {
	Instance string
	// Manifest is nil while the plugin has not said what it is: all calls below its paths are answered with 503 then, so
	// that the vendor tries again.
	Manifest *pluginv1.Manifest
	// Secret looks up a string setting.
	Secret func(key string) (string, bool)
	// Unready says why calls are answered with 503; empty: they are accepted.
	Unready string
}

// RouteError says that an instance's routes could not be made.
type RouteError struct {
	Instance string
	Err      error
}

func (e *RouteError) Error() string { return fmt.Sprintf("routes of %s: %v", e.Instance, e.Err) }

// Unwrap returns the reason.
func (e *RouteError) Unwrap() error { return e.Err }

// routes is one set of routes.
type routes struct {
	mux *http.ServeMux
	// unserved are instances whose routes are not known, and why.
	unserved map[string]string
}

// Serve replaces the routes by those of the given domains: a new set is built whole and then published, so that a
// request sees the old one or the new one. A domain at fault has no routes, and calls to it are answered with 503; the
// error joins a *RouteError for each.
func (g *Gateway) Serve(domains []Domain) error {
	set := &routes{mux: http.NewServeMux(), unserved: map[string]string{}}
	set.mux.HandleFunc("GET /healthz", g.alive)
	set.mux.HandleFunc("GET /readyz", g.ready)
	set.mux.Handle("GET /metrics", g.metrics)
	set.mux.HandleFunc("GET /jobs/{id}", g.status)
	set.mux.HandleFunc("DELETE /jobs/{id}", g.cancel)
	var faults []error
	for _, domain := range domains {
		if domain.Manifest == nil {
			set.unserved[domain.Instance] = cmp.Or(domain.Unready, "the plugin has not started yet")
			continue
		}
		endpoints, err := g.compile(domain)
		if err == nil {
			err = register(http.NewServeMux(), endpoints) // a trial: a mux can't forget a pattern
		}
		if err == nil {
			err = register(set.mux, endpoints)
		}
		if err != nil {
			faults = append(faults, &RouteError{Instance: domain.Instance, Err: err})
			set.unserved[domain.Instance] = "the plugin's routes can't be served; see the host's log"
		}
	}
	g.routes.Store(set)
	return errors.Join(faults...)
}

// compile makes the endpoints of a domain, or says what is wrong with them.
func (g *Gateway) compile(d Domain) ([]*endpoint, error) {
	var (
		endpoints []*endpoint
		faults    []error
	)
	for _, route := range d.Manifest.GetRoutes() {
		e, err := g.endpoint(d, route)
		if err != nil {
			faults = append(faults, fmt.Errorf("%s %s: %w", route.GetMethod(), route.GetPath(), err))
			continue
		}
		endpoints = append(endpoints, e)
	}
	return endpoints, errors.Join(faults...)
}

// register enters endpoints; ServeMux reports a conflict by panic, which ends here.
func register(mux *http.ServeMux, endpoints []*endpoint) (err error) {
	pattern := ""
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("route %q: %v", pattern, p)
		}
	}()
	for _, e := range endpoints {
		pattern = e.pattern
		mux.Handle(pattern, e)
	}
	return nil
}

// match finds the handler of a call, and the call as the handler sees it: without the prefix. The prefix may have been cut
// off by a proxy, and probes of the host itself do not know it, so that a path without it counts as well. An empty
// pattern says that there is none; the handler then answers as ServeMux would.
func (s *routes) match(r *http.Request, prefix string) (*http.Request, http.Handler, string) {
	below, cut := cutPrefix(r, prefix)
	handler, pattern := s.mux.Handler(below)
	if pattern == "" && cut {
		if other, otherPattern := s.mux.Handler(r); otherPattern != "" {
			return r, other, otherPattern
		}
	}
	return below, handler, pattern
}

// unmatched says what becomes of a call that no route takes.
func (s *routes) unmatched(handler http.Handler, r *http.Request) *Problem {
	own := probe{header: http.Header{}}
	handler.ServeHTTP(&own, r)
	if own.status == http.StatusMethodNotAllowed {
		p := problem(http.StatusMethodNotAllowed, "method", "This route does not take this method", "see the Allow header")
		p.allow = own.header.Get("Allow")
		return p
	}
	if kind, rest, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/"); kind == webhooks || kind == interactive {
		instance, _, _ := strings.Cut(rest, "/")
		if why, ok := s.unserved[instance]; ok {
			return notReady(why)
		}
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
