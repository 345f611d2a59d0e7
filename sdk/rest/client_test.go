package rest_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"bulkhead.dev/sdk/internal/disposition"
	"bulkhead.dev/sdk/internal/runctx"
	"bulkhead.dev/sdk/rest"
)

type widget struct {
	ID   string `json:"id"`
	Size int    `json:"size,omitempty"`
}

func TestJSONCalls(t *testing.T) {
	t.Parallel()
	v, config := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodDelete {
			w.WriteHeader(http.StatusNoContent)
			return
		}
		_, _ = io.WriteString(w, `{"id":"w1","size":3,"new_field":[]}`)
	})
	config.Auth = rest.Basic("me", "pass")
	config.UserAgent = "acme-plugin/1.0.0"
	config.Header = http.Header{"X-Api-Version": {"2"}}
	c, ctx := client(t, config), inRun(t.Context())
	query := url.Values{"limit": {"5"}}
	var got widget
	calls := map[string]func() error{
		"GET /api/widgets?limit=5&state=on": func() error {
			return c.GetJSON(ctx, "/widgets", query, &got, rest.Query(url.Values{"state": {"on"}}))
		},
		`POST /api/widgets {"id":"w1"}`: func() error {
			return c.PostJSON(ctx, "widgets", widget{ID: "w1"}, &got, rest.IdempotencyKey("acme-1/create"))
		},
		`PUT /api/widgets/a%2Fb {"id":"w1"}`: func() error {
			return c.PutJSON(ctx, rest.Path("/widgets/%s", "a/b"), widget{ID: "w1"}, &got)
		},
		`PATCH /api/widgets/7 {"id":"w1"}`: func() error {
			return c.PatchJSON(ctx, rest.Path("/widgets/%v", 7), widget{ID: "w1"}, &got)
		},
		"DELETE /api/widgets/7": func() error { return c.DeleteJSON(ctx, "/widgets/7", &got) },
	}
	for want, do := range calls {
		got = widget{}
		if err := do(); err != nil {
			t.Errorf("%s: %v", want, err)
			continue
		}
		all := v.requests()
		if len(all) != 1 {
			t.Fatalf("%s: %d requests", want, len(all))
		}
		if line := strings.TrimSpace(all[0].Method + " " + all[0].URL + " " + all[0].Body); line != want {
			t.Errorf("the vendor got %s, want %s", line, want)
		}
		if isDelete := all[0].Method == http.MethodDelete; (got == widget{ID: "w1", Size: 3}) == isDelete {
			t.Errorf("%s: decoded %+v", want, got)
		}
		header := all[0].Header
		for name, value := range map[string]string{
			"Accept": "application/json", "Authorization": "Basic bWU6cGFzcw==", "User-Agent": "acme-plugin/1.0.0",
			"X-Api-Version": "2", "X-Request-Id": "n1-01J", "Traceparent": "00-aa-bb-01"} {
			if header.Get(name) != value {
				t.Errorf("%s: header %s is %q, want %q", want, name, header.Get(name), value)
			}
		}
		if has := header.Get("Content-Type") == "application/json"; has != (all[0].Body != "") {
			t.Errorf("%s: content type %q", want, header.Get("Content-Type"))
		}
		if key := header.Get("Idempotency-Key"); (key == "acme-1/create") != (all[0].Method == http.MethodPost) {
			t.Errorf("%s: idempotency key %q", want, key)
		}
	}
	if diff := cmp.Diff(url.Values{"limit": {"5"}}, query); diff != "" {
		t.Errorf("the caller's query was changed: %s", diff)
	}
}

func TestAnswersThatAreNoUse(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, body string
		want       disposition.Disposition
	}{
		{"HTML", "<html>a proxy says hello</html>", byPolicy},
		{"cut off", `{"id":"w1"`, byPolicy},
		{"empty", "", byPolicy},
		{"of another type", `{"id":7}`, rejected},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, config := serve(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, tt.body) })
			var got widget
			err := client(t, config).GetJSON(t.Context(), "/w", nil, &got)
			if d := fate(t, err); d != tt.want {
				t.Errorf("%v: %+v, want %+v", err, d, tt.want)
			}
			if e := asError(t, err); e.Status != 200 || string(e.Body) != tt.body {
				t.Errorf("status %d, body %q", e.Status, e.Body)
			}
		})
	}
}

func TestRequestsThatCannotBeMade(t *testing.T) {
	t.Parallel()
	v, config := serve(t, answers(status(200)))
	c := client(t, config)
	for _, request := range []rest.Request{
		{Path: "/widgets?limit=1"},
		{Path: "/widgets#x"},
		{Path: "/widgets/../admin"},
		{Path: "/widgets/%2e%2e/admin"},
		{Path: rest.Path("/widgets/%s", "..")},
		{Path: "/widgets/%zz"},
		{Path: "https://elsewhere.example/api/widgets"},
		{Path: "https://localhost/api/widgets"},
		{Path: "http://localhost:81/api/widgets"},
		{Path: "http://me@localhost/api/widgets"},
		{Path: "http://local host/"},
		{Method: "BAD METHOD", Path: "/widgets"},
	} {
		_, err := c.Do(t.Context(), request)
		if err == nil {
			t.Errorf("%+v went out", request)
		} else if d := fate(t, err); d != rejected {
			t.Errorf("%+v: %v, %+v", request, err, d)
		}
	}
	if err := c.PostJSON(t.Context(), "/widgets", func() {}, nil); err == nil || fate(t, err) != rejected {
		t.Errorf("a body that is no JSON: %v", err)
	}
	if all := v.requests(); len(all) != 0 {
		t.Errorf("the vendor got %v", all)
	}
	if _, err := c.Do(t.Context(), rest.Request{Path: "http://localhost/api/widgets?cursor=x", Query: url.Values{"limit": {"1"}}}); err != nil {
		t.Errorf("a link of the same origin: %v", err)
	}
	if all := v.requests(); len(all) != 1 || all[0].URL != "/api/widgets?cursor=x&limit=1" {
		t.Errorf("the vendor got %v", all)
	}
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	t.Parallel()
	v, config := serve(t, answers(status(302, "Location", "/elsewhere"), status(200)))
	config.Auth = rest.Token("X-Api-Key", "0123456789")
	_, err := client(t, config).Do(t.Context(), rest.Request{Path: "/w"})
	if e := asError(t, err); e.Status != 302 || fate(t, err) != rejected {
		t.Errorf("%v", err)
	}
	if all := v.requests(); len(all) != 1 || all[0].Header.Get("X-Api-Key") != "0123456789" {
		t.Errorf("the vendor got %v", all)
	}
}

func TestLease(t *testing.T) {
	t.Parallel()
	v, config := serve(t, answers(status(200)))
	c := client(t, config)
	over := errors.New("the lease has ended")
	cancelled, cancel := context.WithCancelCause(t.Context())
	cancel(over)
	for _, ctx := range []context.Context{
		cancelled, runctx.With(t.Context(), runctx.Run{Live: func() error { return over }})} {
		_, err := c.Do(ctx, rest.Request{Path: "/w"})
		if _, said := disposition.Of(err); !errors.Is(err, over) || said {
			t.Errorf("%v, want the end of the lease as it is", err)
		}
	}
	if all := v.requests(); len(all) != 0 {
		t.Errorf("the vendor got %v", all)
	}
}

type failingAuth struct{ err error }

func (f failingAuth) Authorize(context.Context, http.Header) error { return f.err }

func TestAuth(t *testing.T) {
	t.Parallel()
	v, config := serve(t, answers(status(200)))
	for want, auth := range map[string]rest.Auth{
		"Bearer abc":       rest.Bearer("abc"),
		"Basic bWU6cGFzcw": rest.Basic("me", "pass"),
		"GenieKey abc":     rest.Token("Authorization", "GenieKey abc"),
	} {
		config := config
		config.Auth = auth
		// Neither fixed headers nor a request's own take the place of the credentials.
		config.Header = http.Header{"Authorization": {"other"}}
		_, err := client(t, config).Do(t.Context(), rest.Request{Header: http.Header{"Authorization": {"another"}}})
		all := v.requests()
		if err != nil || len(all) != 1 || !strings.HasPrefix(all[0].Header.Get("Authorization"), want) {
			t.Errorf("%v; the vendor got %v, want %s", err, all, want)
		}
	}
	config.Auth = failingAuth{fmt.Errorf("refresh: %w", io.ErrUnexpectedEOF)}
	_, err := client(t, config).Do(t.Context(), rest.Request{})
	if fate(t, err) != byPolicy || !errors.Is(err, io.ErrUnexpectedEOF) || len(v.requests()) != 0 {
		t.Errorf("Auth that fails: %v", err)
	}
}
