package ledger_test

import (
	"context"
	"testing"

	"bulkhead.dev/sandbox/internal/ledger"
	"github.com/google/go-cmp/cmp"
)

func seqs(entries []ledger.Entry) []int64 {
	all := []int64{}
	for _, e := range entries {
		all = append(all, e.Seq)
	}
	return all
}

func TestListFiltersAndForgetsTheOldest(t *testing.T) {
	t.Parallel()
	l := ledger.New(4)
	for i := range 6 {
		l.Add(ledger.Entry{Vendor: []string{"a", "b"}[i%2], RequestID: "r1", Changed: i%3 == 0})
	}
	for name, c := range map[string]struct {
		f    ledger.Filter
		want []int64
	}{
		"all that is left": {ledger.Filter{}, []int64{3, 4, 5, 6}},
		"since":            {ledger.Filter{Since: 4}, []int64{5, 6}},
		"vendor":           {ledger.Filter{Vendor: "b"}, []int64{4, 6}},
		"changed":          {ledger.Filter{Changed: true}, []int64{4}},
		"request":          {ledger.Filter{RequestID: "r2"}, []int64{}},
		"since the future": {ledger.Filter{Since: 99}, []int64{}},
	} {
		if diff := cmp.Diff(c.want, seqs(l.List(c.f))); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func TestWaitAnswersWhenEnoughIsThere(t *testing.T) {
	t.Parallel()
	l := ledger.New(10)
	got := make(chan []int64, 1)
	go func() { got <- seqs(l.Wait(t.Context(), ledger.Filter{RequestID: "r"}, 2)) }()
	l.Add(ledger.Entry{RequestID: "r"})
	l.Add(ledger.Entry{RequestID: "other"})
	l.Add(ledger.Entry{RequestID: "r"})
	if diff := cmp.Diff([]int64{1, 3}, <-got); diff != "" {
		t.Error(diff)
	}
	over, cancel := context.WithCancel(t.Context())
	cancel()
	if diff := cmp.Diff([]int64{1, 3}, seqs(l.Wait(over, ledger.Filter{RequestID: "r"}, 3))); diff != "" {
		t.Errorf("after the end of its time: %s", diff)
	}
}

func TestNoteTakesTheLastWord(t *testing.T) {
	t.Parallel()
	ctx, note := ledger.WithNote(t.Context())
	ledger.Saw(ctx, "a", "read %d", 1)
	ledger.Did(ctx, "b", "made %s", "it")
	summary, anchor, changed := note.Read()
	if summary != "made it" || anchor != "b" || !changed {
		t.Errorf("%q %q %v", summary, anchor, changed)
	}
	ledger.Did(t.Context(), "c", "nobody listens") // no note: no panic
}
