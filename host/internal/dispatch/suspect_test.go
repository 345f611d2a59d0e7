package dispatch_test

import (
	"errors"
	"testing"
	"time"

	"bulkhead.dev/host/internal/queue"
	"bulkhead.dev/host/internal/supervisor"
	"bulkhead.dev/sdk/pluginv1"
)

// crash starts n runs and lets their process die.
func (r *rig) crash(n int) (ids map[string]bool) {
	r.t.Helper()
	ids = map[string]bool{}
	for i := range n {
		ids[r.put(i)] = true
	}
	runs := make([]*started, n)
	for i := range runs {
		runs[i] = r.w.next(r.t)
	}
	for _, s := range runs {
		s.die()
	}
	return ids
}

func TestSuspectsRunAloneOneAtATimeWhileOthersGoOn(t *testing.T) {
	t.Parallel()
	const slots = 8
	r := newRig(t, slots)
	r.config.Alone = 1
	r.start()
	suspects := r.crash(slots)
	first := r.w.next(t)
	if !first.alone || !suspects[first.GetJob().GetId()] || first.GetAttempt() != 1 {
		t.Fatalf("run %v alone %t; want a suspect's first attempt, alone", first.Run, first.alone)
	}
	// All slots are there for the others, although as many suspects wait.
	others := map[string]bool{}
	for n := range slots {
		others[r.put(100+n)] = true
	}
	var together []*started
	for range slots {
		s := r.w.next(t)
		if s.alone || !others[s.GetJob().GetId()] {
			t.Fatalf("%s began, alone %t, while %s ran alone", s.GetJob().GetId(), s.alone, first.GetJob().GetId())
		}
		together = append(together, s)
	}
	first.succeed()
	for range slots - 1 {
		s := r.w.next(t)
		if !s.alone || !suspects[s.GetJob().GetId()] {
			t.Fatalf("%s began, alone %t; want the next suspect", s.GetJob().GetId(), s.alone)
		}
		s.succeed()
	}
	for _, s := range together {
		s.succeed()
	}
	eventually(t, "all are done", func() bool { return r.rec.count("done") == 2*slots })
	if r.w.mostSolo != 1 {
		t.Errorf("%d processes for suspects at once; want one", r.w.mostSolo)
	}
}

func TestFourSuspectsRunAtOnce(t *testing.T) {
	t.Parallel()
	const slots = 8
	r := newRig(t, slots)
	r.start()
	r.crash(slots)
	var solo []*started
	for range 4 {
		s := r.w.next(t)
		if !s.alone {
			t.Fatal("a suspect ran among others")
		}
		solo = append(solo, s)
	}
	r.none(t)
	for _, s := range solo {
		s.succeed()
	}
	for range slots - 4 {
		r.w.next(t).succeed()
	}
	eventually(t, "all are done", func() bool { return r.rec.count("done") == slots })
	if r.w.mostSolo != 4 {
		t.Errorf("%d processes for suspects at once; want four", r.w.mostSolo)
	}
}

// TestSuspectsAreBounded: a plugin that goes on crashing does not gather runs without end.
func TestSuspectsAreBounded(t *testing.T) {
	t.Parallel()
	const slots = 2
	r := newRig(t, 64)
	r.config.Operator = &pluginv1.Policy{Concurrency: slots}
	r.config.Alone = 1
	r.start()
	r.crash(slots)
	held := r.w.next(t) // alone
	for n := range slots {
		r.put(100 + n)
	}
	for range slots {
		r.w.next(t).die()
	}
	// One suspect runs and three wait: there is no slot left.
	r.put(200)
	r.none(t)
	held.succeed()
	solo := 0
	for range 2 * slots {
		s := r.w.next(t)
		if s.alone {
			solo++
		}
		s.succeed()
	}
	if solo != 2*slots-1 {
		t.Errorf("%d more suspects ran alone; want %d", solo, 2*slots-1)
	}
	eventually(t, "all are done", func() bool { return r.rec.count("done") == 2*slots+1 })
}

func TestPoison(t *testing.T) {
	t.Parallel()
	r := newRig(t, 4)
	r.start()
	ids := r.crash(1)
	for range 2 {
		s := r.w.next(t)
		if !s.alone {
			t.Fatal("a suspect ran among others")
		}
		s.die()
	}
	for id := range ids {
		if got := r.await(id, queue.StateDead); got.Error == nil || got.Error.Source != queue.FaultPlugin {
			t.Errorf("status %+v; want a dead letter by the plugin's fault", got)
		}
	}
}

func TestSuspicionEndsWithAnOutcome(t *testing.T) {
	t.Parallel()
	r := newRig(t, 4)
	r.start()
	r.crash(1)
	s := r.w.next(t)
	if !s.alone {
		t.Fatal("a suspect ran among others")
	}
	s.retry(&pluginv1.Retry{Reason: "again", Cost: pluginv1.Cost_COST_ATTEMPT})
	if s = r.w.next(t); s.alone || s.GetAttempt() != 2 {
		t.Errorf("attempt %d, alone %t; want the second, among others", s.GetAttempt(), s.alone)
	}
	s.succeed()
}

func TestSuspectWaitsForAProcess(t *testing.T) {
	t.Parallel()
	t.Run("until one can be started", func(t *testing.T) {
		t.Parallel()
		r := newRig(t, 4)
		tries := 0
		r.w.refusing(func(_ *pluginv1.Run, alone bool) error {
			if alone {
				if tries++; tries == 1 {
					return errors.New("text file busy")
				}
			}
			return nil
		})
		r.start()
		r.crash(1)
		s := r.w.next(t)
		if !s.alone || s.GetStarts() != 2 {
			t.Errorf("starts %d, alone %t; want the second start, alone", s.GetStarts(), s.alone)
		}
		s.succeed()
	})
	t.Run("but not when none will ever take it", func(t *testing.T) {
		t.Parallel()
		r := newRig(t, 4)
		r.w.refusing(func(_ *pluginv1.Run, alone bool) error {
			if alone {
				return supervisor.ErrTooLarge
			}
			return nil
		})
		r.start()
		for id := range r.crash(1) {
			r.await(id, queue.StateDead)
		}
	})
	t.Run("nor when it is cancelled", func(t *testing.T) {
		t.Parallel()
		r := newRig(t, 4)
		r.config.Alone = 1
		r.start()
		ids := r.crash(2)
		running := r.w.next(t)
		delete(ids, running.GetJob().GetId())
		for id := range ids {
			eventually(t, "the other suspect has begun to wait", func() bool {
				s, err := r.q.Status(t.Context(), id)
				return err == nil && s.State == queue.StateRunning
			})
			if _, err := r.q.Cancel(t.Context(), id, "no longer wanted"); err != nil {
				t.Fatal(err)
			}
			r.await(id, queue.StateCancelled)
		}
		running.succeed()
	})
	t.Run("nor past its expiry", func(t *testing.T) {
		t.Parallel()
		r := newRig(t, 4)
		r.config.Alone = 1
		r.start()
		expiry := time.Now().Add(2 * time.Second)
		lasting, brief := r.put(1), r.put(2, func(j *queue.Job, _ *pluginv1.Job) { j.Expires = expiry })
		runs := map[string]*started{}
		for range 2 {
			s := r.w.next(t)
			runs[s.GetJob().GetId()] = s
		}
		runs[lasting].die()
		alone := r.w.next(t)
		runs[brief].die() // it waits behind the other one
		eventually(t, "it waits", func() bool { return r.rec.count("interrupted") == 2 && r.rec.inFlight() == 2 })
		eventually(t, "its time has passed", func() bool { return time.Now().After(expiry) })
		alone.succeed()
		r.await(brief, queue.StateExpired)
		r.await(lasting, queue.StateDone)
	})
	t.Run("nor past the host's stop, and stays one", func(t *testing.T) {
		t.Parallel()
		r := newRig(t, 4)
		r.config.Alone = 1
		r.config.Grace = func() time.Duration { return time.Millisecond }
		stop := r.start()
		r.crash(2)
		r.w.next(t)
		stop()
		r.start()
		for range 2 {
			s := r.w.next(t)
			if !s.alone {
				t.Error("a stop cleared a suspect that had not run")
			}
			s.succeed()
		}
	})
}
