package rest_test

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"bulkhead.dev/sdk/rest"
)

func TestWhatIsRepeated(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name     string
		request  rest.Request
		first    func(http.ResponseWriter)
		requests int
	}{
		{"GET after 500", rest.Request{Method: "GET"}, status(500), 2},
		{"PUT after 500", rest.Request{Method: "PUT", Body: []byte("x")}, status(500), 2},
		{"DELETE after 502", rest.Request{Method: "DELETE"}, status(502), 2},
		{"POST after 500", rest.Request{Method: "POST", Body: []byte("x")}, status(500), 1},
		{"PATCH after 500", rest.Request{Method: "PATCH", Body: []byte("x")}, status(500), 1},
		{"POST with a key after 500", rest.Request{Method: "POST", Body: []byte("x"), IdempotencyKey: "k"}, status(500), 2},
		{"POST that is harmless after 500", rest.Request{Method: "POST", Repeatable: true}, status(500), 2},
		{"POST after 429", rest.Request{Method: "POST", Body: []byte("x")}, status(429, "Retry-After", "1"), 2},
		{"POST after 503 with Retry-After", rest.Request{Method: "POST"}, status(503, "Retry-After", "1"), 1},
		{"POST after a lost connection", rest.Request{Method: "POST", Body: []byte("x")}, hangUp, 1},
		{"GET after a lost connection", rest.Request{Method: "GET"}, hangUp, 2},
		{"GET after 404", rest.Request{Method: "GET"}, status(404), 1},
		{"GET after 401", rest.Request{Method: "GET"}, status(401), 1},
	}
	for _, tt := range tests {
		synctest.Test(t, func(t *testing.T) {
			v, config := serve(t, answers(tt.first, status(200)))
			_, err := client(t, config).Do(t.Context(), tt.request)
			all := v.requests()
			if len(all) != tt.requests || (err == nil) != (tt.requests > 1) {
				t.Fatalf("%s: %d requests, %v, want %d", tt.name, len(all), err, tt.requests)
			}
			for _, each := range all {
				if each.Body != string(tt.request.Body) || each.Header.Get("Idempotency-Key") != tt.request.IdempotencyKey {
					t.Errorf("%s: the vendor got %+v", tt.name, each)
				}
			}
		})
	}
}

// hangUp ends the connection without an answer.
func hangUp(http.ResponseWriter) { panic(http.ErrAbortHandler) }

func TestPostAfterNoConnection(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		v, config := serve(t, answers(status(200)))
		times := 0
		v.refuse(func() error {
			if times++; times == 1 {
				return errors.New("refused")
			}
			return nil
		})
		if _, err := client(t, config).Do(t.Context(), rest.Request{Method: "POST"}); err != nil || times != 2 {
			t.Errorf("%v after %d dials: what never went out may be repeated", err, times)
		}
	})
}

func TestWaits(t *testing.T) {
	t.Parallel()
	date := func(in time.Duration) string { return time.Now().Add(in).UTC().Format(http.TimeFormat) }
	tests := []struct {
		name    string
		headers func() []string
		change  func(*rest.Config)
		within  time.Duration // of the context; 0: none
		waited  time.Duration
		after   time.Duration // the job's, if the call gives up
	}{
		{name: "seconds", headers: func() []string { return []string{"Retry-After", "4"} }, waited: 4 * time.Second},
		{name: "a date", headers: func() []string { return []string{"Retry-After", date(3 * time.Second)} }, waited: 3 * time.Second},
		{name: "the vendor's own header", headers: func() []string { return []string{"X-RateLimit-Reset", "2"} },
			change: func(c *rest.Config) { c.ResetHeaders = []string{"X-Other", "x-ratelimit-reset"} }, waited: 2 * time.Second},
		{name: "a header that was not configured", headers: func() []string { return []string{"X-RateLimit-Reset", "4000"} },
			change: func(c *rest.Config) { c.MaxAttempts = 1 }, after: 10 * time.Second},
		{name: "too long", headers: func() []string { return []string{"Retry-After", "6"} }, after: 6 * time.Second},
		{name: "hours", headers: func() []string { return []string{"Retry-After", "10072"} }, after: 10072 * time.Second},
		{name: "no patience", headers: func() []string { return []string{"Retry-After", "1"} },
			change: func(c *rest.Config) { c.MaxWait = -1 }, after: time.Second},
		{name: "more patience", headers: func() []string { return []string{"Retry-After", "50"} },
			change: func(c *rest.Config) { c.MaxWait = time.Minute }, waited: 50 * time.Second},
		{name: "longer than the run lasts", headers: func() []string { return []string{"Retry-After", "3"} },
			within: 2 * time.Second, after: 3 * time.Second},
	}
	for _, tt := range tests {
		synctest.Test(t, func(t *testing.T) {
			_, config := serve(t, answers(status(429, tt.headers()...), status(200)))
			if tt.change != nil {
				tt.change(&config)
			}
			ctx := t.Context()
			if tt.within > 0 {
				var end context.CancelFunc
				ctx, end = context.WithTimeout(ctx, tt.within)
				defer end()
			}
			c, start := client(t, config), time.Now()
			_, err := c.Do(ctx, rest.Request{Method: "POST"})
			if waited := time.Since(start); waited != tt.waited {
				t.Errorf("%s: waited %v, want %v", tt.name, waited, tt.waited)
			}
			if (err == nil) != (tt.after == 0) {
				t.Fatalf("%s: %v", tt.name, err)
			}
			if err != nil && fate(t, err) != later(tt.after) {
				t.Errorf("%s: %+v, want after %v", tt.name, fate(t, err), tt.after)
			}
		})
	}
}

// TestResetOfA503: such a header speaks of the limit, not of the outage.
func TestResetOfA503(t *testing.T) {
	t.Parallel()
	_, config := serve(t, answers(status(503, "X-RateLimit-Reset", "60")))
	config.MaxAttempts, config.ResetHeaders = 1, []string{"X-RateLimit-Reset"}
	_, err := client(t, config).Do(t.Context(), rest.Request{})
	if d := fate(t, err); d != byPolicy {
		t.Errorf("%v: %+v", err, d)
	}
}

func TestBackoffGrowsAndIsBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		v, config := serve(t, answers(status(500)))
		config.MaxAttempts, config.Backoff, config.MaxWait, config.BreakAfter = 8, time.Second, 4*time.Second, -1
		if _, err := client(t, config).Do(t.Context(), rest.Request{}); err == nil {
			t.Fatal("no error")
		}
		all := v.requests()
		if len(all) != 8 {
			t.Fatalf("%d requests, want 8", len(all))
		}
		want := time.Second
		for i := 1; i < len(all); i++ { // jitter of half the interval to either side
			if waited := all[i].At.Sub(all[i-1].At); waited < want/2 || waited > min(want*3/2, 4*time.Second) {
				t.Errorf("wait %d is %v, want about %v", i, waited, want)
			}
			want = min(want*2, 4*time.Second)
		}
	})
}

func TestCancelledWhileItWaits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		v, config := serve(t, answers(status(429, "Retry-After", "4")))
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		time.AfterFunc(time.Second, cancel)
		c, start := client(t, config), time.Now()
		_, err := c.Do(ctx, rest.Request{})
		if waited := time.Since(start); waited != time.Second || asError(t, err).Status != 429 {
			t.Errorf("%v after %v", err, waited)
		}
		if n := len(v.requests()); n != 1 {
			t.Errorf("%d requests", n)
		}
	})
}
