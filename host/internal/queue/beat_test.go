package queue

import (
	"context"
	"testing"
	"time"
)

// Five looks in a row, a quarter lease apart, with the same counter and something pending.
func TestWhenANodeIsGone(t *testing.T) {
	t.Parallel()
	q, err := Open(context.Background(), Config{Node: "node0001", Lease: 4 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := q.Close(); err != nil {
			t.Error(err)
		}
	})
	type look struct {
		after   time.Duration
		counter string
		pending string
		blind   bool
	}
	second := func(counter string) look { return look{after: time.Second, counter: counter, pending: "1"} }
	for name, c := range map[string]struct {
		looks []look
		gone  bool
	}{
		"four looks":           {[]look{second("7"), second("7"), second("7"), second("7")}, false},
		"five looks":           {[]look{second("7"), second("7"), second("7"), second("7"), second("7")}, true},
		"never beat":           {[]look{second(""), second(""), second(""), second(""), second("")}, true},
		"beats again":          {[]look{second("7"), second("7"), second("7"), second("7"), second("7"), second("8")}, false},
		"first beat late":      {[]look{second(""), second(""), second(""), second(""), second("1")}, false},
		"nothing pending":      {[]look{second("7"), second("7"), second("7"), second("7"), {after: time.Second, counter: "7", pending: "0"}}, false},
		"redis did not answer": {[]look{second("7"), second("7"), second("7"), {blind: true}, second("7"), second("7"), second("7"), second("7")}, false},
		"looks too close":      {[]look{second("7"), second("7"), second("7"), {after: 10 * time.Millisecond, counter: "7", pending: "1"}, {after: 10 * time.Millisecond, counter: "7", pending: "1"}}, false},
	} {
		d := &Domain{q: q, k: keysOf("acme"), instance: "acme", gone: map[string]string{}}
		b, at := newBeats(d), time.Now()
		for _, l := range c.looks {
			if l.blind {
				b.blind()
				continue
			}
			at = at.Add(l.after)
			counters := map[string]string{"node0001": "1"}
			if l.counter != "" {
				counters["node0002"] = l.counter
			}
			b.observe(context.Background(), counters, map[string]string{"node0001": "1", "node0002": l.pending}, at)
		}
		if _, gone := d.gone["node0002"]; gone != c.gone || len(d.gone) > 1 {
			t.Errorf("%s: gone %v, want %v", name, d.gone, c.gone)
		}
	}
}
