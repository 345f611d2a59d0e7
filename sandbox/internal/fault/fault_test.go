package fault_test

import (
	"errors"
	"strings"
	"testing"

	"bulkhead.dev/sandbox/internal/fault"
)

func TestTakeMeetsAndCountsDown(t *testing.T) {
	t.Parallel()
	s := fault.NewSet("a", "b")
	for _, r := range []fault.Rule{
		{Vendor: "a", Method: "POST", Path: "/issue", Status: 429, Times: 2},
		{Vendor: "a", Mode: fault.ModeReset},
	} {
		if err := s.Add(r); err != nil {
			t.Fatal(err)
		}
	}
	if _, met := s.Take("b", "POST", "/issue"); met {
		t.Error("met another vendor")
	}
	for i, want := range []string{"status 429", "status 429", "reset", ""} {
		r, met := s.Take("a", "post", "/issue/bulk")
		if met != (want != "") || (met && r.String() != want) {
			t.Errorf("call %d: %v %q, want %q", i, met, r, want)
		}
	}
	if left := s.List(); len(left) != 0 {
		t.Errorf("left: %v", left)
	}
}

func TestAddRefuses(t *testing.T) {
	t.Parallel()
	for want, r := range map[string]fault.Rule{
		"vendor":          {Vendor: "c", Status: 500},
		"mode":            {Vendor: "a", Mode: "explode"},
		"gives no answer": {Vendor: "a", Mode: fault.ModeHang, Status: 500},
		"status: 200":     {Vendor: "a", Status: 99},
		"needs a status":  {Vendor: "a"},
		"latency_ms":      {Vendor: "a", LatencyMS: -1},
		"times":           {Vendor: "a", Status: 500, Times: -1},
		"retry_after":     {Vendor: "a", Status: 429, RetryAfter: "1\r\nX: y"},
	} {
		if err := fault.NewSet("a").Add(r); !errors.Is(err, fault.ErrRule) || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %q", r, err, want)
		}
	}
	s := fault.NewSet("a")
	var err error
	for range 100 {
		err = errors.Join(err, s.Add(fault.Rule{Vendor: "a", Status: 500}))
	}
	if err == nil || len(s.List()) != 64 {
		t.Errorf("no bound: %v, %d rules", err, len(s.List()))
	}
	s.Clear()
	if _, met := s.Take("a", "GET", "/"); met {
		t.Error("met after Clear")
	}
}
