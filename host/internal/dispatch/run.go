package dispatch

import (
	"context"
	"errors"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"bulkhead.dev/host/internal/queue"
	"bulkhead.dev/host/internal/supervisor"
	"bulkhead.dev/sdk/pluginv1"
)

const (
	// farewell is what a run that the host's stop interrupts gets to answer, after the grace.
	farewell = 250 * time.Millisecond
	// startPause is the wait before a process for a suspect is tried again; it doubles up to startPauseMax.
	startPause    = 250 * time.Millisecond
	startPauseMax = 10 * time.Second
)

// run is the whole life of one run, from its delivery to its settlement.
func (l *Loop) run(ctx context.Context, f *flight) {
	start := time.Now()
	job, s := l.decide(ctx, f)
	won := l.settle(ctx, f, s)
	outcome, took := outcomeName(s), time.Since(start)
	l.cfg.Recorder.Run(l.cfg.Instance, job.GetType(), outcome, took)
	log := l.log.With("job", f.ID, "request_id", f.RequestID, "type", job.GetType(), "attempt", f.Attempt)
	if s.Kind == queue.Done {
		log.Debug("job done", "took", took, "won", won)
		return
	}
	log.Warn("job did not succeed", "outcome", outcome, "reason", s.Reason, "source", s.Fault, "again_in", s.After, "won", won)
}

// decide runs the job, where it can be run, and says how the run is to be settled.
func (l *Loop) decide(ctx context.Context, f *flight) (*pluginv1.Job, queue.Settlement) {
	job := &pluginv1.Job{}
	if err := proto.Unmarshal(f.Envelope, job); err != nil {
		return job, dead(queue.FaultHost, "the envelope can't be read: "+err.Error())
	}
	job.Id = f.ID // a replay has a new id, its envelope the old one
	if reason := l.shapes.check(job); reason != "" {
		return job, dead(queue.FaultPlugin, reason)
	}
	p := l.policies.of(job)
	var r result
	if f.Suspect {
		r = l.runAlone(ctx, f, job, p)
	} else {
		r = l.perform(ctx, f, job, p, l.cfg.Worker.Start)
	}
	s := l.settlement(f, job, p, r)
	if s.Kind != queue.Done && f.isCancelled() {
		s = queue.Settlement{Kind: queue.Cancelled, Reason: s.Reason}
	}
	return job, s
}

// result is how a run ended, as far as the plugin or its absence tells.
type result struct {
	supervisor.Ended
	// alone: the run had a process of its own.
	alone bool
	// late: the run had not ended by its deadline.
	late bool
	// unstarted says why no process could take it.
	unstarted error
}

func ended(reason string) result { return result{Ended: supervisor.Ended{Reason: reason}} }

// runAlone runs a suspect in a process of its own, a few suspects at a time. While no such process can be started, the
// suspects wait, as other jobs do for a plugin that is away.
func (l *Loop) runAlone(ctx context.Context, f *flight, job *pluginv1.Job, p policy) result {
	select {
	case l.alone <- struct{}{}:
		defer func() { <-l.alone }()
	case <-ctx.Done():
		return ended(errStopping.Error())
	case <-f.cancelled:
		return ended(f.reason)
	}
	start := func(run *pluginv1.Run, done func(supervisor.Ended)) error {
		return l.cfg.Worker.StartAlone(ctx, run, done)
	}
	for wait := startPause; ; wait = min(2*wait, startPauseMax) {
		switch {
		case ctx.Err() != nil:
			return ended(errStopping.Error())
		case f.isCancelled():
			return ended(f.reason)
		case !f.Expires.IsZero() && time.Until(f.Expires) <= 0:
			return ended("it expired before it could run alone") // the queue ends it when it is read again
		}
		r := l.perform(ctx, f, job, p, start)
		r.alone = true
		if r.unstarted == nil || errors.Is(r.unstarted, supervisor.ErrTooLarge) {
			return r
		}
		l.log.Warn("a suspect waits for a process of its own", "job", f.ID, "error", r.unstarted, "again_in", wait)
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-ctx.Done():
		case <-f.cancelled:
		}
		timer.Stop()
	}
}

// perform gives the run to a process and waits for its end.
func (l *Loop) perform(
	ctx context.Context, f *flight, job *pluginv1.Job, p policy, start func(*pluginv1.Run, func(supervisor.Ended)) error,
) result {
	deadline := l.deadline(f, p)
	end := make(chan supervisor.Ended, 1)
	err := start(&pluginv1.Run{
		Token: f.Token(), Job: job, Attempt: int32(f.Attempt), Starts: int32(f.Starts), //nolint:gosec // both are small counters
		Deadline: timestamppb.New(deadline),
	}, func(e supervisor.Ended) { end <- e })
	l.begun(f)
	if err != nil {
		return result{unstarted: err}
	}
	return l.await(ctx, f, end, deadline)
}

// deadline is when the run's time is over. A caller who waits has gone at the job's expiry; a late result is kept all
// the same, so the run has its overtime for it.
func (l *Loop) deadline(f *flight, p policy) time.Time {
	deadline := time.Now().Add(p.timeout)
	if last := f.Expires.Add(l.cfg.Overtime); f.Reply && !f.Expires.IsZero() && last.Before(deadline) {
		return last
	}
	return deadline
}

// await waits for the outcome. A run that is cancelled, late or in the way of a stop is asked to end, and given up when it
// does not answer in a time that is bounded too: its slot in the process stays taken until it does.
func (l *Loop) await(ctx context.Context, f *flight, end <-chan supervisor.Ended, deadline time.Time) result {
	over := time.NewTimer(time.Until(deadline))
	defer over.Stop()
	otherwise, patience, stop := result{}, l.cfg.Overtime, ctx.Done()
	select {
	case e := <-end:
		return result{Ended: e}
	case <-f.cancelled:
		otherwise = ended(f.reason)
	case <-over.C:
		otherwise = ended("the run did not end by its deadline")
		otherwise.late = true
	case <-stop:
		otherwise, patience, stop = ended(errStopping.Error()), farewell, nil
	}
	l.cfg.Worker.Cancel(f.Token(), otherwise.Reason)
	rest := time.NewTimer(patience)
	defer rest.Stop()
	select {
	case e := <-end:
		return result{Ended: e, late: otherwise.late}
	case <-rest.C:
	case <-stop:
	}
	if l.cfg.Worker.Forget(f.Token()) {
		return otherwise
	}
	return result{Ended: <-end, late: otherwise.late} // it came at this very moment
}
