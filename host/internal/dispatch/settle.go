package dispatch

import (
	"context"
	"errors"
	"strconv"
	"time"

	"google.golang.org/protobuf/proto"

	"bulkhead.dev/host/internal/queue"
	"bulkhead.dev/host/internal/supervisor"
	"bulkhead.dev/sdk/pluginv1"
)

// settleTime bounds the settlement of a run while the host stops.
const settleTime = 5 * time.Second

// maxAfter bounds the wait that a plugin asks for, as the contract bounds that of a policy.
const maxAfter = 7 * 24 * time.Hour

// settlement is the one mapping of outcomes to moves of the queue.
func (l *Loop) settlement(f *flight, job *pluginv1.Job, p policy, r result) queue.Settlement {
	if r.Outcome == nil {
		return interrupted(f, p, r)
	}
	var s queue.Settlement
	switch outcome := r.Outcome.GetResult().(type) {
	case *pluginv1.Outcome_Done:
		stored, err := proto.Marshal(outcome.Done)
		if err != nil {
			return dead(queue.FaultPlugin, "the result can't be stored: "+err.Error())
		}
		s = queue.Settlement{Kind: queue.Done, Result: stored}
	case *pluginv1.Outcome_Retry:
		retry := outcome.Retry
		if r.late {
			// Whether the plugin calls it the end of its time or a cancel, the attempt had all the time that it has.
			retry = proto.CloneOf(retry)
			retry.Cost = pluginv1.Cost_COST_ATTEMPT
		}
		s = later(f, p, retry)
	case *pluginv1.Outcome_Reject:
		s = dead(fault(outcome.Reject.GetFault()), outcome.Reject.GetReason())
	default:
		s = dead(queue.FaultPlugin, "the plugin answered without an outcome")
	}
	emits, err := l.factsOf(job, r.Outcome.GetEmits())
	if err != nil {
		return dead(queue.FaultPlugin, err.Error())
	}
	s.Emits = emits
	return s
}

// interrupted says what becomes of a run that has no outcome.
func interrupted(f *flight, p policy, r result) queue.Settlement {
	if r.late {
		return later(f, p, &pluginv1.Retry{Reason: r.Reason, Cost: pluginv1.Cost_COST_ATTEMPT, Fault: pluginv1.Fault_FAULT_PLUGIN})
	}
	if errors.Is(r.unstarted, supervisor.ErrTooLarge) {
		return dead(queue.FaultPlugin, r.unstarted.Error())
	}
	if r.unstarted != nil {
		// The process went away between the read and the start.
		return queue.Settlement{
			Kind: queue.Later, After: awayPause, Free: true, KeepPlace: true,
			Reason: r.unstarted.Error(), Fault: queue.FaultHost,
		}
	}
	if !r.Died {
		return queue.Settlement{Kind: queue.Interrupted, Reason: r.Reason, Fault: queue.FaultHost, Release: true}
	}
	return queue.Settlement{Kind: queue.Interrupted, Reason: r.Reason, Fault: queue.FaultPlugin, Died: true, Alone: r.alone}
}

// later puts the job back, or ends it when its attempts are used up.
func later(f *flight, p policy, retry *pluginv1.Retry) queue.Settlement {
	free := retry.GetCost() == pluginv1.Cost_COST_NONE
	if !free && f.Attempt >= p.attempts {
		return dead(fault(retry.GetFault()), "gave up after "+strconv.Itoa(f.Attempt)+" attempts: "+retry.GetReason())
	}
	after := min(retry.GetAfter().AsDuration(), maxAfter)
	if after <= 0 {
		after = p.wait(f.Attempt)
	}
	return queue.Settlement{
		Kind: queue.Later, After: after, Free: free, KeepPlace: true,
		Reason: retry.GetReason(), Fault: fault(retry.GetFault()),
	}
}

func dead(f queue.Fault, reason string) queue.Settlement {
	return queue.Settlement{Kind: queue.Dead, Fault: f, Reason: reason}
}

func fault(f pluginv1.Fault) queue.Fault {
	switch f {
	case pluginv1.Fault_FAULT_VENDOR:
		return queue.FaultVendor
	case pluginv1.Fault_FAULT_HOST:
		return queue.FaultHost
	default:
		return queue.FaultPlugin
	}
}

// settle carries the settlement out and says whether this run was the one that ended. What can't be settled is begun
// again by whoever takes it over, so an error loses nothing.
func (l *Loop) settle(ctx context.Context, f *flight, s queue.Settlement) bool {
	s.Token = f.Token()
	if ctx.Err() != nil {
		// The host stops: what is left of its time goes to the queue.
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(context.WithoutCancel(ctx), settleTime)
		defer cancel()
	}
	won, err := l.domain.Settle(ctx, s)
	switch {
	case errors.Is(err, queue.ErrUnknownRun):
		won = false
	case err != nil:
		l.log.Error("a run can't be settled; it will begin again", "job", f.ID, "error", err)
		return false
	}
	l.cfg.Recorder.Settled(l.cfg.Instance, won)
	return won
}

func outcomeName(s queue.Settlement) string {
	switch s.Kind {
	case queue.Done:
		return "done"
	case queue.Later:
		return "retry"
	case queue.Dead:
		return "dead"
	case queue.Cancelled:
		return "cancelled"
	default:
		return "interrupted"
	}
}
