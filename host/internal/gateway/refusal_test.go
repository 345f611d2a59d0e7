package gateway_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"bulkhead.dev/host/internal/gateway"
	"bulkhead.dev/sdk/pluginv1"
)

func shaped(r *pluginv1.Route) {
	r.Schema = []byte(`{"type":"object","required":["id"],"properties":{"id":{"type":"integer"}}}`)
}

func small(r *pluginv1.Route) { r.MaxBodyBytes = 64 }

// TestOrderOfRefusals: each call is at fault in the named way and in all that come after it.
func TestOrderOfRefusals(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	d.serve(
		domain(event(shaped, small), ask(shaped), event(func(r *pluginv1.Route) { r.Path, r.Method = "query", http.MethodGet; shaped(r) }),
			event(func(r *pluginv1.Route) { r.Path = "{name}/x" })),
		gateway.Domain{Instance: "lazy", Unready: "not configured", Manifest: &pluginv1.Manifest{Routes: []*pluginv1.Route{event(small)}}},
		gateway.Domain{Instance: "keyless", Manifest: &pluginv1.Manifest{Routes: []*pluginv1.Route{event()}}, Secret: func(string) (string, bool) { return "", false }},
		gateway.Domain{Instance: "silent"},
	)
	long, text := strings.Repeat("x", 65), headers("Content-Type", "text/plain")
	for name, c := range map[string]struct {
		r      request
		status int
		kind   string
		check  func(t *testing.T, a answer, p gateway.Problem)
	}{
		"a doubled slash":       {request{method: "PUT", path: "/webhooks//acme/events", header: text, body: long}, 404, "no-route", nil},
		"a trailing slash":      {request{path: "/webhooks/acme/events/", header: signed(), body: `{"id":1}`}, 404, "no-route", nil},
		"dots":                  {request{path: "/webhooks/acme/../acme/events", header: signed(), body: `{"id":1}`}, 404, "no-route", nil},
		"escaped dots":          {request{path: "/webhooks/acme/%2e%2E/acme/events", header: signed(), body: `{"id":1}`}, 404, "no-route", nil},
		"an escaped slash":      {request{path: "/webhooks/acme%2Fevents", header: signed(), body: `{"id":1}`}, 404, "no-route", nil},
		"another one":           {request{path: "/webhooks/acme%2fevents", header: signed(), body: `{"id":1}`}, 404, "no-route", nil},
		"bytes that are none":   {request{path: "/webhooks/acme/%FF/x", header: signed(), body: `{"id":1}`}, 404, "no-route", nil},
		"a control character":   {request{path: "/webhooks/acme/%0a/x", header: signed(), body: `{"id":1}`}, 404, "no-route", nil},
		"no such route":         {request{method: "PUT", path: "/webhooks/acme/nothing", header: text, body: long}, 404, "no-route", nil},
		"the root":              {request{method: "GET", path: "/"}, 404, "no-route", nil},
		"no such plugin":        {request{path: "/webhooks/nobody/events", header: signed(), body: `{"id":1}`}, 404, "no-route", nil},
		"a route of other kind": {request{path: "/interactive/acme/events", header: signed(), body: `{"id":1}`}, 404, "no-route", nil},
		"another method": {request{method: "PUT", path: "/webhooks/acme/events", header: text, body: long}, 405, "method",
			func(t *testing.T, a answer, _ gateway.Problem) {
				t.Helper()
				if allow := a.Header.Get("Allow"); allow != "POST" {
					t.Errorf("Allow %q", allow)
				}
			}},
		"an announced length":       {request{path: "/webhooks/lazy/events", header: text, body: long}, 413, "too-large", nil},
		"a real length":             {request{path: "/webhooks/acme/events", header: text, body: long, chunked: true}, 413, "too-large", nil},
		"a plugin not configured":   {request{path: "/webhooks/lazy/events", header: text, body: "x"}, 503, "not-configured", retryAfter},
		"a secret that is missing":  {request{path: "/webhooks/keyless/events", header: text, body: "x"}, 503, "not-configured", retryAfter},
		"a plugin not started":      {request{path: "/webhooks/silent/events", header: text, body: "x"}, 503, "not-configured", retryAfter},
		"the same, of people":       {request{path: "/interactive/silent/a/b", header: text, body: "x"}, 503, "not-configured", retryAfter},
		"no signature":              {request{path: "/webhooks/acme/events", header: text, body: "\xff"}, 401, "signature", nil},
		"a repeated signature":      {request{path: "/webhooks/acme/events", header: headers("X-Key", secret, "X-Key", secret), body: "\xff"}, 401, "signature", nil},
		"a wrong signature":         {request{path: "/webhooks/acme/events", header: headers("X-Key", "x"), body: "\xff"}, 401, "signature", nil},
		"nobody":                    {request{path: "/interactive/acme/ask", header: text, body: "\xff"}, 401, "unauthenticated", nil},
		"a wrong token":             {request{path: "/interactive/acme/ask", header: headers("Authorization", "Bearer x"), body: "\xff"}, 401, "unauthenticated", nil},
		"another site's page":       {request{path: "/interactive/acme/ask", header: known("Sec-Fetch-Site", "cross-site"), body: "\xff"}, 403, "cross-origin", nil},
		"another media type":        {request{path: "/webhooks/acme/events", header: headers("X-Key", secret, "Content-Type", "text/plain"), body: "\xff"}, 415, "media-type", nil},
		"no media type":             {request{path: "/webhooks/acme/events", header: headers("X-Key", secret), body: "\xff"}, 415, "media-type", nil},
		"two media types":           {request{path: "/webhooks/acme/events", header: signed("Content-Type", "application/json"), body: "\xff"}, 415, "media-type", nil},
		"a form that is not taken":  {request{path: "/webhooks/acme/events", header: headers("X-Key", secret, "Content-Type", form), body: "id=1"}, 415, "media-type", nil},
		"another charset":           {request{path: "/webhooks/acme/events", header: headers("X-Key", secret, "Content-Type", "application/json; charset=latin1"), body: "\xff"}, 415, "media-type", nil},
		"a compressed body":         {request{path: "/webhooks/acme/events", header: signed("Content-Encoding", "gzip"), body: "\xff"}, 415, "media-type", nil},
		"bytes that are no text":    {request{path: "/webhooks/acme/events", header: signed(), body: "{\"id\":\"\xff\"}"}, 400, "malformed", nil},
		"no JSON":                   {request{path: "/webhooks/acme/events", header: signed(), body: `{"id":`}, 400, "malformed", nil},
		"no body":                   {request{path: "/webhooks/acme/events", header: signed()}, 400, "malformed", nil},
		"a query that is none":      {request{method: "GET", path: "/webhooks/acme/query?id=%zz", header: headers("X-Key", secret)}, 400, "malformed", nil},
		"a shape that is not asked": {request{path: "/webhooks/acme/events", header: signed(), body: `{"id":"x"}`}, 422, "invalid", pointsTo("/id")},
		"of people too":             {request{path: "/interactive/acme/ask", header: known(), body: `{}`}, 422, "invalid", pointsTo("")},
		"of a query":                {request{method: "GET", path: "/webhooks/acme/query?id=x", header: headers("X-Key", secret)}, 422, "invalid", pointsTo("/id")},
		"no such job":               {request{method: "GET", path: "/jobs/acme-1", header: known()}, 404, "unknown-job", nil},
		"a job, of nobody":          {request{method: "GET", path: "/jobs/acme-1"}, 401, "unauthenticated", nil},
		"a cancel, of nobody":       {request{method: "DELETE", path: "/jobs/acme-1"}, 401, "unauthenticated", nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := d.send(c.r)
			p := a.problem(t, c.status, c.kind)
			if c.check != nil {
				c.check(t, a, p)
			}
			for name, want := range map[string]string{
				"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store", "Referrer-Policy": "no-referrer",
				"Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; sandbox",
			} {
				if got := a.Header.Get(name); got != want {
					t.Errorf("%s: %q; want %q", name, got, want)
				}
			}
			if strings.Contains(a.body, secret) || strings.Contains(a.body, token) {
				t.Errorf("the answer tells a secret: %s", a.body)
			}
		})
	}
	t.Cleanup(func() {
		if n := d.jobs(); n != 0 {
			t.Errorf("%d jobs were made of refused calls", n)
		}
	})
}

const form = "application/x-www-form-urlencoded"

func retryAfter(t *testing.T, a answer, _ gateway.Problem) {
	t.Helper()
	if got := a.Header.Get("Retry-After"); got != "30" {
		t.Errorf("Retry-After %q", got)
	}
}

func pointsTo(pointer string) func(t *testing.T, a answer, p gateway.Problem) {
	return func(t *testing.T, _ answer, p gateway.Problem) {
		t.Helper()
		if len(p.Errors) != 1 || p.Errors[0].Pointer != pointer || p.Errors[0].Detail == "" {
			t.Errorf("errors %+v; want one at %q", p.Errors, pointer)
		}
	}
}

// TestBodyIsAsLongAsItMayBe: the limit itself is let in, announced or not.
func TestBodyIsAsLongAsItMayBe(t *testing.T) {
	t.Parallel()
	d := open(t, event(small))
	body := `"` + strings.Repeat("x", 62) + `"`
	for _, chunked := range []bool{false, true} {
		d.send(request{path: "/webhooks/acme/events", header: signed(), body: body, chunked: chunked}).accepted(t)
	}
}

// raw speaks HTTP by hand and returns the answer's head line.
func (d *door) raw(t *testing.T, text string) (*bufio.Reader, net.Conn) {
	t.Helper()
	conn, err := net.Dial("tcp", d.server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if _, err := io.WriteString(conn, text); err != nil {
		t.Fatal(err)
	}
	if err := conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	return bufio.NewReader(conn), conn
}

func TestBodyThatDoesNotCome(t *testing.T) {
	t.Parallel()
	head := "POST /webhooks/acme/events HTTP/1.1\r\nHost: x\r\nX-Key: " + secret + "\r\nContent-Type: application/json\r\nContent-Length: 10\r\n\r\n{"
	t.Run("in time", func(t *testing.T) {
		t.Parallel()
		d := newDoor(t, func(c *gateway.Config) { c.BodyTime = 50 * time.Millisecond }).serve(domain(event()))
		r, _ := d.raw(t, head)
		resp, err := http.ReadResponse(r, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		answer{Response: resp, body: string(body)}.problem(t, http.StatusRequestTimeout, "slow")
		if !resp.Close {
			t.Error("the connection is kept, with half a body in it")
		}
	})
	t.Run("at all", func(t *testing.T) {
		t.Parallel()
		d := open(t, event())
		_, conn := d.raw(t, head)
		if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
			t.Fatal(err)
		}
		eventually(t, "it is refused", func() bool { return d.rec.last() == "POST /webhooks/acme/events Bad Request" })
		if n := d.jobs(); n != 0 {
			t.Errorf("%d jobs of half a body", n)
		}
	})
}

// TestRefusalOfTheServerItself: what ServeMux and net/http would answer as text is a problem too.
func TestRefusalOfTheServerItself(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	d.server.Config.DisableGeneralOptionsHandler = true // as the host sets it
	d.serve(domain(event()))
	for head, want := range map[string]struct {
		status int
		kind   string
	}{
		"OPTIONS * HTTP/1.1":                      {404, "no-route"},
		"OPTIONS /webhooks/acme/events HTTP/1.1":  {405, "method"},
		"GET http://x HTTP/1.1":                   {404, "no-route"},
		"CONNECT /webhooks/acme/events HTTP/1.1":  {405, "method"},
		"CONNECT /webhooks/acme//events HTTP/1.1": {404, "no-route"},
	} {
		t.Run(head, func(t *testing.T) {
			t.Parallel()
			r, _ := d.raw(t, fmt.Sprintf("%s\r\nHost: x\r\nConnection: close\r\n\r\n", head))
			resp, err := http.ReadResponse(r, nil)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			body, err := io.ReadAll(resp.Body)
			if err != nil {
				t.Fatal(err)
			}
			answer{Response: resp, body: string(body)}.problem(t, want.status, want.kind)
		})
	}
}
