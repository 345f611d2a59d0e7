package gateway_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"bulkhead.dev/host/internal/gateway"
	"bulkhead.dev/sdk/pluginv1"
)

// FuzzTarget: whatever stands in the request line, the answer is one of ours: never a redirect, never a failure of the
// host, JSON in any case; and what a prefix is put before goes the same way as what it was cut off from.
func FuzzTarget(f *testing.F) {
	d := newDoor(f, func(c *gateway.Config) { c.PublicURL = "https://example.com/hooks" })
	get := func(r *pluginv1.Route) {
		r.Method, r.Ordering, r.Dedup = http.MethodGet, "/a", []*pluginv1.Source{pointer("/b")}
	}
	if err := d.g.Serve([]gateway.Domain{domain(event(get), event(get, func(r *pluginv1.Route) { r.Path = "{name}/x" }))}); err != nil {
		f.Fatal(err)
	}
	for _, target := range []string{
		"/webhooks/acme/events?a=1&b=2", "/hooks/webhooks/acme/events?", "/webhooks/acme/%FF/x", "/webhooks/acme/a%2fb/x", "//", "*", "/%2e%2e",
		"/webhooks/acme/events?a=%zz;b", "/webhooks/acme/x/x?\xff=\xfe", "/webhooks/acme/events/", "http://h/jobs/x", "/hooks", "/webhooks//", "/webhooks/acme/./x",
	} {
		f.Add(target)
	}
	send := func(t *testing.T, target string) (int, string) {
		t.Helper()
		u, err := url.ParseRequestURI(target)
		if err != nil {
			return 0, "" // net/http answers this itself
		}
		w := httptest.NewRecorder()
		d.g.ServeHTTP(w, (&http.Request{
			Method: http.MethodGet, URL: u, RequestURI: target, Host: "h", Header: headers("X-Key", secret), Body: http.NoBody, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		}).WithContext(t.Context()))
		if body := w.Body.Bytes(); !json.Valid(body) && string(body) != "metrics" {
			t.Errorf("%q: answer %d %q", target, w.Code, body)
		}
		if w.Header().Get("X-Request-Id") == "" {
			t.Errorf("%q: no request id", target)
		}
		return w.Code, w.Header().Get("Content-Type")
	}
	f.Fuzz(func(t *testing.T, target string) {
		status, media := send(t, target)
		switch status {
		case 0, 200, 202, 400, 401, 404, 405, 429:
		default:
			t.Fatalf("%q: %d %s", target, status, media)
		}
		if strings.HasPrefix(target, "/") && !strings.HasPrefix(target, "/hooks") && status != 429 {
			if below, _ := send(t, "/hooks"+target); below != status && below != 429 {
				t.Errorf("%q: %d, but %d below the prefix", target, status, below)
			}
		}
	})
}
