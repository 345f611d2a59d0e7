package launch

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	"bulkhead.dev/sdk/pluginv1"
	"bulkhead.dev/sdk/wire"
)

// Errors of Send.
var (
	// ErrNoCredit says that the plugin has no room for the run now; Changed tells when to try again.
	ErrNoCredit = errors.New("the plugin has no room for another run")
	// ErrClosed says that the stream has ended.
	ErrClosed = errors.New("the work stream is closed")
	// ErrTooLarge says that the run is larger than what the plugin receives. No room will change that.
	ErrTooLarge = errors.New("the run is larger than the plugin receives")
)

// messageSlack is what a frame needs beside its runs.
const messageSlack = 64 << 10

// Work is one open stream: runs go down, outcomes come up, many in flight. It is the mirror of sdk/internal/worker.
// When it ends (Done), every run in flight is interrupted: no outcome comes for it any more.
//
// One goroutine sends, and puts what waits into one frame; one receives and calls back; one watches the process. All
// end with the stream. What waits to be sent is bounded by the room that the plugin offered.
type Work struct {
	plugin    *Plugin
	ctx       context.Context // the stream's life
	stream    grpc.BidiStreamingClient[pluginv1.WorkRequest, pluginv1.WorkResponse]
	cancel    context.CancelCauseFunc
	onOutcome func(*pluginv1.Outcome)
	limit     int // bytes of one message

	wake    chan struct{} // something waits to be sent
	changed chan struct{}
	done    chan struct{}

	mu       sync.Mutex
	runs     []*pluginv1.Run
	cancels  []*pluginv1.Cancel
	lease    *pluginv1.Lease
	inFlight map[string]bool // token -> a cancel was sent
	jobs     int
	bytes    int64
	idle     []chan struct{} // closed when nothing is in flight
	err      error
}

// Work opens a stream; ctx bounds its life. onOutcome gets each outcome, one call at a time, in the order of their
// arrival; while it runs no other outcome is received, and it must not call Close. Only outcomes of runs in flight
// come, once each. One that the contract does not allow comes as a reject that names its fault.
func (p *Plugin) Work(ctx context.Context, onOutcome func(*pluginv1.Outcome)) (*Work, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	stream, err := pluginv1.NewPluginServiceClient(p.conn).Work(ctx)
	if err != nil {
		cancel(err)
		return nil, p.failed("work", err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	w := &Work{
		plugin: p, ctx: ctx, stream: stream, cancel: cancel, onOutcome: onOutcome, limit: p.receives(),
		wake: make(chan struct{}, 1), changed: make(chan struct{}, 1), done: make(chan struct{}),
		inFlight: map[string]bool{},
	}
	p.work = append(p.work, w)
	go w.live()
	return w, nil
}

// receives is the plugin's message limit.
func (p *Plugin) receives() int {
	if p.maxReceive > 0 {
		return int(min(p.maxReceive, wire.MaxMessageBytes))
	}
	return wire.MaxMessageBytes
}

// streams answers the open ones.
func (p *Plugin) streams() []*Work {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.work)
}

// Send puts run into the next frame. It does not wait: ErrNoCredit says that the plugin has no room, ErrTooLarge that
// it never will, ErrClosed that the stream has ended. The run must not be changed after.
//
// A run whose data is larger than all the room in bytes goes when nothing else is in flight.
func (w *Work) Send(run *pluginv1.Run) error {
	held := wire.Held(run)
	if size := proto.Size(run); size > w.limit-min(messageSlack, w.limit/8) {
		return fmt.Errorf("run %s of %d bytes: %w", run.GetToken(), size, ErrTooLarge)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err != nil {
		return fmt.Errorf("%w: %w", ErrClosed, w.err)
	}
	if _, ok := w.inFlight[run.GetToken()]; ok || run.GetToken() == "" {
		return fmt.Errorf("run token %q is empty or in flight already", run.GetToken())
	}
	if w.jobs <= 0 || held > w.bytes && len(w.inFlight) > 0 {
		return ErrNoCredit
	}
	w.jobs--
	w.bytes -= held
	w.inFlight[run.GetToken()] = false
	w.runs = append(w.runs, run)
	signal(w.wake)
	return nil
}

// Cancel asks the plugin to end a run's context; reason goes to its log. The outcome comes all the same. It does
// nothing for a run that is not in flight or was cancelled already.
func (w *Work) Cancel(token, reason string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if cancelled, ok := w.inFlight[token]; !ok || cancelled || w.err != nil {
		return
	}
	w.inFlight[token] = true
	w.cancels = append(w.cancels, &pluginv1.Cancel{Token: token, Reason: reason})
	signal(w.wake)
}

// Lease tells the plugin how long it may go on working from now; the newest word counts.
func (w *Work) Lease(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lease = &pluginv1.Lease{Remaining: durationpb.New(d)}
	signal(w.wake)
}

// Free is the room that is left: runs, and bytes of their data.
func (w *Work) Free() (jobs int, bytes int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.jobs, max(w.bytes, 0)
}

// InFlight is how many runs were sent whose outcome has not been handled.
func (w *Work) InFlight() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.inFlight)
}

// Changed gets a value when room came back. It holds one, for one reader.
func (w *Work) Changed() <-chan struct{} { return w.changed }

// Done is closed when the stream has ended and the last callback has returned.
func (w *Work) Done() <-chan struct{} { return w.done }

// Err says why the stream ended; nil while it is open. It wraps ErrClosed after Close, ErrGone when the process died,
// ErrRefused when the plugin broke the contract, and the cause of Work's context when that ended.
func (w *Work) Err() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.err
}

// Close ends the stream and waits for its goroutines; runs in flight are interrupted.
func (w *Work) Close() {
	w.cancel(ErrClosed)
	<-w.done
}

// empty waits until nothing is in flight or the stream has ended.
func (w *Work) empty(ctx context.Context) error {
	w.mu.Lock()
	if len(w.inFlight) == 0 {
		w.mu.Unlock()
		return nil
	}
	idle := make(chan struct{})
	w.idle = append(w.idle, idle)
	w.mu.Unlock()
	select {
	case <-idle:
		return nil
	case <-w.done:
		return w.Err()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// signal puts a value into a channel of one, unless one is there.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
