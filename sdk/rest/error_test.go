package rest_test

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"bulkhead.dev/sdk/internal/disposition"
	"bulkhead.dev/sdk/rest"
)

// TestTable is the table at rest.Error.
func TestTable(t *testing.T) {
	t.Parallel()
	tests := []struct {
		status     int
		retryAfter string
		attempts   int // of a GET
		want       disposition.Disposition
	}{
		{429, "", 3, later(10 * time.Second)},
		{429, "2", 3, later(2 * time.Second)},
		{429, "120", 1, later(2 * time.Minute)},
		{503, "1", 3, later(time.Second)},
		{503, "120", 1, later(2 * time.Minute)},
		{503, "", 3, byPolicy},
		{500, "120", 3, byPolicy}, // Retry-After has no meaning there
		{502, "", 3, byPolicy},
		{504, "", 3, byPolicy},
		{599, "", 3, byPolicy},
		{408, "", 3, byPolicy},
		{421, "", 3, byPolicy},
		{425, "", 3, byPolicy},
		{401, "", 1, byPolicy},
		{402, "", 1, byPolicy},
		{403, "", 1, byPolicy},
		{407, "", 1, byPolicy},
		{409, "", 1, byPolicy},
		{412, "", 1, byPolicy},
		{423, "", 1, byPolicy},
		{301, "", 1, rejected},
		{304, "", 1, rejected},
		{400, "", 1, rejected},
		{404, "", 1, rejected},
		{405, "", 1, rejected},
		{410, "", 1, rejected},
		{413, "", 1, rejected},
		{418, "", 1, rejected},
		{422, "", 1, rejected},
	}
	for _, tt := range tests {
		synctest.Test(t, func(t *testing.T) {
			headers := []string{"X-Trace", "abc"}
			if tt.retryAfter != "" {
				headers = append(headers, "Retry-After", tt.retryAfter)
			}
			v, config := serve(t, answers(status(tt.status, headers...)))
			_, err := client(t, config).Do(inRun(t.Context()), rest.Request{Path: "/w"})
			e := asError(t, err)
			if d := fate(t, err); d != tt.want {
				t.Errorf("%d, Retry-After %q: %+v, want %+v", tt.status, tt.retryAfter, d, tt.want)
			}
			if n := len(v.requests()); n != tt.attempts || e.Attempts != n {
				t.Errorf("%d, Retry-After %q: %d attempts (says %d), want %d", tt.status, tt.retryAfter, n, e.Attempts, tt.attempts)
			}
			if e.Status != tt.status || e.Name != "acme" || e.Method != "GET" || e.URL != "http://localhost/api/w" ||
				e.RequestID != "n1-01J" || e.Header.Get("X-Trace") != "abc" {
				t.Errorf("%+v", e)
			}
		})
	}
}

func TestMessage(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, body, want string }{
		{"text", "  no such\nwidget\t\x00 ", "no such widget"},
		{"HTML", "<!doctype html><p>no", ""},
		{"empty", "", ""},
		{"no text", `[1,true,null]`, ""},
		{"string", `"no"`, "no"},
		{"message", `{"message":"Bad Credentials"}`, "Bad Credentials"},
		{"problem", `{"title":"No","detail":"no such widget","status":404}`, "no such widget; No"},
		{"error object", `{"error":{"code":7,"message":"no"}}`, "no"},
		{"error and description", `{"error":"invalid_grant","error_description":"expired"}`, "invalid_grant; expired"},
		{"lists", `{"errorMessages":["a","b"],"errors":{"z":"is wrong","b":["c","d"]}}`, "a; b; b: c; b: d; z: is wrong"},
		{"list of objects", `{"errors":[{"message":"a"},{"message":"b"},{"message":"a"}]}`, "a; b"},
		{"ok false", `{"ok":false,"error_code":400,"description":"chat not found"}`, "chat not found"},
		{"secret", `{"message":"the token s3cr3t-t0ken is unknown"}`, "the token REDACTED is unknown"},
		{"long", strings.Repeat("ä", 1000), strings.Repeat("ä", 150) + "..."},
		{"deep", strings.Repeat(`{"error":`, 50) + `"x"` + strings.Repeat("}", 50), ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, config := serve(t, func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(http.StatusBadRequest)
				_, _ = io.WriteString(w, tt.body)
			})
			config.Auth = rest.Bearer("s3cr3t-t0ken")
			_, err := client(t, config).Do(t.Context(), rest.Request{Path: "/w"})
			if e := asError(t, err); e.Message != tt.want || string(e.Body) != tt.body {
				t.Errorf("message %q, want %q; body %q", e.Message, tt.want, e.Body)
			}
			if want := "acme: GET http://localhost/api/w: 400 Bad Request"; !strings.HasPrefix(err.Error(), want) {
				t.Errorf("%v, want %q first", err, want)
			}
		})
	}
}

func TestOwnMessage(t *testing.T) {
	t.Parallel()
	_, config := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusBadRequest)
		_, _ = io.WriteString(w, strings.Repeat("x", 1<<20))
	})
	config.Message = func(body []byte) string { return "own\nwords" }
	_, err := client(t, config).Do(t.Context(), rest.Request{Path: "/w"})
	if e := asError(t, err); e.Message != "own words" || len(e.Body) != 16<<10 {
		t.Errorf("message %q, body of %d bytes", e.Message, len(e.Body))
	}
}

// TestCheck: a vendor that says 200 when it means 429.
func TestCheck(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ok := func(w http.ResponseWriter) { _, _ = io.WriteString(w, `{"ok":true}`) }
		limited := func(w http.ResponseWriter) {
			w.Header().Set("Retry-After", "3")
			_, _ = io.WriteString(w, `{"ok":false,"error":"ratelimited"}`)
		}
		plain := errors.New("odd")
		odd := func(w http.ResponseWriter) { _, _ = io.WriteString(w, `odd`) }
		_, config := serve(t, answers(limited, ok, odd))
		config.Check = func(r *rest.Response) error {
			switch {
			case strings.Contains(string(r.Body), "ratelimited"):
				return &rest.Error{Status: http.StatusTooManyRequests, Message: "ratelimited"}
			case string(r.Body) == "odd":
				return plain
			}
			return nil
		}
		c, start := client(t, config), time.Now()
		response, err := c.Do(t.Context(), rest.Request{Method: "POST", Path: "/w"})
		if err != nil || string(response.Body) != `{"ok":true}` || time.Since(start) != 3*time.Second {
			t.Errorf("%+v, %v after %v", response, err, time.Since(start))
		}
		_, err = c.Do(t.Context(), rest.Request{Path: "/w"})
		if e := asError(t, err); !errors.Is(err, plain) || e.URL == "" || e.Status != 200 || fate(t, err) != rejected {
			t.Errorf("%v", err)
		}
	})
}
