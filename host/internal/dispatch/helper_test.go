package dispatch_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"go.uber.org/goleak"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	"bulkhead.dev/host/internal/dispatch"
	"bulkhead.dev/host/internal/queue"
	"bulkhead.dev/host/internal/supervisor"
	"bulkhead.dev/sdk/pluginv1"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	acme = "acme"
	// patience is how long a test waits for what must come.
	patience = 20 * time.Second
	lease    = 2 * time.Second
)

// eventually waits until a condition holds.
func eventually(t testing.TB, what string, cond func() bool) {
	t.Helper()
	tick := time.NewTicker(3 * time.Millisecond)
	defer tick.Stop()
	end := time.NewTimer(patience)
	defer end.Stop()
	for !cond() {
		select {
		case <-tick.C:
		case <-end.C:
			t.Fatalf("did not happen: %s", what)
		}
	}
}

// started is a run that the scripted worker has been given.
type started struct {
	*pluginv1.Run
	alone bool

	w         *worker
	done      func(supervisor.Ended)
	cancelled chan string
}

// end answers the run; false when it was forgotten.
func (s *started) end(e supervisor.Ended) bool {
	if !s.w.remove(s) {
		return false
	}
	s.done(e)
	s.w.wake()
	return true
}

func (s *started) outcome(o *pluginv1.Outcome) bool {
	o.Token = s.GetToken()
	return s.end(supervisor.Ended{Outcome: o})
}

func (s *started) succeed(emits ...*pluginv1.Emit) bool {
	return s.outcome(&pluginv1.Outcome{
		Result: &pluginv1.Outcome_Done{Done: &pluginv1.Done{Data: []byte(`"` + s.GetJob().GetId() + `"`)}}, Emits: emits,
	})
}

func (s *started) retry(r *pluginv1.Retry) bool {
	return s.outcome(&pluginv1.Outcome{Result: &pluginv1.Outcome_Retry{Retry: r}})
}

func (s *started) die() { s.end(supervisor.Ended{Died: true, Reason: "exit status 3"}) }

// worker is the scripted plugin process: the test takes each run from it and answers it.
type worker struct {
	starts  chan *started
	changed chan struct{}
	// refuse may refuse a start; guarded by mu.
	refuse func(run *pluginv1.Run, alone bool) error

	mu       sync.Mutex
	credits  int
	runs     map[string]*started
	leases   []time.Duration
	mostSolo int
}

var _ dispatch.Worker = (*worker)(nil)

func newWorker(credits int) *worker {
	return &worker{starts: make(chan *started, 256), changed: make(chan struct{}, 1), credits: credits, runs: map[string]*started{}}
}

func (w *worker) wake() {
	select {
	case w.changed <- struct{}{}:
	default:
	}
}

func (w *worker) Free() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.credits
}

func (w *worker) Room(ctx context.Context, atMost time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, atMost)
	defer cancel()
	select {
	case <-ctx.Done():
	case <-w.changed:
	}
}

func (w *worker) Start(run *pluginv1.Run, done func(supervisor.Ended)) error {
	return w.add(run, done, false)
}

func (w *worker) StartAlone(_ context.Context, run *pluginv1.Run, done func(supervisor.Ended)) error {
	return w.add(run, done, true)
}

func (w *worker) add(run *pluginv1.Run, done func(supervisor.Ended), alone bool) error {
	w.mu.Lock()
	refuse := w.refuse
	w.mu.Unlock()
	if refuse != nil {
		if err := refuse(run, alone); err != nil {
			return err
		}
	}
	s := &started{Run: run, alone: alone, w: w, done: done, cancelled: make(chan string, 8)}
	w.mu.Lock()
	w.runs[run.GetToken()] = s
	if alone {
		solo := 0
		for _, other := range w.runs {
			if other.alone {
				solo++
			}
		}
		w.mostSolo = max(w.mostSolo, solo)
	} else {
		w.credits--
	}
	w.mu.Unlock()
	w.starts <- s
	return nil
}

func (w *worker) remove(s *started) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !s.alone {
		w.credits++ // a process gives the room back when the run ends, forgotten or not
	}
	if w.runs[s.GetToken()] != s {
		return false
	}
	delete(w.runs, s.GetToken())
	return true
}

func (w *worker) Cancel(token, reason string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if s := w.runs[token]; s != nil {
		s.cancelled <- reason
	}
}

func (w *worker) Forget(token string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	_, there := w.runs[token]
	delete(w.runs, token)
	return there
}

func (w *worker) Lease(remaining time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.leases = append(w.leases, remaining)
}

func (w *worker) refusing(refuse func(run *pluginv1.Run, alone bool) error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.refuse = refuse
}

func (w *worker) inFlight() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.runs)
}

// next is the next run that begins.
func (w *worker) next(t testing.TB) *started {
	t.Helper()
	select {
	case s := <-w.starts:
		return s
	case <-time.After(patience):
		t.Fatal("no run began")
		return nil
	}
}

// recorder counts what the loop tells it.
type recorder struct {
	mu       sync.Mutex
	outcomes map[string]int
	flying   int
}

func (r *recorder) Run(_, _, outcome string, _ time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.outcomes == nil {
		r.outcomes = map[string]int{}
	}
	r.outcomes[outcome]++
}

func (r *recorder) Settled(string, bool) {}

func (r *recorder) Flying(_ string, change int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.flying += change
}

func (r *recorder) inFlight() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.flying
}

func (r *recorder) count(outcome string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.outcomes[outcome]
}

// rig is an embedded queue with the loop of one instance.
type rig struct {
	t      *testing.T
	q      *queue.Queue
	w      *worker
	rec    *recorder
	policy *pluginv1.Policy
	// manifest and config may be changed before the loop starts.
	manifest *pluginv1.Manifest
	config   dispatch.Config
}

func newRig(t *testing.T, credits int) *rig {
	t.Helper()
	q, err := queue.Open(t.Context(), queue.Config{Node: "node0001", Lease: lease})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := q.Close(); err != nil {
			t.Error(err)
		}
	})
	r := &rig{t: t, q: q, w: newWorker(credits), rec: &recorder{}}
	r.policy = &pluginv1.Policy{
		Concurrency: 8, MaxAttempts: 3, Timeout: durationpb.New(time.Minute),
		Backoff: durationpb.New(time.Millisecond), MaxBackoff: durationpb.New(2 * time.Millisecond),
	}
	r.manifest = &pluginv1.Manifest{Name: acme, Version: "1.0.0", Facts: []string{"acme.order.paid"}, Policy: r.policy}
	r.config = dispatch.Config{
		Instance: acme, Worker: r.w, Recorder: r.rec, Lease: lease, Overtime: 20 * time.Millisecond,
		Grace: func() time.Duration { return patience }, Log: hclog.NewNullLogger(),
	}
	return r
}

// try makes the loop and says why it can't be made.
func (r *rig) try() error {
	_, err := r.loop()
	return err
}

func (r *rig) loop() (*dispatch.Loop, error) {
	cfg := r.config
	cfg.Manifest = r.manifest
	cfg.Open = func(reserve int, cancel func(token, reason string)) (dispatch.Domain, error) {
		return r.q.Domain(cfg.Instance, queue.DomainOptions{
			Reserve: reserve, Router: dispatch.Router{Subscriptions: r.q}, Cancel: cancel,
		})
	}
	return dispatch.New(cfg)
}

// start runs the loop until stop is called or the test ends.
func (r *rig) start() (stop func()) {
	r.t.Helper()
	l, err := r.loop()
	if err != nil {
		r.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := l.Run(ctx); err != nil {
			r.t.Error(err)
		}
	}()
	stop = func() { cancel(); <-ended }
	r.t.Cleanup(func() {
		cancel()
		for {
			select {
			case <-ended:
				return
			case s := <-r.w.starts: // what the test has not answered
				s.succeed()
			}
		}
	})
	return stop
}

// put enqueues the nth job.
func (r *rig) put(n int, change ...func(*queue.Job, *pluginv1.Job)) string {
	r.t.Helper()
	id := fmt.Sprintf("acme-%04d", n)
	envelope := &pluginv1.Job{Id: id, Type: "acme.event", RequestId: "node0001-" + id, Data: []byte("{}")}
	job := queue.Job{Instance: acme, ID: id, Type: "acme.event", RequestID: envelope.GetRequestId()}
	for _, c := range change {
		c(&job, envelope)
	}
	var err error
	if job.Envelope, err = proto.Marshal(envelope); err != nil {
		r.t.Fatal(err)
	}
	if _, err := r.q.Enqueue(r.t.Context(), job); err != nil {
		r.t.Fatal(err)
	}
	return id
}

// await waits until the job is in a state and returns its status.
func (r *rig) await(id string, want queue.State) queue.Status {
	r.t.Helper()
	var last queue.Status
	end := time.Now().Add(patience)
	eventually(r.t, fmt.Sprintf("%s is %s", id, want), func() bool {
		s, err := r.q.Status(context.Background(), id)
		if err != nil && !errors.Is(err, queue.ErrNotFound) {
			r.t.Fatal(err)
		}
		if last = s; s.State.Ended() && s.State != want || time.Now().After(end) {
			r.t.Fatalf("%s is %s (%s), want %s", id, s.State, s.Reason, want)
		}
		return s.State == want
	})
	return last
}
