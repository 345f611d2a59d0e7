package bench_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"bulkhead.dev/host/internal/dispatch"
	"bulkhead.dev/host/internal/queue"
	"bulkhead.dev/host/internal/supervisor"
	"bulkhead.dev/host/internal/telemetry"
	"bulkhead.dev/sdk/pluginv1"
)

// slots is how many jobs run at once.
const slots = 256

// BenchmarkDrain measures the whole way of jobs: enqueued by callers who wait, read, run, settled with their result.
// "queue" reads and settles with nothing between, "dispatch" is the host's loop with a worker that answers in this
// process, "plugin" has the example plugin as a process of its own.
func BenchmarkDrain(b *testing.B) {
	b.Run("queue", func(b *testing.B) { benchDrain(b, startReader) })
	b.Run("dispatch", func(b *testing.B) {
		benchDrain(b, func(b *testing.B, q *queue.Queue, settled func()) {
			m := &pluginv1.Manifest{Name: "echo", Version: "1.0.0"}
			startLoop(b, q, m, instantWorker{}, settled)
		})
	})
	b.Run("plugin", func(b *testing.B) {
		benchDrain(b, func(b *testing.B, q *queue.Queue, settled func()) {
			d := startPlugin(b)
			startLoop(b, q, d.Info().Manifest, d, settled)
		})
	})
}

// benchDrain enqueues b.N jobs and waits until all are settled; start begins what drains the queue.
func benchDrain(b *testing.B, start func(b *testing.B, q *queue.Queue, settled func())) {
	b.Helper()
	q, socket := openQueue(b)
	var ended atomic.Int64
	all := make(chan struct{})
	goal := int64(b.N)
	start(b, q, func() {
		if ended.Add(1) == goal {
			close(all)
		}
	})
	data := fmt.Appendf(nil, `{"text":%q}`, strings.Repeat("A line of a comment that somebody typed. ", 50))
	b.ResetTimer()
	reportRedis := redisTime(b, socket)
	report := processorTime(b)
	var next atomic.Int64
	var enqueued sync.WaitGroup
	for range callers {
		enqueued.Go(func() {
			for i := next.Add(1); i <= goal; i = next.Add(1) {
				if err := enqueue(b.Context(), q, i, data); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	enqueued.Wait()
	if !b.Failed() {
		<-all
	}
	b.StopTimer()
	report()
	reportRedis()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "jobs/s")
}

func enqueue(ctx context.Context, q *queue.Queue, i int64, data []byte) error {
	id := fmt.Sprintf("echo-%026d", i)
	request := fmt.Sprintf("%s-%026d", node, i)
	envelope, err := proto.Marshal(&pluginv1.Job{
		Id: id, Type: "echo.say", Source: "bench", RequestId: request, Data: data, Datacontenttype: "application/json",
		Lane: pluginv1.Lane_LANE_NORMAL,
	})
	if err != nil {
		return err
	}
	_, err = q.Enqueue(ctx, queue.Job{Instance: "echo", ID: id, Type: "echo.say", RequestID: request, Envelope: envelope})
	return err
}

// background runs a role until the benchmark ends.
func background(b *testing.B, role func(ctx context.Context) error) {
	b.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := role(ctx); err != nil {
			b.Error(err)
		}
	}()
	b.Cleanup(func() {
		cancel()
		<-done
	})
}

// startReader drains the queue without the host's loop.
func startReader(b *testing.B, q *queue.Queue, settled func()) {
	d, err := q.Domain("echo", queue.DomainOptions{})
	if err != nil {
		b.Fatal(err)
	}
	background(b, d.Run)
	background(b, func(ctx context.Context) error {
		free := make(chan struct{}, slots)
		var runs sync.WaitGroup
		defer runs.Wait()
		for ctx.Err() == nil {
			list, err := d.Read(ctx, slots-len(free))
			if err != nil && !errors.Is(err, context.Canceled) {
				return err
			}
			for _, delivery := range list {
				free <- struct{}{}
				runs.Go(func() {
					_, err := d.Settle(context.WithoutCancel(ctx), queue.Settlement{
						Token: delivery.Token(), Kind: queue.Done, Result: delivery.Envelope,
					})
					if err != nil {
						b.Error(err)
					}
					<-free
					settled()
				})
			}
			if len(free) == slots {
				free <- struct{}{} // wait for room
				<-free
			}
		}
		return nil
	})
}

// counting tells when a run was settled, beside the host's own metrics.
type counting struct {
	*telemetry.Metrics
	settled func()
}

// Settled implements dispatch.Recorder.
func (c counting) Settled(instance string, won bool) {
	c.Metrics.Settled(instance, won)
	c.settled()
}

func startLoop(b *testing.B, q *queue.Queue, m *pluginv1.Manifest, worker dispatch.Worker, settled func()) {
	b.Helper()
	loop, err := dispatch.New(dispatch.Config{
		Instance: "echo", Manifest: m, Operator: &pluginv1.Policy{Concurrency: slots}, Worker: worker,
		Open: func(reserve int, cancel func(token, reason string)) (dispatch.Domain, error) {
			return q.Domain("echo", queue.DomainOptions{
				Reserve: reserve, Router: dispatch.Router{Subscriptions: q}, Cancel: cancel,
			})
		},
		Recorder: counting{telemetry.NewMetrics(), settled}, Lease: 4 * time.Second, Grace: grace, Log: hostLog(b),
	})
	if err != nil {
		b.Fatal(err)
	}
	background(b, loop.Run)
}

// instantWorker answers each run at once with its data.
type instantWorker struct{ dispatch.Worker }

// Free implements dispatch.Worker.
func (instantWorker) Free() int { return slots }

// Room implements dispatch.Worker: the loop's own limit was reached, and runs end soon.
func (instantWorker) Room(ctx context.Context, _ time.Duration) {
	timer := time.NewTimer(100 * time.Microsecond)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// Start implements dispatch.Worker.
func (instantWorker) Start(run *pluginv1.Run, done func(supervisor.Ended)) error {
	done(supervisor.Ended{Outcome: &pluginv1.Outcome{
		Token: run.GetToken(), Result: &pluginv1.Outcome_Done{Done: &pluginv1.Done{Data: run.GetJob().GetData()}},
	}})
	return nil
}

// Lease implements dispatch.Worker.
func (instantWorker) Lease(time.Duration) {}

// startPlugin starts the example plugin as the host does.
func startPlugin(b *testing.B) *supervisor.Domain {
	b.Helper()
	ready := make(chan struct{}, 100)
	s := supervisor.New(supervisor.Config{
		Binaries: []supervisor.Binary{{Instance: "echo", Path: echoPlugin(b)}}, RunDir: shortDir(b), PublicURL: "http://127.0.0.1",
		Version: "0.1.0", State: noState{},
		Settings: func(string, []byte) (supervisor.Settings, error) {
			return supervisor.Settings{JSON: []byte(`{"secret":"` + secret + `"}`)}, nil
		},
		Changed: func(*supervisor.Domain) {
			select {
			case ready <- struct{}{}:
			default:
			}
		},
		StartTimeout: func(string) time.Duration { return 30 * time.Second },
		HungAfter:    func(string) time.Duration { return time.Minute },
		Grace:        grace, Log: hostLog(b),
	})
	background(b, s.Run)
	d := s.Domains()[0]
	for d.Info().State != supervisor.StateReady {
		select {
		case <-ready:
		case <-time.After(time.Minute):
			b.Fatalf("the plugin is %s: %s", d.Info().State, d.Info().Reason)
		}
	}
	return d
}

// noState refuses everything; echo keeps none.
type noState struct{}

var errNoState = errors.New("this benchmark has no state")

// ReadState implements supervisor.State.
func (noState) ReadState(context.Context, string, *pluginv1.ReadStateRequest) (*pluginv1.ReadStateResponse, error) {
	return nil, errNoState
}

// ScanState implements supervisor.State.
func (noState) ScanState(context.Context, string, *pluginv1.ScanStateRequest) (*pluginv1.ScanStateResponse, error) {
	return nil, errNoState
}

// CommitState implements supervisor.State.
func (noState) CommitState(context.Context, string, *pluginv1.CommitStateRequest) (*pluginv1.CommitStateResponse, error) {
	return nil, errNoState
}

func grace() time.Duration { return time.Second }
