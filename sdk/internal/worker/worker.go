// Package worker is the plugin's half of Work: it offers room, takes runs, gives each a context that ends with its
// deadline, a cancel, the lease or the stream, and sends the outcomes up, those that wait in one frame. It is the
// mirror of sdk/launch's Work. What a job means is the Runner's matter; how the process came to serve is sdk.Serve's.
//
// One stream at a time: Work returns when its stream has ended and every run of it has returned, so that two hosts,
// or two streams of one, never have the same process work for both.
package worker

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/hashicorp/go-hclog"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"bulkhead.dev/sdk/pluginv1"
)

// Causes of a run's end, as context.Cause tells them.
var (
	// ErrDeadline says that the run's time is over.
	ErrDeadline = errors.New("the run's deadline has passed")
	// ErrCancelled says that the host took the run back; the cause names its reason too.
	ErrCancelled = errors.New("the host cancelled the run")
	// ErrLapsed says that the host has not extended the lease: it may have given the job to another node.
	ErrLapsed = errors.New("the lease has ended")
	// ErrBroken says that the stream to the host has ended.
	ErrBroken = errors.New("the connection to the host has ended")
)

// Room that is offered where Config names none.
const (
	DefaultJobs  = 256
	DefaultBytes = 64 << 20
)

// Runner does one run. It always answers, whatever the job's handler does; ctx carries a runctx.Run.
type Runner interface {
	Run(ctx context.Context, run *pluginv1.Run) *pluginv1.Outcome
}

// Config is what a Worker needs.
type Config struct {
	// Runner does the runs.
	Runner Runner
	// Jobs and Bytes are the room that is offered: runs at once, and bytes of their data. They protect this process;
	// how many jobs of a domain run at once is the host's to keep. 0: the defaults.
	Jobs  int
	Bytes int64
	// Logger is for what happens to runs from outside; nil: nothing.
	Logger hclog.Logger
}

// Worker takes the runs of one process. Make it with New.
type Worker struct {
	cfg Config

	mu       sync.Mutex
	session  *session      // the open stream
	draining bool          // for good
	settled  chan struct{} // closed and made anew whenever an outcome was sent or a stream has ended
}

// New returns a Worker; nothing runs before Work.
func New(cfg Config) *Worker {
	if cfg.Jobs <= 0 {
		cfg.Jobs = DefaultJobs
	}
	if cfg.Bytes <= 0 {
		cfg.Bytes = DefaultBytes
	}
	if cfg.Logger == nil {
		cfg.Logger = hclog.NewNullLogger()
	}
	return &Worker{cfg: cfg, settled: make(chan struct{})}
}

// Work serves one stream until it ends, then cancels what still runs and waits for it.
func (w *Worker) Work(stream grpc.BidiStreamingServer[pluginv1.WorkRequest, pluginv1.WorkResponse]) error {
	s := newSession(w, stream)
	defer s.cancel(ErrBroken)
	w.mu.Lock()
	if w.session != nil {
		w.mu.Unlock()
		return status.Error(codes.FailedPrecondition, "another work stream is open, or runs of one that broke have not returned yet")
	}
	w.session = s
	w.mu.Unlock()

	err := s.serve()

	w.mu.Lock()
	w.session = nil
	w.progress()
	w.mu.Unlock()
	return err
}

// Drain takes no new run from now on, for good, and returns when the outcomes of those in flight have been sent, or
// with ctx.
func (w *Worker) Drain(ctx context.Context) error {
	for {
		w.mu.Lock()
		w.draining = true
		s, settled := w.session, w.settled
		w.mu.Unlock()
		if s == nil || s.unsettled() == 0 {
			return nil
		}
		select {
		case <-settled:
		case <-ctx.Done():
			return fmt.Errorf("drain: %d runs in flight: %w", s.unsettled(), context.Cause(ctx))
		}
	}
}

// progress wakes Drain; w.mu is held.
func (w *Worker) progress() {
	close(w.settled)
	w.settled = make(chan struct{})
}

func (w *Worker) isDraining() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.draining
}
