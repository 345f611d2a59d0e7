package rest_test

import (
	"net/http"
	"testing"
	"time"

	"bulkhead.dev/sdk/rest"
)

func TestParseWait(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 24, 10, 0, 0, 0, time.UTC)
	const day = 24 * time.Hour
	tests := []struct {
		text string
		want time.Duration
		ok   bool
	}{
		{"120", 2 * time.Minute, true},
		{" 0 ", 0, true},
		{"0.25", 250 * time.Millisecond, true},
		{"86400", day, true},
		{"999999999", day, true},
		{"1795514460", time.Minute, true},   // Unix seconds: 2026-11-24T10:01:00Z
		{"1795514459.5", time.Minute, true}, // rounded up
		{"1795514000", 0, true},             // over
		{"1795514460000", day, true},        // milliseconds: beyond what is understood, so the longest
		{"-1", 0, false},
		{"NaN", 0, false},
		{"-Inf", 0, false},
		{"+Inf", day, true},
		{"", 0, false},
		{"soon", 0, false},
		{"Tue, 24 Nov 2026 10:00:30 GMT", 30 * time.Second, true},
		{"Tuesday, 24-Nov-26 10:00:30 GMT", 30 * time.Second, true},
		{"Tue Nov 24 10:00:30 2026", 30 * time.Second, true},
		{"Tue, 24 Nov 2026 09:00:00 GMT", 0, true},
		{"Tue, 24 Nov 2037 09:00:00 GMT", day, true},
		{"2026-11-24T10:00:10Z", 10 * time.Second, true},
		{"2026-11-24T11:01:00+01:00", time.Minute, true},
		{"2026-11-24T10:05Z", 5 * time.Minute, true},
	}
	for _, tt := range tests {
		if got, ok := rest.ParseWait(tt.text, now); got != tt.want || ok != tt.ok {
			t.Errorf("%q: %v, %v, want %v, %v", tt.text, got, ok, tt.want, tt.ok)
		}
	}
}

func FuzzParseWait(f *testing.F) {
	now := time.Date(2026, 11, 24, 10, 0, 0, 0, time.UTC)
	for _, text := range []string{"120", "0.5", "-1", "1e300", "1795514460", "0x10", "Tue, 24 Nov 2026 10:00:30 GMT", "2026-11-24T10:00Z"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		wait, ok := rest.ParseWait(text, now)
		if wait < 0 || wait > 24*time.Hour || (!ok && wait != 0) {
			t.Errorf("%q: %v, %v", text, wait, ok)
		}
	})
}

func FuzzNextLink(f *testing.F) {
	f.Add(`<https://acme.example/w?page=2>; rel="next", <https://acme.example/w?page=9>; rel="last"`, "")
	f.Add(`<`, `>;rel=next`)
	f.Fuzz(func(t *testing.T, first, second string) {
		next := rest.NextLink(http.Header{"Link": {first, second}})
		if next == "" {
			return
		}
		if again := rest.NextLink(http.Header{"Link": {"<" + next + ">; rel=next"}}); again != next {
			t.Errorf("%q and %q: %q, written anew %q", first, second, next, again)
		}
	})
}
