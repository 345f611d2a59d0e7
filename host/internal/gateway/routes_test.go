package gateway_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"bulkhead.dev/host/internal/gateway"
	"bulkhead.dev/host/internal/queue"
	"bulkhead.dev/sdk/pluginv1"
)

// named is a domain under another instance.
func named(instance string, routes ...*pluginv1.Route) gateway.Domain {
	d := domain(routes...)
	d.Instance = instance
	return d
}

func TestTwoInstancesOfOnePlugin(t *testing.T) {
	t.Parallel()
	var got []string
	d := newDoor(t, watch(func(_ context.Context, j queue.Job) { got = append(got, j.Instance) }))
	us := named("acme-us", event())
	us.Secret = func(string) (string, bool) { return "other-secret", true }
	d.serve(named("acme-eu", event()), us)
	send := func(path, key string) answer {
		return d.send(request{path: path, header: headers("Content-Type", "application/json", "X-Key", key), body: "{}"})
	}
	send("/webhooks/acme-eu/events", secret)
	send("/webhooks/acme-us/events", "other-secret")
	send("/webhooks/acme-us/events", secret).problem(t, http.StatusUnauthorized, "signature")
	if strings.Join(got, " ") != "acme-eu acme-us" {
		t.Errorf("jobs of %v", got)
	}
}

func TestDomainAtFault(t *testing.T) {
	t.Parallel()
	for name, broken := range map[string][]*pluginv1.Route{
		"routes that conflict": {event(func(r *pluginv1.Route) { r.Path = "{a}/x" }), event(func(r *pluginv1.Route) { r.Path = "y/{b}" })},
		"a route twice":        {event(), event()},
		"no schema":            {event(), event(func(r *pluginv1.Route) { r.Path, r.Schema = "y/x", []byte(`{"type":1}`) })},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDoor(t)
			err := d.g.Serve([]gateway.Domain{named("broken", broken...), domain(event())})
			var fault *gateway.RouteError
			if !errors.As(err, &fault) || fault.Instance != "broken" || fault.Err == nil {
				t.Fatalf("error %v; want one of the instance", err)
			}
			d.server.Start()
			d.url = d.server.URL
			// None of its routes is there, half a plugin would be worse; its vendor tries again.
			for _, path := range []string{"/webhooks/broken/events", "/webhooks/broken/y/x"} {
				d.send(request{path: path, header: signed(), body: "{}"}).problem(t, http.StatusServiceUnavailable, "not-configured")
			}
			d.send(request{path: "/webhooks/acme/events", header: signed(), body: "{}"}).accepted(t)
		})
	}
}

func TestInstanceTwice(t *testing.T) {
	t.Parallel()
	var fault *gateway.RouteError
	if err := newDoor(t).g.Serve([]gateway.Domain{domain(event()), domain(event())}); !errors.As(err, &fault) {
		t.Errorf("error %v", err)
	}
}

func TestRoutesAreReplaced(t *testing.T) {
	t.Parallel()
	d := open(t, event())
	if err := d.g.Serve([]gateway.Domain{domain(event(func(r *pluginv1.Route) { r.Path = "new" }))}); err != nil {
		t.Fatal(err)
	}
	d.send(request{path: "/webhooks/acme/events", header: signed(), body: "{}"}).problem(t, http.StatusNotFound, "no-route")
	d.send(request{path: "/webhooks/acme/new", header: signed(), body: "{}"}).accepted(t)
}

func TestPrefixOfThePublicURL(t *testing.T) {
	t.Parallel()
	d := newDoor(t, func(c *gateway.Config) { c.PublicURL = "https://example.com/hooks" })
	d.serve(domain(event(), event(func(r *pluginv1.Route) { r.Path = "{name}/x" })))
	for path, status := range map[string]int{
		"/hooks/webhooks/acme/events":       202, // a proxy hands it on
		"/webhooks/acme/events":             202, // a proxy cuts it off
		"/hooks/webhooks/acme/a%20b/x":      202,
		"/hooks/webhooks/acme/%61%3Ab/x":    202,
		"/%68ooks/webhooks/acme/a%3Ab/x":    202,
		"/hooks/webhooks/acme/a%2Fb/x":      404,
		"/hooks/webhooks/acme/a%2fb/x":      404,
		"/hooks/hooks/webhooks/acme/events": 404,
		"/hooksx/webhooks/acme/events":      404,
		"/hooks":                            404,
		"/hooks/":                           404,
		"/hooks/webhooks/acme%2Fevents":     404, // cut off, the slash must not become one
		"/hooks/webhooks/acme%2fevents":     404,
		"/hooks%2Fwebhooks/acme/events":     404,
		"/hooks//webhooks/acme/events":      404,
	} {
		if a := d.send(request{path: path, header: signed(), body: "{}"}); a.StatusCode != status {
			t.Errorf("%s: %d; want %d", path, a.StatusCode, status)
		}
	}
	a := d.send(request{path: "/hooks/webhooks/acme/events", header: signed(), body: "{}"})
	if id := a.accepted(t); !strings.Contains(a.body, `"https://example.com/hooks/jobs/`+id+`"`) {
		t.Errorf("answer %s; want the status below the prefix", a.body)
	}
	for _, path := range []string{"/healthz", "/hooks/healthz"} {
		if a := d.send(request{method: "GET", path: path}); a.StatusCode != http.StatusOK {
			t.Errorf("%s: %d", path, a.StatusCode)
		}
	}
	d.send(request{method: "PUT", path: "/hooks/webhooks/acme/events"}).problem(t, http.StatusMethodNotAllowed, "method")
}

// TestPrefixThatLooksLikeAPath: a prefix may be what the host's own paths begin with.
func TestPrefixThatLooksLikeAPath(t *testing.T) {
	t.Parallel()
	d := newDoor(t, func(c *gateway.Config) { c.PublicURL = "https://example.com/webhooks" }).serve(domain(event()))
	for _, path := range []string{"/webhooks/webhooks/acme/events", "/webhooks/acme/events"} {
		d.send(request{path: path, header: signed(), body: "{}"}).accepted(t)
	}
}

func TestHead(t *testing.T) {
	t.Parallel()
	d := open(t, event(), event(func(r *pluginv1.Route) { r.Path, r.Method = "query", "GET" }))
	for path, want := range map[string]int{
		"/healthz": 200, "/readyz": 200, "/metrics": 200, "/webhooks/acme/events": 405, "/nothing": 404, "/webhooks/acme/query": 202,
	} {
		a := d.send(request{method: "HEAD", path: path, header: headers("X-Key", secret)})
		if a.StatusCode != want || a.body != "" || a.Header.Get("X-Request-Id") == "" {
			t.Errorf("%s: %d %q; want %d without a body", path, a.StatusCode, a.body, want)
		}
	}
}

func TestRequestID(t *testing.T) {
	t.Parallel()
	d := open(t, event())
	seen := map[string]bool{}
	for _, path := range []string{"/healthz", "/readyz", "/metrics", "/nothing", "//", "/jobs/x"} {
		a := d.send(request{method: "GET", path: path, header: headers("X-Request-Id", "mine")})
		id := a.Header.Get("X-Request-Id")
		if rest, ok := strings.CutPrefix(id, "node0001-"); !ok || len(rest) != 26 || seen[id] || len(a.Header.Values("X-Request-Id")) != 1 {
			t.Errorf("%s: %q; want <node>-<ULID>, new for each", path, id)
		}
		seen[id] = true
	}
	d.send(request{method: "GET", path: "/nothing", header: headers("X-Request-Id", `not "plain"`)})
	d.send(request{method: "GET", path: "/nothing", header: headers("X-Request-Id", strings.Repeat("x", 129))})
	if log := d.log.String(); !strings.Contains(log, `"upstream_id":"mine"`) || strings.Contains(log, "plain") || strings.Contains(log, "xxx") {
		t.Errorf("log %s", log)
	}
}

func TestPanic(t *testing.T) {
	t.Parallel()
	d := newDoor(t, func(c *gateway.Config) {
		c.Metrics = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			switch r.URL.RawQuery {
			case "begun":
				_, _ = io.WriteString(w, "half of it")
			case "abort":
				panic(http.ErrAbortHandler)
			}
			panic("secret of the house")
		})
	}).serve()
	a := d.send(request{method: "GET", path: "/metrics"})
	a.problem(t, http.StatusInternalServerError, "internal")
	if strings.Contains(a.body, "house") {
		t.Errorf("the answer tells what happened inside: %s", a.body)
	}
	if log := d.log.String(); !strings.Contains(log, "secret of the house") || !strings.Contains(log, "routes_test.go") || !strings.Contains(log, a.Header.Get("X-Request-Id")) {
		t.Errorf("the log lacks the panic, its stack or the request: %s", log)
	}
	if got := d.rec.last(); got != "GET /metrics Internal Server Error" {
		t.Errorf("counted as %q", got)
	}
	for _, query := range []string{"begun", "abort"} {
		if a, err := d.try(context.Background(), request{method: "GET", path: "/metrics?" + query}); err == nil {
			t.Errorf("%s: answer %d %q; want a cut connection", query, a.StatusCode, a.body)
		}
	}
}

func TestReady(t *testing.T) {
	t.Parallel()
	for status, want := range map[string]int{"starting": 503, "ready": 200, "degraded": 200, "draining": 503} {
		d := newDoor(t, func(c *gateway.Config) {
			c.Health = func(context.Context) gateway.Health { return gateway.Health{Status: status, Node: "node0001"} }
		}).serve()
		a := d.send(request{method: "GET", path: "/readyz"})
		var body gateway.Health
		if err := json.Unmarshal([]byte(a.body), &body); err != nil || a.StatusCode != want || body.Status != status {
			t.Errorf("%s: %d %s, %v; want %d", status, a.StatusCode, a.body, err, want)
		}
	}
}

func TestSign(t *testing.T) {
	t.Parallel()
	hmac := &pluginv1.Verification{Scheme: &pluginv1.Verification_Hmac{Hmac: &pluginv1.Hmac{
		Hash: pluginv1.Hash_HASH_SHA256, Key: "key", KeyEncoding: pluginv1.Encoding_ENCODING_UTF8, Header: "X-Sig", Encoding: pluginv1.Encoding_ENCODING_HEX,
	}}}
	clock := time.Unix(1_700_000_000, 0)
	d := newDoor(t, func(c *gateway.Config) { c.Now = func() time.Time { return clock } })
	d.serve(domain(event(func(r *pluginv1.Route) { r.Verification = hmac }), ask()), gateway.Domain{
		Instance: "lazy", Unready: "not configured", Manifest: &pluginv1.Manifest{Routes: []*pluginv1.Route{event()}},
	})
	h := headers("Content-Type", "application/json")
	if err := d.g.Sign("POST", "/webhooks/acme/events", h, []byte("{}")); err != nil {
		t.Fatal(err)
	}
	d.send(request{path: "/webhooks/acme/events", header: h, body: "{}"}).accepted(t)
	plain := http.Header{}
	if err := d.g.Sign("POST", "/interactive/acme/ask", plain, nil); err != nil || len(plain) != 0 {
		t.Errorf("a route for people: %v, %v", plain, err)
	}
	for _, path := range []string{"/webhooks/acme/nothing", "/healthz", "/webhooks/lazy/events"} {
		if err := d.g.Sign("POST", path, http.Header{}, nil); err == nil {
			t.Errorf("%s was signed", path)
		}
	}
}

func TestNewRefusesAURLThatIsNone(t *testing.T) {
	t.Parallel()
	for _, u := range []string{"://", "hooks", ""} {
		if _, err := gateway.New(gateway.Config{PublicURL: u, Queue: nil, Metrics: http.NotFoundHandler()}); err == nil {
			t.Errorf("%q was taken", u)
		}
	}
}
