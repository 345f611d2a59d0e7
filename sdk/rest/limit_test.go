package rest_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"bulkhead.dev/sdk/rest"
)

func TestPace(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		v, config := serve(t, answers(status(200)))
		config.Rates = []rest.Rate{{Requests: 2, Per: time.Second}}
		c, start := client(t, config), time.Now()
		for range 6 {
			if _, err := c.Do(t.Context(), rest.Request{}); err != nil {
				t.Fatal(err)
			}
		}
		var got []time.Duration
		for _, each := range v.requests() {
			got = append(got, each.At.Sub(start).Round(time.Millisecond))
		}
		const half = 500 * time.Millisecond
		if diff := cmp.Diff([]time.Duration{0, 0, half, 2 * half, 3 * half, 4 * half}, got); diff != "" {
			t.Error(diff)
		}
	})
}

func TestNotNowWhenTheLimitIsFar(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		v, config := serve(t, answers(status(200)))
		config.Rates = []rest.Rate{{Name: "daily", Requests: 1, Per: time.Minute}}
		c, start := client(t, config), time.Now()
		if _, err := c.Do(t.Context(), rest.Request{}); err != nil {
			t.Fatal(err)
		}
		for range 3 { // what was refused took no token
			_, err := c.Do(t.Context(), rest.Request{Path: "/w"})
			if e := asNotNow(t, err); fate(t, err) != later(time.Minute) || !strings.Contains(e.Reason, `"daily"`) || e.URL == "" {
				t.Errorf("%v: %+v", err, fate(t, err))
			}
		}
		if waited := time.Since(start); waited != 0 {
			t.Errorf("waited %v to say so", waited)
		}
		leap(time.Minute)
		if _, err := c.Do(t.Context(), rest.Request{}); err != nil || len(v.requests()) != 2 {
			t.Errorf("a minute later: %v", err)
		}
		ctx, end := context.WithTimeout(t.Context(), time.Second)
		defer end()
		config.Rates = []rest.Rate{{Requests: 1, Per: 3 * time.Second}}
		c = client(t, config)
		_, _ = c.Do(ctx, rest.Request{})
		if _, err := c.Do(ctx, rest.Request{}); fate(t, err) != later(3*time.Second) {
			t.Errorf("a wait longer than the context: %v", err)
		}
	})
}

func TestScopesAndCost(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		_, config := serve(t, answers(status(200)))
		config.MaxWait = -1
		config.Rates = []rest.Rate{
			{Name: "channel", Requests: 1, Per: time.Second, Scope: func(r *rest.Request) string { return r.Subject }},
			{Name: "budget", Requests: 60, Per: time.Minute, Burst: 50, Cost: func(r *rest.Request) int {
				if strings.Contains(r.Path, "search") {
					return 20
				}
				return len(r.Path) - len("/w")
			}},
		}
		c := client(t, config)
		do := func(path, subject string) string {
			_, err := c.Do(t.Context(), rest.Request{Path: path, Subject: subject})
			if err == nil {
				return "ok"
			}
			return fmt.Sprint(asNotNow(t, err).After)
		}
		for i, tt := range []struct{ path, subject, want string }{
			{"/w", "a", "ok"},
			{"/w", "a", "1s"},
			{"/w", "b", "ok"},
			{"/w", "", "ok"},
			{"/w", "", "ok"},
			{"/search", "", "ok"},
			{"/search", "", "ok"},
			{"/search", "", "10s"}, // 10 tokens are left, one comes a second
			{"/w", "", "ok"},
		} {
			if got := do(tt.path, tt.subject); got != tt.want {
				t.Errorf("call %d: %s, want %s", i, got, tt.want)
			}
		}
	})
}

func TestPauseIsShared(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		v, config := serve(t, func(w http.ResponseWriter, r *http.Request) {
			switch r.URL.Path {
			case "/api/all":
				status(429, "Retry-After", "60")(w)
			case "/api/one":
				status(429, "Retry-After", "30", "X-Limit", "path")(w)
			default:
				status(200)(w)
			}
		})
		config.Rates = []rest.Rate{{Name: "path", Requests: 100, Per: time.Second, Scope: func(r *rest.Request) string { return r.Path }}}
		config.Pause = func(e *rest.Error) string { return e.Header.Get("X-Limit") }
		c := client(t, config)
		do := func(path string) error { _, err := c.Do(t.Context(), rest.Request{Path: path}); return err }

		if err := do("/one"); asError(t, err).RetryAfter != 30*time.Second {
			t.Errorf("one: %v", err)
		}
		if e := asNotNow(t, do("/one")); e.After != 30*time.Second || !strings.Contains(e.Reason, `"path"`) {
			t.Errorf("one again: %v", e)
		}
		if err := do("/other"); err != nil {
			t.Errorf("other: %v", err)
		}
		if err := do("/all"); asError(t, err).RetryAfter != time.Minute {
			t.Errorf("all: %v", err)
		}
		if e := asNotNow(t, do("/other")); e.After != time.Minute {
			t.Errorf("other, while all is held: %v", e)
		}
		if n := len(v.requests()); n != 3 {
			t.Errorf("the vendor got %d requests, want 3", n)
		}
		leap(57 * time.Second)
		start := time.Now()
		if err := do("/other"); err != nil || time.Since(start) != 3*time.Second {
			t.Errorf("other, near the end: %v after %v, want a wait of 3s", err, time.Since(start))
		}
	})
}

// TestWaitsAddUp: a pause and a token are waited for within one MaxWait.
func TestWaitsAddUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		v, config := serve(t, answers(status(429, "Retry-After", "3"), status(200)))
		config.MaxAttempts = 1
		config.Rates = []rest.Rate{{Requests: 1, Per: 7 * time.Second}}
		c, start := client(t, config), time.Now()
		_, err := c.Do(t.Context(), rest.Request{})
		failed(t, err)
		_, err = c.Do(t.Context(), rest.Request{})
		if e := asNotNow(t, err); e.After != 4*time.Second || time.Since(start) != 3*time.Second {
			t.Errorf("%v after %v, want no more patience after the pause", err, time.Since(start))
		}
		if _, err := c.Do(t.Context(), rest.Request{}); err != nil || len(v.requests()) != 2 {
			t.Errorf("the next call: %v", err)
		}
	})
}

func TestCancelledWhileItWaitsForATokenOrSlot(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		_, config := serve(t, func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/api/slow" {
				<-release
			}
		})
		config.Concurrency = 1
		config.Rates = []rest.Rate{{Requests: 1, Per: 4 * time.Second, Scope: func(r *rest.Request) string { return r.Subject }}}
		c := client(t, config)
		run := func(request rest.Request) error {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			time.AfterFunc(time.Second, cancel)
			_, err := c.Do(ctx, request)
			return err
		}
		if err := run(rest.Request{Subject: "a"}); err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		if err := run(rest.Request{Subject: "a"}); err == nil || time.Since(start) != time.Second {
			t.Errorf("for a token: %v after %v", err, time.Since(start))
		}
		var wg sync.WaitGroup
		wg.Go(func() {
			if _, err := c.Do(t.Context(), rest.Request{Path: "/slow"}); err != nil {
				t.Error(err)
			}
		})
		synctest.Wait()
		start = time.Now()
		if err := run(rest.Request{}); err == nil || time.Since(start) != time.Second {
			t.Errorf("for a slot: %v after %v", err, time.Since(start))
		}
		_, err := c.Do(t.Context(), rest.Request{})
		if e := asNotNow(t, err); e.After != time.Second || !strings.Contains(e.Reason, "1 calls are under way") {
			t.Errorf("%v", err)
		}
		close(release)
		wg.Wait()
		if _, err := c.Do(t.Context(), rest.Request{}); err != nil {
			t.Errorf("the slot was not given back: %v", err)
		}
	})
}

func TestBucketsAreBounded(t *testing.T) {
	t.Parallel()
	c := client(t, rest.Config{BaseURL: "https://acme.example", Rates: []rest.Rate{{Requests: 1, Per: time.Hour}}})
	scopes := make([]string, rest.MaxScopes+500)
	for i := range scopes {
		scopes[i] = fmt.Sprint(i)
	}
	if n := rest.Buckets(c, scopes); n > rest.MaxScopes || n < rest.MaxScopes*7/8 {
		t.Errorf("%d buckets that are in use, want %d at most", n, rest.MaxScopes)
	}
	c = client(t, rest.Config{BaseURL: "https://acme.example", Rates: []rest.Rate{{Requests: 1, Per: time.Nanosecond}}})
	if n := rest.Buckets(c, scopes); n > 600 {
		t.Errorf("%d buckets, of which nearly all are full: want those made since the last sweep", n)
	}
}
