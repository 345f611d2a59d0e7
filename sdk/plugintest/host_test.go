package plugintest_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"bulkhead.dev/sdk"
	"bulkhead.dev/sdk/plugintest"
	"bulkhead.dev/sdk/pluginv1"
	"bulkhead.dev/sdk/state"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/testing/protocmp"
)

func harness(t *testing.T) *plugintest.Harness {
	t.Helper()
	return plugintest.Start(t, &sdk.Domain{Name: "shop", Version: "1.0.0"}, nil)
}

func putValue(key, json string, must *pluginv1.Precondition) *pluginv1.StateWrite {
	return &pluginv1.StateWrite{
		What:         &pluginv1.StateWrite_PutValue{PutValue: &pluginv1.Value{Key: key, Json: []byte(json), Revision: 99}},
		Precondition: must,
	}
}

func absent() *pluginv1.Precondition {
	return &pluginv1.Precondition{Must: &pluginv1.Precondition_BeAbsent{BeAbsent: true}}
}

func revision(n int64) *pluginv1.Precondition {
	return &pluginv1.Precondition{Must: &pluginv1.Precondition_HaveRevision{HaveRevision: n}}
}

func deleteValue(key string) *pluginv1.StateWrite {
	return &pluginv1.StateWrite{What: &pluginv1.StateWrite_DeleteValue{DeleteValue: key}}
}

func TestABatchIsAllOrNothing(t *testing.T) {
	t.Parallel()
	host := harness(t).Host
	for i, step := range []struct {
		writes    []*pluginv1.StateWrite
		revisions []int64
		conflicts []int32
	}{
		{[]*pluginv1.StateWrite{putValue("a", "1", absent()), putValue("b", "1", nil)}, []int64{1, 2}, nil},
		{[]*pluginv1.StateWrite{putValue("c", "1", absent()), putValue("a", "2", absent()), putValue("b", "2", revision(1))}, nil, []int32{1, 2}},
		{[]*pluginv1.StateWrite{putValue("c", "1", revision(1))}, nil, []int32{0}},
		{[]*pluginv1.StateWrite{putValue("c", "1", absent()), putValue("a", "2", revision(1)), deleteValue("b")}, []int64{3, 4, 0}, nil},
		{[]*pluginv1.StateWrite{putValue("b", "3", absent()), deleteValue("never")}, []int64{5, 0}, nil}, // no revision comes back
	} {
		res, err := host.CommitState(t.Context(), &pluginv1.CommitStateRequest{Writes: step.writes})
		if err != nil {
			t.Fatal(err)
		}
		want := &pluginv1.CommitStateResponse{Revisions: step.revisions, Conflicts: step.conflicts}
		if diff := cmp.Diff(want, res, protocmp.Transform()); diff != "" {
			t.Errorf("step %d: -want +got:\n%s", i, diff)
		}
	}
	res, err := host.ScanState(t.Context(), &pluginv1.ScanStateRequest{What: &pluginv1.ScanStateRequest_ValuePrefix{}})
	if err != nil {
		t.Fatal(err)
	}
	want := &pluginv1.ScanStateResponse{Values: []*pluginv1.Value{
		{Key: "a", Json: []byte("2"), Revision: 4}, {Key: "b", Json: []byte("3"), Revision: 5}, {Key: "c", Json: []byte("1"), Revision: 3},
	}}
	if diff := cmp.Diff(want, res, protocmp.Transform()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestScansGoByPages(t *testing.T) {
	t.Parallel()
	h := harness(t)
	numbers := state.KVOf[int](h.State, "n/")
	others := state.KVOf[int](h.State, "o/")
	links := h.State.Links("a-b")
	for i := range 450 {
		key := fmt.Sprintf("%03d", i)
		if err := errors.Join(numbers.Put(t.Context(), key, i), links.Put(t.Context(), key, "t"+key, "")); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(others.Put(t.Context(), "x", 1), h.State.Links("a-c").Put(t.Context(), "000", "t", "")); err != nil {
		t.Fatal(err)
	}
	next := 0
	for entry, err := range numbers.Scan(t.Context(), "") {
		if err != nil || entry.Value != next {
			t.Fatalf("entry %+v, error %v, want %d", entry, err, next)
		}
		next++
	}
	linked := 0
	for link, err := range links.All(t.Context()) {
		if want := fmt.Sprintf("%03d", linked); err != nil || link.Source != want {
			t.Fatalf("link %+v, error %v, want %s", link, err, want)
		}
		linked++
	}
	if next != 450 || linked != 450 {
		t.Errorf("%d values and %d links, want 450", next, linked)
	}
	res, err := h.Host.ScanState(t.Context(), &pluginv1.ScanStateRequest{What: &pluginv1.ScanStateRequest_LinkKind{LinkKind: "a-b"}})
	if err != nil || len(res.GetLinks()) != 100 || !res.GetMore() {
		t.Errorf("a page without a limit has %d links, more %t, error %v", len(res.GetLinks()), res.GetMore(), err)
	}
}

func TestReadsFindWhatWasWritten(t *testing.T) {
	t.Parallel()
	h := harness(t)
	links := h.State.Links("a-b")
	for _, source := range []string{"2", "1", "3"} {
		if err := links.Put(t.Context(), source, "same", "hash"+source); err != nil {
			t.Fatal(err)
		}
	}
	link, ok, err := links.ByTarget(t.Context(), "same")
	if err != nil || !ok || link.Source != "1" || link.Hash != "hash1" {
		t.Errorf("link by target %+v, %t, %v: want the one with the least source", link, ok, err)
	}
	if _, ok, err := links.Get(t.Context(), "4"); ok || err != nil {
		t.Errorf("a link that is not there: %t, %v", ok, err)
	}
	cursor := state.CursorOf[string](h.State, "c")
	if err := cursor.Set(t.Context(), "x"); err != nil {
		t.Fatal(err)
	}
	if at, ok, err := cursor.Get(t.Context()); at != "x" || !ok || err != nil {
		t.Errorf("cursor %q, %t, %v", at, ok, err)
	}
}

func TestTheHostRefusesWhatTheRealOneDoes(t *testing.T) {
	t.Parallel()
	host := harness(t).Host
	many := make([]*pluginv1.StateWrite, 501)
	for i := range many {
		many[i] = deleteValue(fmt.Sprint(i))
	}
	for name, writes := range map[string][]*pluginv1.StateWrite{
		"nothing":        {{}},
		"no JSON":        {putValue("a", "{", nil)},
		"no key":         {putValue("", "1", nil)},
		"a key with NUL": {putValue("a\x00", "1", nil)},
		"twice":          {putValue("a", "1", nil), deleteValue("a")},
		"revision 0":     {putValue("a", "1", revision(0))},
		"no must":        {putValue("a", "1", &pluginv1.Precondition{})},
		"not absent":     {putValue("a", "1", &pluginv1.Precondition{Must: &pluginv1.Precondition_BeAbsent{}})},
		"no kind":        {{What: &pluginv1.StateWrite_DeleteLink{DeleteLink: &pluginv1.LinkKey{Source: "s"}}}},
		"too many":       many,
	} {
		if _, err := host.CommitState(t.Context(), &pluginv1.CommitStateRequest{Writes: writes}); status.Code(err) != codes.InvalidArgument {
			t.Errorf("%s: error %v", name, err)
		}
	}
	for name, limit := range map[string]int32{"negative": -1, "too large": 1001} {
		req := &pluginv1.ScanStateRequest{What: &pluginv1.ScanStateRequest_ValuePrefix{}, Limit: limit}
		if _, err := host.ScanState(t.Context(), req); status.Code(err) != codes.InvalidArgument {
			t.Errorf("%s limit: error %v", name, err)
		}
	}
	if _, err := host.ReadState(t.Context(), &pluginv1.ReadStateRequest{Reads: []*pluginv1.StateRead{{}}}); status.Code(err) != codes.InvalidArgument {
		t.Errorf("a read of nothing: error %v", err)
	}
}

func TestARunThatHasEndedHasNoState(t *testing.T) {
	t.Parallel()
	var client *state.Client
	var kept context.Context //nolint:containedctx // what a handler must not do
	d := &sdk.Domain{
		Name: "shop", Version: "1.0.0",
		Configure: sdk.Configure(func(_ context.Context, _ struct{}, host *sdk.Host) error { client = host.State; return nil }),
		Subscriptions: []sdk.Subscription{{Fact: "till.closed", Job: "shop.close", Handle: sdk.Handle(
			func(ctx context.Context, _ *sdk.Job, _ any) error {
				kept = context.WithoutCancel(ctx)
				return state.KVOf[int](client, "").Put(ctx, "a", 1)
			})}},
	}
	h := plugintest.Start(t, d, nil)
	result, err := h.Do(t.Context(), "shop.close", map[string]int{})
	if err != nil || result.Kind != plugintest.Done {
		t.Fatalf("result %+v, error %v", result, err)
	}
	if err := state.KVOf[int](client, "").Put(kept, "a", 2); !errors.Is(err, state.ErrStale) {
		t.Errorf("error %v, want %v", err, state.ErrStale)
	}
}

func TestCallsCanBeRefused(t *testing.T) {
	t.Parallel()
	h := harness(t)
	h.Host.Refuse(func(method string) error {
		if method == "CommitState" {
			return status.Error(codes.Unavailable, "no")
		}
		return nil
	})
	kv := state.KVOf[int](h.State, "")
	if err := kv.Put(t.Context(), "a", 1); err == nil {
		t.Error("a refused call went through")
	}
	if _, _, err := kv.Get(t.Context(), "a"); err != nil {
		t.Error(err)
	}
	h.Host.Refuse(nil)
	if err := kv.Put(t.Context(), "a", 1); err != nil {
		t.Error(err)
	}
}
