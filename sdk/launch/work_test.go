package launch_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"bulkhead.dev/sdk/launch"
	"bulkhead.dev/sdk/pluginv1"
)

// stream is an open Work that keeps outcomes by token.
type stream struct {
	*launch.Work
	mu       sync.Mutex
	outcomes map[string]*pluginv1.Outcome
	count    int
}

func open(t testing.TB, p *launch.Plugin) *stream {
	t.Helper()
	s := &stream{outcomes: map[string]*pluginv1.Outcome{}}
	w, err := p.Work(context.Background(), func(o *pluginv1.Outcome) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.outcomes[o.GetToken()] = o
		s.count++
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.Close)
	s.Work = w
	s.room(t)
	return s
}

// room waits until the plugin takes another job.
func (s *stream) room(t testing.TB) {
	t.Helper()
	for jobs, _ := s.Free(); jobs == 0; jobs, _ = s.Free() {
		select {
		case <-s.Changed():
		case <-s.Done():
			t.Fatal(s.Err())
		}
	}
}

func (s *stream) outcome(t *testing.T, token string) *pluginv1.Outcome {
	t.Helper()
	var o *pluginv1.Outcome
	waitFor(t, "the outcome of "+token, func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		o = s.outcomes[token]
		return o != nil
	})
	return o
}

func (s *stream) do(t *testing.T, j *pluginv1.Job) *pluginv1.Outcome {
	t.Helper()
	if err := s.Send(run("only", j)); err != nil {
		t.Fatal(err)
	}
	return s.outcome(t, "only")
}

// begun returns when every run that was sent before has begun: runs begin in their order.
func (s *stream) begun(t *testing.T) {
	t.Helper()
	if err := s.Send(run("begun", job("conformance.echo", nil))); err != nil {
		t.Fatal(err)
	}
	s.outcome(t, "begun")
}

func job(kind string, data []byte) *pluginv1.Job {
	if data == nil {
		data = []byte("{}")
	}
	return &pluginv1.Job{
		Id: "fixture-1", Type: kind, Data: data, Datacontenttype: "application/json", RequestId: "r-1",
		Lane: pluginv1.Lane_LANE_NORMAL,
	}
}

func run(token string, j *pluginv1.Job) *pluginv1.Run {
	return &pluginv1.Run{Token: token, Job: j, Attempt: 1, Starts: 1}
}

func deadline(d time.Duration) *timestamppb.Timestamp { return timestamppb.New(time.Now().Add(d)) }

func TestWork(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"sdk", "stock"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			w := open(t, start(t, mode, nil))
			const n = 2000
			for i := range n {
				w.room(t)
				if err := w.Send(run(fmt.Sprint(i), job("conformance.echo", fmt.Appendf(nil, `{"n":%d}`, i)))); err != nil {
					t.Fatal(err)
				}
			}
			for i := range n {
				got := string(w.outcome(t, fmt.Sprint(i)).GetDone().GetData())
				if want := fmt.Sprintf(`{"n":%d}`, i); got != want {
					t.Fatalf("outcome %d: %s", i, got)
				}
			}
			waitFor(t, "nothing in flight", func() bool { return w.InFlight() == 0 })
		})
	}
}

func TestCredit(t *testing.T) {
	t.Parallel()
	w := open(t, start(t, "sdk", nil))
	jobs, bytes := w.Free()
	large := make([]byte, 8<<20)
	sent := 0
	for ; int64(sent+1)*int64(len(large)) <= bytes; sent++ {
		if err := w.Send(run(fmt.Sprint("large", sent), job("conformance.sleep", large))); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Send(run("more", job("conformance.echo", large))); !errors.Is(err, launch.ErrNoCredit) {
		t.Errorf("beyond the room in bytes: %v", err)
	}
	for i := range sent {
		w.outcome(t, fmt.Sprint("large", i))
	}
	waitFor(t, "all the room", func() bool { j, b := w.Free(); return j == jobs && b == bytes })
	for i := range jobs {
		if err := w.Send(run(fmt.Sprint("sleep", i), job("conformance.sleep", []byte(`{"millis":600000}`)))); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Send(run("more", job("conformance.echo", nil))); !errors.Is(err, launch.ErrNoCredit) {
		t.Errorf("beyond the room in jobs: %v", err)
	}
	for i := range jobs {
		w.Cancel(fmt.Sprint("sleep", i), "enough")
	}
	waitFor(t, "all the room again", func() bool { j, b := w.Free(); return j == jobs && b == bytes })
}

func TestRunsEnd(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		end  func(w *stream, r *pluginv1.Run) error
		want string
		cost pluginv1.Cost
	}{
		"cancel": {func(w *stream, r *pluginv1.Run) error {
			err := w.Send(r)
			w.Cancel(r.GetToken(), "the caller has gone")
			return err
		}, "the caller has gone", pluginv1.Cost_COST_NONE},
		"lease": {func(w *stream, r *pluginv1.Run) error {
			w.Lease(100 * time.Millisecond)
			return w.Send(r)
		}, "the lease has ended", pluginv1.Cost_COST_NONE},
		"deadline": {func(w *stream, r *pluginv1.Run) error {
			r.Deadline = deadline(50 * time.Millisecond)
			return w.Send(r)
		}, "the time of this attempt was over", pluginv1.Cost_COST_ATTEMPT},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := open(t, start(t, "sdk", nil))
			if err := c.end(w, run("1", job("conformance.sleep", []byte(`{"millis":600000}`)))); err != nil {
				t.Fatal(err)
			}
			retry := w.outcome(t, "1").GetRetry()
			if !strings.Contains(retry.GetReason(), c.want) || retry.GetCost() != c.cost {
				t.Errorf("outcome: %v, want %q %v", retry, c.want, c.cost)
			}
		})
	}
}

// TestLargeOutcome shows what becomes of a result that no message carries: a reject of that job alone.
func TestLargeOutcome(t *testing.T) {
	t.Parallel()
	w := open(t, start(t, "sdk", nil))
	if reject := w.do(t, job("conformance.large", []byte(`{"count":17000000}`))).GetReject(); reject == nil {
		t.Error("not rejected")
	}
	if err := w.Send(run("after", job("conformance.large", []byte(`{"count":15000000}`)))); err != nil {
		t.Fatal(err)
	}
	if n := len(w.outcome(t, "after").GetDone().GetData()); n != 15000000 {
		t.Errorf("%d bytes", n)
	}
	if err := w.Send(run("huge", job("conformance.echo", make([]byte, 16<<20)))); !errors.Is(err, launch.ErrTooLarge) {
		t.Errorf("a run of 16 MiB: %v", err)
	}
}

func TestDrain(t *testing.T) {
	t.Parallel()
	p := start(t, "sdk", nil)
	w := open(t, p)
	for i := range 20 {
		if err := w.Send(run(fmt.Sprint(i), job("conformance.sleep", fmt.Appendf(nil, `{"millis":%d}`, 10*i)))); err != nil {
			t.Fatal(err)
		}
	}
	w.begun(t)
	if err := p.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.mu.Lock()
	for token, outcome := range w.outcomes {
		if outcome.GetDone() == nil {
			t.Errorf("run %s: %v", token, outcome)
		}
	}
	if w.count != 21 {
		t.Errorf("%d outcomes have come, of 21", w.count)
	}
	w.mu.Unlock()
	if retry := w.do(t, job("conformance.echo", nil)).GetRetry(); retry.GetCost() != pluginv1.Cost_COST_NONE {
		t.Errorf("after the drain: %v", retry)
	}
}

func TestDrainHasADeadline(t *testing.T) {
	t.Parallel()
	p := start(t, "sdk", nil)
	w := open(t, p)
	if err := w.Send(run("1", job("conformance.stubborn", []byte(`{"millis":600000}`)))); err != nil {
		t.Fatal(err)
	}
	w.begun(t)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := p.Drain(ctx); err == nil {
		t.Error("drained, although a run does not end")
	}
}

// TestFuture speaks with a plugin of a later contract.
func TestFuture(t *testing.T) {
	t.Parallel()
	p := start(t, "future", nil)
	if _, err := p.Describe(t.Context(), "1.0.0"); !errors.Is(err, launch.ErrRefused) || !strings.Contains(err.Error(), "field 99 of bulkhead.plugin.v1.Manifest") {
		t.Errorf("describe: %v", err)
	}
	w := open(t, p)
	for kind, want := range map[string]string{
		"future.field": "field 42 of bulkhead.plugin.v1.Done", "future.empty": "it has no result",
	} {
		if err := w.Send(run(kind, job(kind, nil))); err != nil {
			t.Fatal(err)
		}
		if reject := w.outcome(t, kind).GetReject(); !strings.Contains(reject.GetReason(), want) {
			t.Errorf("%s: %v", kind, reject)
		}
	}
	for _, token := range []string{"future.twice", "future.plain"} {
		if err := w.Send(run(token, job(token, nil))); err != nil {
			t.Fatal(err)
		}
		w.outcome(t, token)
	}
	w.mu.Lock()
	if w.count != 4 {
		t.Errorf("%d outcomes for 4 runs", w.count)
	}
	w.mu.Unlock()
	w.Close()
	for _, kind := range []string{"future.frame", "future.credit"} {
		w := open(t, p)
		if err := w.Send(run(kind, job(kind, nil))); err != nil {
			t.Fatal(err)
		}
		within(t, "the refusal", w.Done())
		if err := w.Err(); !errors.Is(err, launch.ErrRefused) {
			t.Errorf("%s: %v", kind, err)
		}
	}
}

// TestBrokenStream shows that runs end with their stream, and that the next one waits for them.
func TestBrokenStream(t *testing.T) {
	t.Parallel()
	p := start(t, "sdk", nil)
	first := open(t, p)
	if err := first.Send(run("1", job("conformance.sleep", []byte(`{"millis":600000}`)))); err != nil {
		t.Fatal(err)
	}
	first.Close()
	if err := first.Err(); !errors.Is(err, launch.ErrClosed) {
		t.Errorf("error: %v", err)
	}
	waitFor(t, "a stream that is taken", func() bool {
		w, err := p.Work(t.Context(), func(*pluginv1.Outcome) {})
		if err != nil {
			return false
		}
		defer w.Close()
		select {
		case <-w.Changed():
			return true
		case <-w.Done():
			return false
		}
	})
}
