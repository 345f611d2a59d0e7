package main

import (
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]struct {
		name string
		cpu  float64
		ok   bool
	}{
		"BenchmarkA/b=1 \t 100\t 12.5 ns/op\t 7 cpu-ns/op": {"A/b=1", 7, true},
		"BenchmarkA 100 12.5 ns/op":                        {"A", 0, true},
		"BenchmarkA 100 x ns/op":                           {"", 0, false},
		"BenchmarkA/b":                                     {"", 0, false},
		"ok  bulkhead.dev/host 1.2s":                       {"", 0, false},
		"PASS":                                             {"", 0, false},
	} {
		name, values, ok := parse(line)
		if name != want.name || ok != want.ok || values["cpu-ns/op"] != want.cpu {
			t.Errorf("%q: %q %v %t", line, name, values, ok)
		}
	}
}

func TestTable(t *testing.T) {
	t.Parallel()
	all := []round{
		{{"A/ours", "ns/op"}: 3000, {"A/floor", "ns/op"}: 1000},
		{{"A/ours", "ns/op"}: 9000, {"A/floor", "ns/op"}: 1500},
		{{"A/ours", "ns/op"}: 4000, {"A/floor", "ns/op"}: 1000},
	}
	s := stage{name: "a", rows: []row{
		{what: "time", unit: "ns/op", ours: "A/ours", floor: "A/floor"},
		{what: "none", unit: "ns/op", ours: "A/ours", floor: "B/floor"},
		{what: "", unit: "ns/op", ours: "A/*", floor: "A/floor", each: true},
	}}
	var out strings.Builder
	if err := printTable(&out, []stage{s}, all); err != nil {
		t.Fatal(err)
	}
	want := []string{
		"STAGE WHAT OURS FLOOR TIMES THE FLOOR IS", "a time 4.0 us 1.0 us 4.00 A/floor", "none 4.0 us - - B/floor",
		"ours 4.0 us 1.0 us 4.00 A/floor",
	}
	for i, line := range strings.Split(strings.TrimSpace(out.String()), "\n") {
		if got := strings.Join(strings.Fields(line), " "); i >= len(want) || got != want[i] {
			t.Errorf("line %d: %q", i, got)
		}
	}
}

// TestStages holds the table to its own promise: no figure without a floor, unless it is a part of one that has one.
func TestStages(t *testing.T) {
	t.Parallel()
	names := map[string]bool{}
	for _, s := range stages() {
		if names[s.name] || s.times < 1 || len(s.rows) == 0 || s.rows[0].floor == "" {
			t.Errorf("stage %q", s.name)
		}
		names[s.name] = true
		for _, r := range s.rows {
			if !strings.HasPrefix(r.ours, s.bench) {
				t.Errorf("%s shows a figure of another stage: %s", s.name, r.ours)
			}
		}
	}
}
