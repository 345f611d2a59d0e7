package worker_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"bulkhead.dev/sdk/internal/runctx"
	"bulkhead.dev/sdk/internal/worker"
	"bulkhead.dev/sdk/pluginv1"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// pipe is the host's end of a stream without a network, so that time can be the bubble's.
type pipe struct {
	grpc.BidiStreamingServer[pluginv1.WorkRequest, pluginv1.WorkResponse]
	ctx    context.Context
	cancel context.CancelFunc
	down   chan *pluginv1.WorkRequest
	up     chan *pluginv1.WorkResponse
	served chan error
}

func serve(t *testing.T, w *worker.Worker) *pipe {
	t.Helper()
	p := &pipe{
		down: make(chan *pluginv1.WorkRequest), up: make(chan *pluginv1.WorkResponse, 100), served: make(chan error, 1),
	}
	p.ctx, p.cancel = context.WithCancel(t.Context())
	t.Cleanup(p.cancel)
	go func() { p.served <- w.Work(p) }()
	return p
}

// ended waits until the stream has been let go; the host's words were in order.
func (p *pipe) ended(t *testing.T) {
	t.Helper()
	if err := <-p.served; status.Code(err) == codes.InvalidArgument {
		t.Error(err)
	}
}

func (p *pipe) Context() context.Context { return p.ctx }

func (p *pipe) Recv() (*pluginv1.WorkRequest, error) {
	select {
	case frame, ok := <-p.down:
		if !ok {
			return nil, io.EOF
		}
		return frame, nil
	case <-p.ctx.Done():
		return nil, p.ctx.Err()
	}
}

func (p *pipe) Send(frame *pluginv1.WorkResponse) error {
	select {
	case p.up <- frame:
		return nil
	case <-p.ctx.Done():
		return p.ctx.Err()
	}
}

func (p *pipe) send(runs ...*pluginv1.Run) { p.down <- &pluginv1.WorkRequest{Runs: runs} }

func (p *pipe) lease(d time.Duration) {
	p.down <- &pluginv1.WorkRequest{Lease: &pluginv1.Lease{Remaining: durationpb.New(d)}}
}

// outcome answers the one outcome of the next frame that has one.
func (p *pipe) outcome() *pluginv1.Outcome {
	for {
		if frame := <-p.up; len(frame.GetOutcomes()) > 0 {
			return frame.GetOutcomes()[0]
		}
	}
}

func run(token string) *pluginv1.Run {
	return &pluginv1.Run{Token: token, Job: &pluginv1.Job{Id: "a-" + token, Lane: pluginv1.Lane_LANE_NORMAL, Data: []byte("1234")}}
}

type runner func(ctx context.Context, run *pluginv1.Run) *pluginv1.Outcome

func (r runner) Run(ctx context.Context, run *pluginv1.Run) *pluginv1.Outcome { return r(ctx, run) }

func done(text string) *pluginv1.Outcome {
	return &pluginv1.Outcome{Result: &pluginv1.Outcome_Done{Done: &pluginv1.Done{Data: []byte(text)}}}
}

// untilEnd is a runner that waits for the end of its context and answers the cause.
func untilEnd(ctx context.Context, _ *pluginv1.Run) *pluginv1.Outcome {
	<-ctx.Done()
	return done(context.Cause(ctx).Error())
}

func TestCredit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := serve(t, worker.New(worker.Config{Runner: runner(untilEnd), Jobs: 2, Bytes: 100}))
		if c := (<-p.up).GetCredit(); c.GetJobs() != 2 || c.GetBytes() != 100 {
			t.Errorf("offered: %v", c)
		}
		p.send(run("1"), run("2"))
		p.down <- &pluginv1.WorkRequest{Cancels: []*pluginv1.Cancel{{Token: "1", Reason: "enough"}, {Token: "gone"}}}
		frame := <-p.up
		if c := frame.GetCredit(); c.GetJobs() != 1 || c.GetBytes() != 4 || frame.GetOutcomes()[0].GetToken() != "1" {
			t.Errorf("given back: %v", frame)
		}
		p.send(run("3"))
		p.send(run("4")) // beyond the room
		if err := <-p.served; status.Code(err) != codes.InvalidArgument || !strings.Contains(err.Error(), "beyond the room") {
			t.Errorf("error: %v", err)
		}
	})
}

// TestFrames shows that outcomes that wait share a frame.
func TestFrames(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		gate := make(chan struct{})
		p := serve(t, worker.New(worker.Config{Runner: runner(func(context.Context, *pluginv1.Run) *pluginv1.Outcome {
			<-gate
			return done("ok")
		})}))
		<-p.up
		// Fill the host's end, so that the sender is held up while the other runs end.
		for range cap(p.up) {
			p.up <- nil
		}
		for i := range 50 {
			p.send(run(fmt.Sprint(i)))
		}
		close(gate)
		synctest.Wait()
		for range cap(p.up) {
			<-p.up
		}
		frames, outcomes := 0, 0
		for outcomes < 50 {
			outcomes += len((<-p.up).GetOutcomes())
			frames++
		}
		if frames > 2 {
			t.Errorf("%d frames for 50 outcomes", frames)
		}
		p.cancel()
		p.ended(t)
	})
}

func TestContextEnds(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		end  func(p *pipe)
		want error
		text string
	}{
		"cancel": {end: func(p *pipe) {
			p.send(run("1"))
			p.down <- &pluginv1.WorkRequest{Cancels: []*pluginv1.Cancel{{Token: "1", Reason: "the caller has gone"}}}
		}, want: worker.ErrCancelled, text: "the caller has gone"},
		"deadline": {end: func(p *pipe) {
			r := run("1")
			r.Deadline = timestamppb.New(time.Now().Add(time.Minute))
			p.send(r)
		}, want: worker.ErrDeadline},
		"lease":  {end: func(p *pipe) { p.send(run("1")); p.lease(30 * time.Second) }, want: worker.ErrLapsed},
		"break":  {end: func(p *pipe) { p.send(run("1")); synctest.Wait(); p.cancel() }, want: worker.ErrBroken},
		"closed": {end: func(p *pipe) { p.send(run("1")); synctest.Wait(); close(p.down) }, want: worker.ErrBroken},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				cause := make(chan error, 1)
				p := serve(t, worker.New(worker.Config{Runner: runner(func(ctx context.Context, _ *pluginv1.Run) *pluginv1.Outcome {
					<-ctx.Done()
					cause <- context.Cause(ctx)
					return done("")
				})}))
				c.end(p)
				if err := <-cause; !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.text) {
					t.Errorf("cause: %v", err)
				}
				p.cancel()
				p.ended(t)
			})
		})
	}
}

func TestLease(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		asks := make(chan chan error)
		p := serve(t, worker.New(worker.Config{Runner: runner(func(ctx context.Context, r *pluginv1.Run) *pluginv1.Outcome {
			current, _ := runctx.From(ctx)
			if current.Token != r.GetToken() || current.Job != r.GetJob().GetId() {
				t.Errorf("the context carries %v", current)
			}
			for ask := range asks {
				ask <- current.Live()
			}
			return done("")
		})}))
		live := func() error {
			answer := make(chan error)
			asks <- answer
			return <-answer
		}
		p.lease(10 * time.Second)
		p.send(run("1"))
		for range 5 { // extended in time, it goes on
			<-time.After(9 * time.Second) // by the bubble's clock
			if err := live(); err != nil {
				t.Fatal(err)
			}
			p.lease(10 * time.Second)
		}
		<-time.After(10 * time.Second)
		if err := live(); !errors.Is(err, worker.ErrLapsed) {
			t.Errorf("after the end: %v", err)
		}
		p.send(run("2")) // does not begin
		if retry := p.outcome().GetRetry(); retry.GetCost() != pluginv1.Cost_COST_NONE || !strings.Contains(retry.GetReason(), "lease") {
			t.Errorf("a run after the end: %v", retry)
		}
		p.lease(10 * time.Second)
		synctest.Wait()
		if err := live(); !errors.Is(err, worker.ErrLapsed) {
			t.Errorf("the run that lost its lease lives again: %v", err)
		}
		close(asks)
		p.outcome()
		p.send(run("3"))
		if out := p.outcome(); out.GetDone() == nil {
			t.Errorf("a run under the new lease: %v", out)
		}
		close(p.down)
		if err := <-p.served; err != nil {
			t.Error(err)
		}
	})
}

func TestDrain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		gate := make(chan struct{})
		w := worker.New(worker.Config{Runner: runner(func(context.Context, *pluginv1.Run) *pluginv1.Outcome {
			<-gate
			return done("ok")
		})})
		p := serve(t, w)
		p.send(run("1"))
		synctest.Wait()
		short, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := w.Drain(short); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("drained with a run in flight: %v", err)
		}
		p.send(run("2"))
		if out := p.outcome(); out.GetToken() != "2" || out.GetRetry().GetCost() != pluginv1.Cost_COST_NONE {
			t.Errorf("a run while it drains: %v", out)
		}
		drained := make(chan error)
		go func() { drained <- w.Drain(t.Context()) }()
		close(gate)
		if err := <-drained; err != nil {
			t.Error(err)
		}
		if out := p.outcome(); out.GetToken() != "1" || out.GetDone() == nil {
			t.Errorf("drained before the outcome was sent: %v", out)
		}
		p.cancel()
		p.ended(t)
		if err := w.Drain(t.Context()); err != nil {
			t.Errorf("without a stream: %v", err)
		}
	})
}

// TestOneStream shows that a second stream waits for the runs of the first, even when they ignore their context.
func TestOneStream(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		gate := make(chan struct{})
		var runs atomic.Int32
		w := worker.New(worker.Config{Runner: runner(func(context.Context, *pluginv1.Run) *pluginv1.Outcome {
			runs.Add(1)
			<-gate
			return done("")
		})})
		first := serve(t, w)
		first.send(run("1"))
		synctest.Wait()
		first.cancel()
		second := serve(t, w)
		if err := <-second.served; status.Code(err) != codes.FailedPrecondition {
			t.Errorf("the second stream: %v", err)
		}
		close(gate)
		first.ended(t)
		third := serve(t, w)
		third.send(run("1"))
		third.outcome()
		third.cancel()
		third.ended(t)
		if n := runs.Load(); n != 2 {
			t.Errorf("%d runs", n)
		}
	})
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	strange := run("1")
	strange.ProtoReflect().SetUnknown(protowire.AppendVarint(protowire.AppendTag(nil, 33, protowire.VarintType), 1))
	for want, frame := range map[string]*pluginv1.WorkRequest{
		"field 33 of bulkhead.plugin.v1.Run": {Runs: []*pluginv1.Run{strange}},
		"in flight already":                  {Runs: []*pluginv1.Run{run("1"), run("1")}},
		"without a token":                    {Runs: []*pluginv1.Run{run("")}},
		"without a job":                      {Runs: []*pluginv1.Run{{Token: "1"}}},
		"lease:":                             {Lease: &pluginv1.Lease{}},
	} {
		t.Run(want, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				p := serve(t, worker.New(worker.Config{Runner: runner(untilEnd)}))
				p.down <- frame
				if err := <-p.served; status.Code(err) != codes.InvalidArgument || !strings.Contains(err.Error(), want) {
					t.Errorf("error: %v", err)
				}
			})
		})
	}
}

func TestOutcomesThatDoNotGo(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		out  *pluginv1.Outcome
		want string
	}{
		"none":      {nil, "the plugin gave no outcome"},
		"too large": {done(strings.Repeat("x", 17<<20)), "a message carries"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				p := serve(t, worker.New(worker.Config{Runner: runner(func(context.Context, *pluginv1.Run) *pluginv1.Outcome { return c.out })}))
				p.send(run("1"))
				out := p.outcome()
				if out.GetToken() != "1" || !strings.Contains(out.GetRetry().GetReason()+out.GetReject().GetReason(), c.want) {
					t.Errorf("outcome: %v", out)
				}
				p.cancel()
				p.ended(t)
			})
		})
	}
}
