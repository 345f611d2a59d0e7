package dispatch_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	"bulkhead.dev/host/internal/queue"
	"bulkhead.dev/host/internal/supervisor"
	"bulkhead.dev/sdk/pluginv1"
)

func TestOutcomes(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		answer   func(s *started, attempt int) bool
		state    queue.State
		attempts int
		fault    queue.Fault
		reason   string
	}{
		"done": {
			answer: func(s *started, _ int) bool { return s.succeed() },
			state:  queue.StateDone, attempts: 1,
		},
		"a retry, then done": {
			answer: func(s *started, attempt int) bool {
				if attempt == 1 {
					return s.retry(&pluginv1.Retry{Reason: "once more", Cost: pluginv1.Cost_COST_ATTEMPT})
				}
				return s.succeed()
			},
			state: queue.StateDone, attempts: 2,
		},
		"retries until the attempts are used up": {
			answer: func(s *started, _ int) bool {
				return s.retry(&pluginv1.Retry{Reason: "again", Cost: pluginv1.Cost_COST_ATTEMPT, Fault: pluginv1.Fault_FAULT_VENDOR})
			},
			state: queue.StateDead, attempts: 3, fault: queue.FaultVendor, reason: "gave up after 3 attempts: again",
		},
		"reject": {
			answer: func(s *started, _ int) bool {
				return s.outcome(&pluginv1.Outcome{Result: &pluginv1.Outcome_Reject{Reject: &pluginv1.Reject{Reason: "never", Fault: pluginv1.Fault_FAULT_PLUGIN}}})
			},
			state: queue.StateDead, attempts: 1, fault: queue.FaultPlugin, reason: "never",
		},
		"no outcome in the outcome": {
			answer: func(s *started, _ int) bool { return s.outcome(&pluginv1.Outcome{}) },
			state:  queue.StateDead, attempts: 1, fault: queue.FaultPlugin, reason: "the plugin answered without an outcome",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, 4)
			r.start()
			id := r.put(1)
			for attempt := 1; attempt <= c.attempts; attempt++ {
				s := r.w.next(t)
				if int(s.GetAttempt()) != attempt || int(s.GetStarts()) != attempt || s.GetJob().GetId() != id || s.alone {
					t.Errorf("run %v; want attempt %d of %s", s.Run, attempt, id)
				}
				if !c.answer(s, attempt) {
					t.Fatal("the run was forgotten")
				}
			}
			got := r.await(id, c.state)
			if got.Attempt != c.attempts || got.Reason != c.reason && c.state == queue.StateDead {
				t.Errorf("status %+v; want %d attempts and %q", got, c.attempts, c.reason)
			}
			if c.fault != "" && (got.Error == nil || got.Error.Source != c.fault) {
				t.Errorf("error %+v; want it to be the %s's", got.Error, c.fault)
			}
			if c.state == queue.StateDone {
				var done pluginv1.Done
				if err := proto.Unmarshal(got.Result, &done); err != nil || string(done.GetData()) != `"`+id+`"` {
					t.Errorf("result %q: %v", got.Result, err)
				}
			}
		})
	}
}

func TestNotNowCostsNoAttempt(t *testing.T) {
	t.Parallel()
	r := newRig(t, 4)
	r.start()
	id := r.put(1)
	for starts := 1; starts <= 5; starts++ { // two more than there are attempts
		s := r.w.next(t)
		if s.GetAttempt() != 1 || int(s.GetStarts()) != starts {
			t.Errorf("run %d: attempt %d, starts %d; want attempt 1", starts, s.GetAttempt(), s.GetStarts())
		}
		s.retry(&pluginv1.Retry{Reason: "429", After: durationpb.New(time.Millisecond), Cost: pluginv1.Cost_COST_NONE, Fault: pluginv1.Fault_FAULT_VENDOR})
	}
	r.w.next(t).succeed()
	r.await(id, queue.StateDone)
}

func TestRetryAfterIsKept(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ asked, want time.Duration }{
		"as asked":          {time.Hour, time.Hour},
		"bounded at a week": {10_000 * time.Hour, 7 * 24 * time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, 4)
			r.start()
			id := r.put(1)
			before := time.Now()
			r.w.next(t).retry(&pluginv1.Retry{Reason: "later", After: durationpb.New(c.asked), Cost: pluginv1.Cost_COST_ATTEMPT})
			got := r.await(id, queue.StateRetrying)
			if off := got.NextAt.Sub(before.Add(c.want)); off < -time.Second || off > patience {
				t.Errorf("next at %v, %v off", got.NextAt, off)
			}
		})
	}
}

func TestWhatCanNotBeRunIsNotLost(t *testing.T) {
	t.Parallel()
	t.Run("the process went away at the start", func(t *testing.T) {
		t.Parallel()
		r := newRig(t, 4)
		var refused bool
		r.w.refusing(func(*pluginv1.Run, bool) error {
			if !refused {
				refused = true
				return supervisor.ErrNotRunning
			}
			return nil
		})
		r.start()
		id := r.put(1)
		s := r.w.next(t)
		if s.GetAttempt() != 1 || s.GetStarts() != 2 || s.alone {
			t.Errorf("run %v; want the first attempt at the second start", s.Run)
		}
		s.succeed()
		r.await(id, queue.StateDone)
	})
	t.Run("too large for the plugin", func(t *testing.T) {
		t.Parallel()
		r := newRig(t, 4)
		r.w.refusing(func(*pluginv1.Run, bool) error { return supervisor.ErrTooLarge })
		r.start()
		if got := r.await(r.put(1), queue.StateDead); got.Error == nil || got.Error.Source != queue.FaultPlugin {
			t.Errorf("status %+v", got)
		}
	})
	t.Run("an envelope that nobody can read", func(t *testing.T) {
		t.Parallel()
		r := newRig(t, 4)
		r.start()
		id := "acme-broken"
		if _, err := r.q.Enqueue(t.Context(), queue.Job{Instance: acme, ID: id, Type: "acme.event", Envelope: []byte{0xff}}); err != nil {
			t.Fatal(err)
		}
		got := r.await(id, queue.StateDead)
		if got.Error == nil || got.Error.Source != queue.FaultHost || !strings.Contains(got.Reason, "envelope") {
			t.Errorf("status %+v", got)
		}
	})
}

func TestLoopGoesOnAsSoonAsARunHasLanded(t *testing.T) {
	t.Parallel()
	r := newRig(t, 64)
	r.config.Operator = &pluginv1.Policy{Concurrency: 1}
	r.start()
	const jobs = 40 // a loop that waited for the worker instead would take a second for each
	var last string
	for n := range jobs {
		last = r.put(n)
	}
	for range jobs {
		s := r.w.next(t)
		if n := r.w.inFlight(); n != 1 {
			t.Fatalf("%d runs in flight, the operator allows one", n)
		}
		s.succeed()
	}
	r.await(last, queue.StateDone)
}

func TestPluginIsNotGivenMoreThanItTakes(t *testing.T) {
	t.Parallel()
	r := newRig(t, 2)
	r.start()
	for n := range 3 {
		r.put(n)
	}
	first, second := r.w.next(t), r.w.next(t)
	if n := r.w.inFlight(); n != 2 {
		t.Errorf("%d runs in flight, there was room for two", n)
	}
	second.succeed()
	third := r.w.next(t)
	third.succeed()
	first.succeed()
	eventually(t, "all are done", func() bool { return r.rec.count("done") == 3 })
}

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(r *rig)
		want   string
	}{
		"a schema that is none": {func(r *rig) {
			r.manifest.Subscriptions = []*pluginv1.Subscription{{Fact: "widget.made", JobType: "acme.made", Schema: []byte(`{"type":1}`)}}
		}, "subscription to widget.made"},
		"a lease of nothing":       {func(r *rig) { r.config.Lease = 0 }, "lease"},
		"an instance that is none": {func(r *rig) { r.config.Instance = "Acme" }, "queue of Acme"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, 1)
			c.change(r)
			if err := r.try(); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v; want %q", err, c.want)
			}
		})
	}
}

func TestLeaseIsToldBeforeTheFirstRun(t *testing.T) {
	t.Parallel()
	r := newRig(t, 1)
	r.w.refusing(func(*pluginv1.Run, bool) error {
		r.w.mu.Lock()
		defer r.w.mu.Unlock()
		if len(r.w.leases) == 0 {
			return errors.New("no lease yet")
		}
		for _, told := range r.w.leases {
			if told <= 0 || told > lease {
				t.Errorf("lease of %v", told)
			}
		}
		return nil
	})
	r.start()
	r.put(1)
	s := r.w.next(t)
	if s.GetStarts() != 1 {
		t.Error("the first run began without a lease")
	}
	r.w.mu.Lock()
	told := len(r.w.leases)
	r.w.mu.Unlock()
	eventually(t, "the lease is extended while the run goes on", func() bool {
		r.w.mu.Lock()
		defer r.w.mu.Unlock()
		return len(r.w.leases) >= told+2
	})
	s.succeed()
}
