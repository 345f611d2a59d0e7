package dispatch

import (
	"context"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"bulkhead.dev/host/internal/queue"
	"bulkhead.dev/host/internal/supervisor"
	"bulkhead.dev/sdk/pluginv1"
)

// run is the whole life of one run, from its delivery to its settlement.
func (l *Loop) run(ctx context.Context, d queue.Delivery) {
	start := time.Now()
	var job pluginv1.Job
	if err := proto.Unmarshal(d.Envelope, &job); err != nil {
		l.settle(ctx, d, dead(queue.FaultHost, "the envelope can't be read: "+err.Error()))
		return
	}
	job.Id = d.ID // a replay has a new id, its envelope the old one
	log := l.log.With("job", d.ID, "request_id", job.GetRequestId())
	if reason := l.shapes.check(&job); reason != "" {
		l.settle(ctx, d, dead(queue.FaultPlugin, reason))
		return
	}
	p := l.policyOf(job.GetType())
	deadline := start.Add(p.timeout)
	if d.Reply && !d.Expires.IsZero() && d.Expires.Before(deadline) {
		// The caller has gone by then; a late result is kept all the same, so the run gets its overtime.
		deadline = d.Expires.Add(overtime)
	}
	ended := l.perform(ctx, d, &pluginv1.Run{
		Token: d.Token(), Job: &job, Attempt: int32(d.Attempt), Starts: int32(d.Starts), //nolint:gosec // both are small counters
		Deadline: timestamppb.New(deadline),
	}, deadline)
	s := l.settlement(d, &job, p, ended)
	if s.Kind != queue.Done && l.cancelled(d.Token()) {
		s = queue.Settlement{Kind: queue.Cancelled, Reason: s.Reason}
	}
	won := l.settle(ctx, d, s)
	outcome := outcomeName(s)
	l.cfg.Recorder.Run(l.cfg.Instance, job.GetType(), outcome, time.Since(start))
	if s.Kind == queue.Done {
		log.Debug("job done", "type", job.GetType(), "attempt", d.Attempt, "took", time.Since(start), "won", won)
		return
	}
	log.Warn("job did not succeed", "type", job.GetType(), "outcome", outcome, "attempt", d.Attempt,
		"reason", s.Reason, "source", s.Fault, "again_in", s.After, "won", won)
}

func (l *Loop) policyOf(jobType string) policy {
	if p, ok := l.types[jobType]; ok {
		return p
	}
	return l.policy
}

// how a run ended, as far as the plugin or its absence tells.
type result struct {
	supervisor.Ended
	// alone: the run had a process of its own.
	alone bool
	// late: the plugin did not answer although its time had passed.
	late bool
	// unstarted says why no process could take it.
	unstarted error
}

// perform gives the run to a process and waits for its end, at most for its deadline and the overtime, or until ctx
// ends.
func (l *Loop) perform(ctx context.Context, d queue.Delivery, run *pluginv1.Run, deadline time.Time) result {
	ended := make(chan supervisor.Ended, 1)
	done := func(e supervisor.Ended) { ended <- e }
	start := l.cfg.Worker.Start
	if d.Suspect {
		start = func(run *pluginv1.Run, done func(supervisor.Ended)) error {
			return l.cfg.Worker.StartAlone(ctx, run, done)
		}
	}
	if err := start(run, done); err != nil {
		return result{unstarted: err}
	}
	timer := time.NewTimer(time.Until(deadline) + overtime)
	defer timer.Stop()
	select {
	case e := <-ended:
		return result{Ended: e, alone: d.Suspect}
	case <-ctx.Done():
		return l.giveUp(d, ended, result{Ended: supervisor.Ended{Reason: errStopping.Error()}})
	case <-timer.C:
		l.cfg.Worker.Cancel(d.Token(), "deadline")
		return l.giveUp(d, ended, result{late: true, Ended: supervisor.Ended{Reason: "the run did not end by its deadline"}})
	}
}

// giveUp takes the run back unless its outcome came at this very moment.
func (l *Loop) giveUp(d queue.Delivery, ended <-chan supervisor.Ended, otherwise result) result {
	if l.cfg.Worker.Forget(d.Token()) {
		return otherwise
	}
	return result{Ended: <-ended, alone: d.Suspect}
}
