package launch

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"

	"bulkhead.dev/sdk/pluginv1"
	"bulkhead.dev/sdk/wire"
)

// live is the life of the stream.
func (w *Work) live() {
	var others sync.WaitGroup
	others.Go(w.send)
	others.Go(w.watch)
	err := w.receive()
	cause := context.Cause(w.ctx)
	switch {
	case cause != nil && !errors.Is(err, ErrRefused):
		err = fmt.Errorf("work %s: %w", w.plugin.cfg.Instance, cause)
	case !errors.Is(err, ErrRefused):
		err = w.plugin.failed("work", err)
	}
	w.mu.Lock()
	w.err = err
	w.mu.Unlock()
	w.cancel(err)
	others.Wait()
	w.plugin.forget(w)
	close(w.done)
}

func (p *Plugin) forget(w *Work) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.work = slices.DeleteFunc(p.work, func(other *Work) bool { return other == w })
}

// watch ends the stream when the process has ended, whoever holds its connection open. What was on its way is let in
// first: an outcome that has come need not be worked for again.
func (w *Work) watch() {
	select {
	case <-w.ctx.Done():
		return
	case <-w.plugin.proc.done:
	}
	timer := time.NewTimer(drainOutput)
	defer timer.Stop()
	select {
	case <-w.ctx.Done():
	case <-timer.C:
		w.cancel(w.plugin.Err())
	}
}

// send gathers what waits into frames. It never holds the lock while it sends, so that a plugin that does not read
// holds up nobody.
func (w *Work) send() {
	for {
		select {
		case <-w.ctx.Done():
			return
		case <-w.wake:
		}
		for frame := w.next(); frame != nil; frame = w.next() {
			if w.stream.Send(frame) != nil {
				return // the receiver gets the reason
			}
		}
	}
}

// next takes the next frame; nil: nothing waits.
func (w *Work) next() *pluginv1.WorkRequest {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.runs) == 0 && len(w.cancels) == 0 && w.lease == nil {
		return nil
	}
	frame := &pluginv1.WorkRequest{Lease: w.lease, Cancels: w.cancels}
	w.lease, w.cancels = nil, nil
	limit := min(wire.FrameBytes, w.limit-messageSlack)
	size, n := 0, 0
	for _, run := range w.runs {
		if size += proto.Size(run) + 8; n > 0 && size > limit {
			break
		}
		n++
	}
	frame.Runs = w.runs[:n:n]
	if w.runs = w.runs[n:]; len(w.runs) == 0 {
		w.runs = nil
	}
	return frame
}

func (w *Work) receive() error {
	for {
		frame, err := w.stream.Recv()
		if err != nil {
			return err
		}
		if err := w.take(frame); err != nil {
			return fmt.Errorf("work %s: %w: %w", w.plugin.cfg.Instance, ErrRefused, err)
		}
	}
}

// take handles one frame. A fault in an outcome costs that job alone; one in the frame ends the stream.
func (w *Work) take(frame *pluginv1.WorkResponse) error {
	outcomes := frame.GetOutcomes()
	if err := wire.CheckUnknown(frame); err != nil {
		for i, outcome := range outcomes {
			if err := wire.CheckUnknown(outcome); err != nil {
				outcomes[i] = refused(outcome.GetToken(), err)
			}
		}
		if err := wire.CheckUnknown(&pluginv1.WorkResponse{Credit: frame.GetCredit()}); err != nil {
			return err
		}
		if raw := frame.ProtoReflect().GetUnknown(); len(raw) > 0 {
			return err
		}
	}
	if err := w.credit(frame.GetCredit()); err != nil {
		return err
	}
	for _, outcome := range outcomes {
		if outcome.GetResult() == nil {
			outcome = refused(outcome.GetToken(), errors.New("it has no result"))
		}
		w.outcome(outcome)
	}
	return nil
}

// refused stands for an outcome that the contract does not allow.
func refused(token string, err error) *pluginv1.Outcome {
	return &pluginv1.Outcome{Token: token, Result: &pluginv1.Outcome_Reject{Reject: &pluginv1.Reject{
		Reason: "the plugin's outcome is refused: " + err.Error(), Fault: pluginv1.Fault_FAULT_PLUGIN,
	}}}
}

func (w *Work) credit(c *pluginv1.Credit) error {
	if c == nil {
		return nil
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	jobs, bytes := w.jobs+int(c.GetJobs()), w.bytes+c.GetBytes()
	if c.GetJobs() < 0 || c.GetBytes() < 0 || jobs > wire.MaxCreditJobs || bytes > wire.MaxCreditBytes || bytes < w.bytes {
		return fmt.Errorf("credit: %d jobs and %d bytes more are out of bounds (%d, %d)",
			c.GetJobs(), c.GetBytes(), wire.MaxCreditJobs, wire.MaxCreditBytes)
	}
	w.jobs, w.bytes = jobs, bytes
	signal(w.changed)
	return nil
}

func (w *Work) outcome(outcome *pluginv1.Outcome) {
	w.mu.Lock()
	_, ok := w.inFlight[outcome.GetToken()]
	w.mu.Unlock()
	if !ok {
		w.plugin.cfg.Logger.Warn("a plugin answered a run that is not in flight, or twice",
			"instance", w.plugin.cfg.Instance, "token", clip(outcome.GetToken(), 100))
		return
	}
	w.onOutcome(outcome)
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.inFlight, outcome.GetToken())
	if len(w.inFlight) == 0 {
		for _, idle := range w.idle {
			close(idle)
		}
		w.idle = nil
	}
}
