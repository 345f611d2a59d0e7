package state_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"bulkhead.dev/sdk/internal/disposition"
	"bulkhead.dev/sdk/internal/runctx"
	"bulkhead.dev/sdk/pluginv1"
	"bulkhead.dev/sdk/state"
)

func TestLinks(t *testing.T) {
	t.Parallel()
	_, client := serve(t)
	ctx, links := within(t), client.Links("employee-issue")

	if got, ok, err := links.Get(ctx, "7"); ok || err != nil {
		t.Fatalf("Get of nothing: %v, %v, %v", got, ok, err)
	}
	if err := links.Put(ctx, "7", "OPS-1", "h1"); err != nil {
		t.Fatal(err)
	}
	if err := links.Put(ctx, "8", "OPS-2", ""); err != nil {
		t.Fatal(err)
	}
	got, ok, err := links.Get(ctx, "7")
	if want := (state.Link{Source: "7", Target: "OPS-1", Hash: "h1", Revision: 1}); !ok || err != nil || got != want {
		t.Errorf("Get: %+v, %v, %v, want %+v", got, ok, err, want)
	}
	got, ok, err = links.ByTarget(ctx, "OPS-2")
	if want := (state.Link{Source: "8", Target: "OPS-2", Revision: 2}); !ok || err != nil || got != want {
		t.Errorf("ByTarget: %+v, %v, %v, want %+v", got, ok, err, want)
	}
	if _, ok, err := links.ByTarget(ctx, "OPS-9"); ok || err != nil {
		t.Errorf("ByTarget of nothing: %v, %v", ok, err)
	}
	if _, ok, err := client.Links("other").Get(ctx, "7"); ok || err != nil {
		t.Errorf("Get of another kind: %v, %v", ok, err)
	}
	if err := links.Delete(ctx, "7"); err != nil {
		t.Fatal(err)
	}
	if _, ok, err := links.Get(ctx, "7"); ok || err != nil {
		t.Errorf("Get after Delete: %v, %v", ok, err)
	}
}

func TestAllPages(t *testing.T) {
	t.Parallel()
	host, client := serve(t)
	ctx, links := within(t), client.Links("a")
	batch, want := client.Batch(), []string{}
	for i := range 450 {
		source := fmt.Sprintf("%04d", i)
		want = append(want, source)
		batch.PutLink("a", state.Link{Source: source, Target: "t" + source}, state.Absent())
	}
	batch.PutLink("b", state.Link{Source: "0000", Target: "other kind"}, state.Condition{})
	if _, err := batch.Commit(ctx); err != nil {
		t.Fatal(err)
	}
	host.seen()
	var got []string
	for link, err := range links.All(ctx) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, link.Source)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if calls := host.seen(); len(calls) != 3 {
		t.Errorf("450 links took %d calls, want 3", len(calls))
	}
	for _, err := range links.All(ctx) {
		if err != nil {
			t.Error(err)
		}
		break
	}
	if calls := host.seen(); len(calls) != 1 {
		t.Errorf("a loop that stops at once took %d calls, want 1", len(calls))
	}
	host.refuse(func(string, string) error { return status.Error(codes.Unavailable, "gone") }, nil)
	errs := 0
	for _, err := range links.All(ctx) {
		if err != nil {
			errs++
		}
	}
	if errs != 1 {
		t.Errorf("a scan that fails yielded %d errors, want 1", errs)
	}
}

func TestCursor(t *testing.T) {
	t.Parallel()
	_, client := serve(t)
	ctx, cursor := within(t), state.CursorOf[time.Time](client, "issues")
	if at, ok, err := cursor.Get(ctx); ok || err != nil || !at.IsZero() {
		t.Fatalf("Get of nothing: %v, %v, %v", at, ok, err)
	}
	first := time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)
	if err := cursor.CompareAndSet(ctx, 0, first); err != nil {
		t.Fatal(err)
	}
	if err := cursor.CompareAndSet(ctx, 0, first); !errors.Is(err, state.ErrConflict) {
		t.Errorf("a second creation: %v, want ErrConflict", err)
	}
	entry, ok, err := cursor.Entry(ctx)
	if want := (state.Entry[time.Time]{Key: "issues", Value: first, Revision: 1}); !ok || err != nil || entry != want {
		t.Errorf("Entry: %+v, %v, %v, want %+v", entry, ok, err, want)
	}
	if err := cursor.Set(ctx, first.Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	if err := cursor.CompareAndSet(ctx, entry.Revision, first); !errors.Is(err, state.ErrConflict) {
		t.Errorf("a write over a later one: %v, want ErrConflict", err)
	}
	if at, _, _ := cursor.Get(ctx); !at.Equal(first.Add(time.Hour)) {
		t.Errorf("Get: %v", at)
	}
}

func TestKV(t *testing.T) {
	t.Parallel()
	type greeting struct{ Channel string }
	_, client := serve(t)
	ctx, sent := within(t), state.KVOf[greeting](client, "sent/")
	for _, key := range []string{"2025/1", "2026/1", "2026/2"} {
		if err := sent.Put(ctx, key, greeting{key}); err != nil {
			t.Fatal(err)
		}
	}
	if err := state.KVOf[int](client, "").Put(ctx, "count", 3); err != nil {
		t.Fatal(err)
	}
	if got, ok, err := sent.Get(ctx, "2026/1"); !ok || err != nil || got.Channel != "2026/1" {
		t.Errorf("Get: %v, %v, %v", got, ok, err)
	}
	revision, err := sent.CompareAndSet(ctx, "2026/1", 2, greeting{"changed"})
	if err != nil || revision != 5 {
		t.Errorf("CompareAndSet: %d, %v, want 5", revision, err)
	}
	var conflict *state.ConflictError
	if _, err := sent.CompareAndSet(ctx, "2026/1", 2, greeting{"late"}); !errors.As(err, &conflict) || !slices.Equal(conflict.Indexes, []int{0}) {
		t.Errorf("CompareAndSet of an old revision: %v", err)
	}
	if err := sent.Delete(ctx, "2026/2"); err != nil {
		t.Fatal(err)
	}
	var got []state.Entry[greeting]
	for entry, err := range sent.Scan(ctx, "2026/") {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, entry)
	}
	if diff := cmp.Diff([]state.Entry[greeting]{{Key: "2026/1", Value: greeting{"changed"}, Revision: 5}}, got); diff != "" {
		t.Error(diff)
	}
	if _, _, err := state.KVOf[string](client, "").Get(ctx, "count"); !isReject(err) {
		t.Errorf("a value of another type: %v, want a rejection", err)
	}
}

func TestBatchIsAllOrNothing(t *testing.T) {
	t.Parallel()
	_, client := serve(t)
	ctx := within(t)
	if err := client.Links("a").Put(ctx, "1", "t", ""); err != nil {
		t.Fatal(err)
	}
	_, err := client.Batch().
		SetCursor("c", 1, state.Absent()).
		PutLink("a", state.Link{Source: "1", Target: "u"}, state.Absent()).
		PutValue("v", true, state.At(7)).
		Commit(ctx)
	var conflict *state.ConflictError
	if !errors.As(err, &conflict) || !slices.Equal(conflict.Indexes, []int{1, 2}) || !errors.Is(err, state.ErrConflict) {
		t.Fatalf("Commit: %v, want conflicts of 1 and 2", err)
	}
	if _, ok, _ := state.CursorOf[int](client, "c").Get(ctx); ok {
		t.Error("a batch in conflict wrote its first entry")
	}
	revisions, err := client.Batch().
		SetCursor("c", 1, state.Absent()).
		PutLink("a", state.Link{Source: "1", Target: "u"}, state.At(1)).
		DeleteValue("v", state.Condition{}).
		DeleteLink("a", "2", state.Absent()).
		Commit(ctx)
	if err != nil || !slices.Equal(revisions, []int64{2, 3, 0, 0}) {
		t.Errorf("Commit: %v, %v", revisions, err)
	}
	if _, err := client.Batch().PutValue("v", func() {}, state.Condition{}).PutLink("", state.Link{}, state.Condition{}).Commit(ctx); !isReject(err) {
		t.Errorf("a batch with faults: %v, want a rejection", err)
	}
}

func TestErrors(t *testing.T) {
	t.Parallel()
	tests := []struct {
		code  codes.Code
		stale bool
		want  disposition.Disposition
	}{
		{codes.Aborted, true, disposition.Disposition{Free: true, Fault: pluginv1.Fault_FAULT_HOST}},
		{codes.Unauthenticated, true, disposition.Disposition{Free: true, Fault: pluginv1.Fault_FAULT_HOST}},
		{codes.InvalidArgument, false, disposition.Disposition{Reject: true, Fault: pluginv1.Fault_FAULT_PLUGIN}},
		{codes.Unimplemented, false, disposition.Disposition{Reject: true, Fault: pluginv1.Fault_FAULT_PLUGIN}},
		{codes.ResourceExhausted, false, disposition.Disposition{Reject: true, Fault: pluginv1.Fault_FAULT_PLUGIN}},
		{codes.Unavailable, false, disposition.Disposition{Fault: pluginv1.Fault_FAULT_HOST}},
		{codes.DeadlineExceeded, false, disposition.Disposition{Fault: pluginv1.Fault_FAULT_HOST}},
		{codes.Internal, false, disposition.Disposition{Fault: pluginv1.Fault_FAULT_HOST}},
	}
	for _, tt := range tests {
		t.Run(tt.code.String(), func(t *testing.T) {
			t.Parallel()
			host, client := serve(t)
			host.refuse(func(string, string) error { return status.Error(tt.code, "no") }, nil)
			err := client.Links("a").Put(within(t), "1", "t", "")
			got, ok := disposition.Of(err)
			if !ok || got != tt.want || errors.Is(err, state.ErrStale) != tt.stale {
				t.Errorf("%v: %+v (stale %v), want %+v (stale %v)", err, got, errors.Is(err, state.ErrStale), tt.want, tt.stale)
			}
		})
	}
}

func TestHostGone(t *testing.T) {
	t.Parallel()
	host, client := serve(t)
	host.refuse(func(string, string) error { return status.Error(codes.Unavailable, "gone") }, nil)
	if _, _, err := client.Links("a").Get(within(t), "1"); err == nil {
		t.Fatal("no error")
	}
	got, _ := disposition.Of(client.Links("a").Delete(within(t), "1"))
	if got.Fault != pluginv1.Fault_FAULT_HOST || got.Reject {
		t.Errorf("disposition %+v", got)
	}
}

func TestRunAndLease(t *testing.T) {
	t.Parallel()
	host, client := serve(t)
	ctx := within(t)
	if _, _, err := client.Links("a").Get(inRun(ctx, "job", "run-1"), "1"); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"ReadState run-1"}, host.seen()); diff != "" {
		t.Error(diff)
	}
	over := errors.New("the lease has ended")
	dead := runctx.With(ctx, runctx.Run{Token: "run-1", Live: func() error { return over }})
	cancelled, cancel := context.WithCancelCause(ctx)
	cancel(over)
	for _, ctx := range []context.Context{dead, cancelled} {
		_, _, err := client.Links("a").Get(ctx, "1")
		_, said := disposition.Of(err)
		if !errors.Is(err, over) || said {
			t.Errorf("Get: %v, want the end of the lease as it is", err)
		}
		_, err = client.Batch().PutValue("a", 1, state.Condition{}).Commit(ctx)
		if !errors.Is(err, over) {
			t.Errorf("Commit: %v", err)
		}
		for _, err := range state.KVOf[int](client, "").Scan(ctx, "") {
			if !errors.Is(err, over) {
				t.Errorf("Scan: %v", err)
			}
		}
	}
	if calls := host.seen(); len(calls) != 0 {
		t.Errorf("calls after the end of the lease: %v", calls)
	}
	// The host may end the call of a run that is cancelled while it waits.
	waiting, end := context.WithCancelCause(ctx)
	host.refuse(func(string, string) error { end(over); <-waiting.Done(); return status.Error(codes.Canceled, "") }, nil)
	if err := client.Links("a").Put(waiting, "1", "t", ""); !errors.Is(err, over) {
		t.Errorf("Put of a run that was cancelled: %v", err)
	}
}

func TestEmptyNamesAreRejected(t *testing.T) {
	t.Parallel()
	host, client := serve(t)
	ctx := within(t)
	none := func(context.Context) (string, error) { return "", nil }
	_, _, get := client.Links("a").Get(ctx, "")
	_, _, byTarget := client.Links("a").ByTarget(ctx, "")
	_, ensure := client.Links("a").Ensure(ctx, "", none, none)
	_, _, cursor := state.CursorOf[int](client, "").Get(ctx)
	_, _, value := state.KVOf[int](client, "").Get(ctx, "")
	for i, err := range []error{get, byTarget, ensure, cursor, value,
		client.Links("a").Put(ctx, "1", "", ""), client.Links("a").Put(ctx, "", "t", ""), client.Links("").Put(ctx, "1", "t", ""),
		client.Links("a").Delete(ctx, ""), state.KVOf[int](client, "").Delete(ctx, ""),
		state.CursorOf[int](client, "").Set(ctx, 1)} {
		if !isReject(err) {
			t.Errorf("call %d: %v, want a rejection", i, err)
		}
	}
	if calls := host.seen(); len(calls) != 0 {
		t.Errorf("they went out: %v", calls)
	}
}

func isReject(err error) bool {
	var own *state.Error
	if errors.As(err, &own) {
		return own.Disposition().Reject
	}
	return false
}
