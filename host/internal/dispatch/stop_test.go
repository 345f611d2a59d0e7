package dispatch_test

import (
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"bulkhead.dev/host/internal/queue"
	"bulkhead.dev/host/internal/supervisor"
	"bulkhead.dev/sdk/pluginv1"
)

// told waits for the cancel of a run.
func (s *started) told(t *testing.T) string {
	t.Helper()
	select {
	case reason := <-s.cancelled:
		return reason
	case <-time.After(patience):
		t.Fatal("the run was not asked to end")
		return ""
	}
}

func TestRunPastItsDeadline(t *testing.T) {
	t.Parallel()
	const timeout = 30 * time.Millisecond
	rigOf := func(t *testing.T) *rig {
		t.Helper()
		r := newRig(t, 1)
		r.policy.Timeout = durationpb.New(timeout)
		return r
	}
	t.Run("is cancelled, forgotten after its overtime, and tried again", func(t *testing.T) {
		t.Parallel()
		r := rigOf(t)
		r.start()
		before := time.Now()
		id := r.put(1)
		stuck := r.w.next(t)
		if d := stuck.GetDeadline().AsTime(); d.Before(before.Add(timeout)) || d.After(time.Now().Add(timeout)) {
			t.Errorf("deadline %v; want %v from the start", d, timeout)
		}
		if reason := stuck.told(t); reason != "the run did not end by its deadline" {
			t.Errorf("cancelled because %q", reason)
		}
		var got queue.Status
		eventually(t, "the attempt is used up", func() bool {
			var err error
			got, err = r.q.Status(t.Context(), id)
			return err == nil && got.State != queue.StateRunning && got.Attempt == 1
		})
		if got.Error == nil || got.Error.Source != queue.FaultPlugin {
			t.Errorf("status %+v; want it to be the plugin's fault", got)
		}
		if n := r.w.inFlight(); n != 0 {
			t.Errorf("%d runs are still waited for", n)
		}
		// The process has not given the room back, so nothing begins in it until the stuck run ends after all.
		r.none(t)
		if stuck.succeed() {
			t.Error("a run that was given up ended the job")
		}
		again := r.w.next(t)
		if again.GetAttempt() != 2 {
			t.Errorf("attempt %d; want the second", again.GetAttempt())
		}
		again.succeed()
		r.await(id, queue.StateDone)
	})
	t.Run("may still answer in its overtime", func(t *testing.T) {
		t.Parallel()
		r := rigOf(t)
		r.config.Overtime = patience
		r.start()
		id := r.put(1)
		s := r.w.next(t)
		s.told(t)
		s.succeed()
		r.await(id, queue.StateDone)
	})
	t.Run("costs an attempt, whatever the plugin says", func(t *testing.T) {
		t.Parallel()
		r := rigOf(t)
		r.config.Overtime = patience
		r.start()
		id := r.put(1)
		for range 3 {
			s := r.w.next(t)
			s.told(t)
			s.retry(&pluginv1.Retry{Reason: "interrupted", Cost: pluginv1.Cost_COST_NONE, Fault: pluginv1.Fault_FAULT_HOST})
		}
		r.await(id, queue.StateDead)
	})
}

// none looks a while longer than the loop takes to begin a run, and expects none.
func (r *rig) none(t *testing.T) {
	t.Helper()
	select {
	case s := <-r.w.starts:
		t.Fatalf("began %v", s.Run)
	case <-time.After(100 * time.Millisecond):
	}
}

func TestCallerWhoWaitsBoundsTheRun(t *testing.T) {
	t.Parallel()
	r := newRig(t, 1)
	r.config.Overtime = time.Second
	r.start()
	expires := time.Now().Add(patience)
	r.put(1, func(j *queue.Job, e *pluginv1.Job) {
		j.Reply, j.Lane, j.Expires, e.Reply, e.Expires = true, queue.LaneNow, expires, true, timestamppb.New(expires)
	})
	s := r.w.next(t)
	if off := s.GetDeadline().AsTime().Sub(expires.Add(time.Second)); off.Abs() > 100*time.Millisecond {
		t.Errorf("deadline %v off the caller's and the overtime", off)
	}
	s.succeed()
}

func TestCancel(t *testing.T) {
	t.Parallel()
	cancelled := &pluginv1.Retry{Reason: "interrupted", Cost: pluginv1.Cost_COST_NONE, Fault: pluginv1.Fault_FAULT_HOST}
	cancel := func(r *rig, id string) {
		r.t.Helper()
		if _, err := r.q.Cancel(r.t.Context(), id, "no longer wanted"); err != nil {
			r.t.Error(err)
		}
	}
	t.Run("ends a run", func(t *testing.T) {
		t.Parallel()
		r := newRig(t, 1)
		r.config.Overtime = patience
		r.start()
		id := r.put(1)
		s := r.w.next(t)
		cancel(r, id)
		if reason := s.told(t); reason != "no longer wanted" {
			t.Errorf("cancelled because %q", reason)
		}
		s.retry(cancelled)
		r.await(id, queue.StateCancelled)
		eventually(t, "it is counted", func() bool { return r.rec.count("cancelled") == 1 })
	})
	t.Run("comes too late for one that is done", func(t *testing.T) {
		t.Parallel()
		r := newRig(t, 1)
		r.config.Overtime = patience
		r.start()
		id := r.put(1)
		s := r.w.next(t)
		cancel(r, id)
		s.told(t)
		s.succeed()
		r.await(id, queue.StateDone)
	})
	t.Run("does not wait for a run that does not answer", func(t *testing.T) {
		t.Parallel()
		r := newRig(t, 1)
		r.start()
		id := r.put(1)
		s := r.w.next(t)
		cancel(r, id)
		r.await(id, queue.StateCancelled)
		s.succeed()
	})
	t.Run("reaches a run that is just starting", func(t *testing.T) {
		t.Parallel()
		r := newRig(t, 1)
		r.config.Overtime = patience
		// The first job's cancel is known to have come in when the second, which was cancelled after it, is told.
		first := make(chan struct{})
		r.w.credits = 2
		r.w.refusing(func(run *pluginv1.Run, _ bool) error {
			if run.GetJob().GetId() == "acme-0001" {
				<-first
			}
			return nil
		})
		r.start()
		id, other := r.put(1), r.put(2)
		second := r.w.next(t)
		eventually(t, "the first has begun", func() bool {
			s, err := r.q.Status(t.Context(), id)
			return err == nil && s.State == queue.StateRunning
		})
		cancel(r, id)
		cancel(r, other)
		second.told(t)
		close(first)
		s := r.w.next(t)
		s.told(t)
		s.retry(cancelled)
		second.retry(cancelled)
		r.await(id, queue.StateCancelled)
		r.await(other, queue.StateCancelled)
	})
}

func TestStop(t *testing.T) {
	t.Parallel()
	t.Run("waits for what ends within the grace", func(t *testing.T) {
		t.Parallel()
		r := newRig(t, 1)
		stop := r.start()
		id := r.put(1)
		s := r.w.next(t)
		next := r.put(2)
		stopped := make(chan struct{})
		go func() { defer close(stopped); stop() }()
		s.succeed()
		<-stopped
		r.await(id, queue.StateDone)
		r.await(next, queue.StateQueued)
	})
	for name, end := range map[string]func(s *started){
		"does not answer": func(*started) {},
		"answers that it was interrupted": func(s *started) {
			s.retry(&pluginv1.Retry{Reason: "interrupted", After: durationpb.New(time.Millisecond), Cost: pluginv1.Cost_COST_NONE, Fault: pluginv1.Fault_FAULT_HOST})
		},
		"is cut off": func(s *started) { s.end(supervisor.Ended{Reason: "the host stopped the plugin"}) },
	} {
		t.Run("gives back at no cost a run that "+name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, 2)
			r.config.Grace = func() time.Duration { return time.Millisecond }
			stop := r.start()
			id := r.put(1)
			s := r.w.next(t)
			stopped := make(chan struct{})
			go func() { defer close(stopped); stop() }()
			if reason := s.told(t); reason != "the host stops" {
				t.Errorf("cancelled because %q", reason)
			}
			end(s)
			<-stopped
			if n := r.w.inFlight(); n != 0 {
				t.Errorf("%d runs are still waited for", n)
			}
			r.start()
			again := r.w.next(t)
			if again.GetAttempt() != 1 || again.GetStarts() != 2 || again.alone {
				t.Errorf("run %v alone %t; want the first attempt, among others", again.Run, again.alone)
			}
			again.succeed()
			r.await(id, queue.StateDone)
		})
	}
}
