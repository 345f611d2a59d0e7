package worker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"bulkhead.dev/sdk/internal/runctx"
	"bulkhead.dev/sdk/pluginv1"
	"bulkhead.dev/sdk/wire"
)

// session is one stream and the runs that came by it.
type session struct {
	worker *Worker
	stream grpc.BidiStreamingServer[pluginv1.WorkRequest, pluginv1.WorkResponse]
	ctx    context.Context
	cancel context.CancelCauseFunc
	lease  lease
	out    outbox
	runs   sync.WaitGroup

	mu       sync.Mutex
	room     int                                // runs that the host may still send
	inFlight map[string]context.CancelCauseFunc // by token, until the outcome was sent
}

func newSession(w *Worker, stream grpc.BidiStreamingServer[pluginv1.WorkRequest, pluginv1.WorkResponse]) *session {
	s := &session{worker: w, stream: stream, room: min(w.cfg.Jobs, wire.MaxCreditJobs), inFlight: map[string]context.CancelCauseFunc{}}
	// The end of the stream's context is told as ErrBroken, by whoever sees it first: the receiver or the sender.
	s.ctx, s.cancel = context.WithCancelCause(context.WithoutCancel(stream.Context()))
	s.out = newOutbox()
	s.lease.lapse = func() { s.cancelAll(ErrLapsed) }
	return s
}

// serve receives until the stream ends; its other goroutines end before it returns.
func (s *session) serve() error {
	s.out.credit(int32(s.room), min(s.worker.cfg.Bytes, wire.MaxCreditBytes)) // #nosec G115 -- bounded
	var sender sync.WaitGroup
	sender.Go(s.send)
	err := s.receive()
	s.cancel(ErrBroken)
	s.lease.stop()
	s.runs.Wait()
	sender.Wait()
	return err
}

func (s *session) receive() error {
	for {
		frame, err := s.stream.Recv()
		switch {
		case errors.Is(err, io.EOF):
			return nil // the host has closed it
		case err != nil:
			return err
		}
		if err := wire.CheckUnknown(frame); err != nil {
			return status.Error(codes.InvalidArgument, err.Error())
		}
		if err := s.take(frame); err != nil {
			return status.Error(codes.InvalidArgument, err.Error())
		}
	}
}

// take handles one frame. The lease comes first: it says whether the runs may begin.
func (s *session) take(frame *pluginv1.WorkRequest) error {
	if l := frame.GetLease(); l != nil {
		if err := l.GetRemaining().CheckValid(); err != nil {
			return fmt.Errorf("lease: %w", err)
		}
		s.lease.extend(l.GetRemaining().AsDuration())
	}
	for _, run := range frame.GetRuns() {
		if err := s.begin(run); err != nil {
			return err
		}
	}
	for _, c := range frame.GetCancels() {
		s.mu.Lock()
		cancel := s.inFlight[c.GetToken()]
		s.mu.Unlock()
		if cancel != nil { // else it has ended meanwhile
			s.worker.cfg.Logger.Debug("a run is cancelled", "run", c.GetToken(), "reason", c.GetReason())
			cancel(fmt.Errorf("%w: %s", ErrCancelled, c.GetReason()))
		}
	}
	return nil
}

// begin starts one run in a goroutine of its own.
func (s *session) begin(run *pluginv1.Run) error {
	token := run.GetToken()
	ctx, cancel := context.WithCancelCause(s.ctx)
	s.mu.Lock()
	_, twice := s.inFlight[token]
	full := s.room == 0
	if !twice && !full && token != "" && run.GetJob() != nil {
		s.inFlight[token] = cancel
		s.room--
	}
	s.mu.Unlock()
	switch {
	case token == "" || run.GetJob() == nil:
		cancel(nil)
		return errors.New("a run without a token or without a job")
	case twice:
		cancel(nil)
		return fmt.Errorf("the run %q is in flight already", token)
	case full:
		cancel(nil)
		return fmt.Errorf("the run %q is beyond the room for %d", token, s.worker.cfg.Jobs)
	}
	s.runs.Go(func() {
		outcome := s.run(ctx, run)
		cancel(nil)
		outcome.Token = token
		s.out.outcome(fit(outcome), wire.Held(run))
	})
	return nil
}

func (s *session) run(ctx context.Context, run *pluginv1.Run) *pluginv1.Outcome {
	if s.worker.isDraining() {
		return notNow("the process is about to end")
	}
	live := func() error {
		if errors.Is(context.Cause(ctx), ErrLapsed) {
			return ErrLapsed // for this run it is over, even if the lease has been extended since
		}
		return s.lease.live()
	}
	if err := live(); err != nil {
		return notNow(err.Error())
	}
	if deadline := run.GetDeadline(); deadline != nil {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadlineCause(ctx, deadline.AsTime(), ErrDeadline)
		defer cancel()
	}
	ctx = runctx.With(ctx, runctx.Run{
		Token: run.GetToken(), Job: run.GetJob().GetId(), Request: run.GetJob().GetRequestId(),
		Traceparent: run.GetJob().GetTraceparent(), Live: live,
	})
	if outcome := s.worker.cfg.Runner.Run(ctx, run); outcome != nil {
		return outcome
	}
	return &pluginv1.Outcome{Result: &pluginv1.Outcome_Retry{Retry: &pluginv1.Retry{
		Reason: "the plugin gave no outcome", Cost: pluginv1.Cost_COST_ATTEMPT, Fault: pluginv1.Fault_FAULT_PLUGIN,
	}}}
}

// notNow gives a run back at no cost.
func notNow(reason string) *pluginv1.Outcome {
	return &pluginv1.Outcome{Result: &pluginv1.Outcome_Retry{Retry: &pluginv1.Retry{
		Reason: reason, Cost: pluginv1.Cost_COST_NONE, Fault: pluginv1.Fault_FAULT_HOST,
	}}}
}

func (s *session) cancelAll(cause error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, cancel := range s.inFlight {
		cancel(cause)
	}
}

func (s *session) unsettled() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.inFlight)
}

// next takes the next frame. The room that it gives back counts from here: the host may use it before Send returns.
func (s *session) next() *pluginv1.WorkResponse {
	frame := s.out.next()
	if frame != nil {
		s.mu.Lock()
		s.room += len(frame.GetOutcomes())
		s.mu.Unlock()
	}
	return frame
}

// sent strikes runs whose outcome is on its way, and tells Drain.
func (s *session) sent(outcomes []*pluginv1.Outcome) {
	s.mu.Lock()
	for _, outcome := range outcomes {
		delete(s.inFlight, outcome.GetToken())
	}
	s.mu.Unlock()
	s.worker.mu.Lock()
	defer s.worker.mu.Unlock()
	s.worker.progress()
}
