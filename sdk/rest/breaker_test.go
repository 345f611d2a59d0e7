package rest_test

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"bulkhead.dev/sdk/rest"
)

func TestBreaker(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var answer atomic.Int64
		answer.Store(500)
		const never = 0
		v, config := serve(t, func(w http.ResponseWriter, r *http.Request) {
			if answer.Load() == never {
				<-r.Context().Done()
				return
			}
			status(int(answer.Load()))(w)
		})
		config.MaxAttempts, config.BreakAfter, config.BreakFor = 1, 3, time.Minute
		c := client(t, config)
		do := func() error { _, err := c.Do(t.Context(), rest.Request{Path: "/w"}); return err }

		for range 3 {
			failed(t, do())
		}
		leap(10 * time.Second)
		err := do()
		if e := asNotNow(t, err); e.After != 50*time.Second || fate(t, err) != later(50*time.Second) || !strings.Contains(e.Reason, "breaker") {
			t.Errorf("open: %v", err)
		}
		if n := len(v.requests()); n != 3 {
			t.Errorf("%d requests while it is open, want 3", n)
		}
		leap(51 * time.Second)
		failed(t, do()) // the one that tries
		if e := asNotNow(t, do()); e.After != time.Minute {
			t.Errorf("open again: %v", e)
		}
		leap(61 * time.Second)
		// Half open, neither of these says anything of the vendor's health: the next one tries, and its failure is enough.
		answer.Store(429)
		failed(t, do())
		answer.Store(never)
		gone, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		if _, err := c.Do(gone, rest.Request{}); err == nil {
			t.Error("a call that was cancelled was answered")
		}
		answer.Store(500)
		failed(t, do())
		postponed(t, do())
		leap(61 * time.Second)
		answer.Store(200)
		for range 5 {
			if err := do(); err != nil {
				t.Errorf("closed: %v", err)
			}
		}
	})
}

func TestOneTriesWhileHalfOpen(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var slow atomic.Bool
		v, config := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			if slow.Load() {
				leap(5 * time.Second)
				return
			}
			w.WriteHeader(http.StatusBadGateway)
		})
		config.MaxAttempts, config.BreakAfter = 1, 1
		c := client(t, config)
		_, err := c.Do(t.Context(), rest.Request{})
		failed(t, err)
		slow.Store(true)
		leap(31 * time.Second)
		v.requests()
		var refused atomic.Int64
		var wg sync.WaitGroup
		for range 10 {
			wg.Go(func() {
				if _, err := c.Do(t.Context(), rest.Request{}); err != nil {
					if asNotNow(t, err).After != time.Second {
						t.Errorf("%v", err)
					}
					refused.Add(1)
				}
			})
		}
		wg.Wait()
		if n := len(v.requests()); n != 1 || refused.Load() != 9 {
			t.Errorf("%d requests, %d refused, want 1 and 9", n, refused.Load())
		}
	})
}

// TestWhatDoesNotOpenIt: answers that say that the vendor lives, and ends that are the run's own.
func TestWhatDoesNotOpenIt(t *testing.T) {
	t.Parallel()
	for _, code := range []int{400, 401, 404, 409, 422, 429} {
		synctest.Test(t, func(t *testing.T) {
			v, config := serve(t, answers(status(code)))
			config.MaxAttempts, config.BreakAfter = 1, 2
			c := client(t, config)
			for range 6 {
				_, err := c.Do(t.Context(), rest.Request{})
				failed(t, err)
			}
			if n := len(v.requests()); n != 6 {
				t.Errorf("%d: %d requests, want 6", code, n)
			}
		})
	}
	synctest.Test(t, func(t *testing.T) {
		v, config := serve(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
		config.BreakAfter = 2
		c := client(t, config)
		for range 4 {
			ctx, cancel := context.WithCancel(t.Context())
			time.AfterFunc(time.Second, cancel)
			if _, err := c.Do(ctx, rest.Request{}); err == nil {
				t.Error("no error")
			}
		}
		if n := len(v.requests()); n != 4 {
			t.Errorf("cancelled calls opened it: %d requests, want 4", n)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		v, config := serve(t, answers(status(500)))
		config.MaxAttempts, config.BreakAfter = 1, -1
		c := client(t, config)
		for range 20 {
			_, err := c.Do(t.Context(), rest.Request{})
			failed(t, err)
		}
		if n := len(v.requests()); n != 20 {
			t.Errorf("without a breaker: %d requests, want 20", n)
		}
	})
}
