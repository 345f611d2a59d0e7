package queue_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"bulkhead.dev/host/internal/queue"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is how long a test waits for what must come.
const patience = 15 * time.Second

// lease is short, so that takeovers are soon; long enough for two busy cores under the race detector.
const lease = 400 * time.Millisecond

// server is a redis-server of one test's own.
type server struct {
	t      testing.TB
	socket string
	args   []string
	cmd    *exec.Cmd
	client *redis.Client
}

func startServer(t testing.TB, args ...string) *server {
	t.Helper()
	dir, err := os.MkdirTemp("", "bhq") // short: a socket's path is bounded
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	s := &server{t: t, socket: filepath.Join(dir, "r"), args: append([]string{
		"--port", "0", "--save", "", "--appendonly", "no", "--dir", dir, "--unixsocket", filepath.Join(dir, "r"), "--loglevel", "warning",
	}, args...)}
	s.client = redis.NewClient(&redis.Options{Network: "unix", Addr: s.socket, MaxRetries: -1, Protocol: 2, DisableIdentity: true})
	t.Cleanup(func() { _ = s.client.Close() })
	s.start()
	t.Cleanup(s.kill)
	return s
}

func (s *server) start() {
	s.t.Helper()
	s.cmd = exec.Command("redis-server", s.args...)
	if err := s.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	eventually(s.t, "redis-server answers", func() bool {
		return s.client.Ping(context.Background()).Err() == nil
	})
}

func (s *server) kill() {
	_ = s.cmd.Process.Kill()
	_ = s.cmd.Wait()
}

func (s *server) signal(sig syscall.Signal) {
	if err := s.cmd.Process.Signal(sig); err != nil {
		s.t.Error(err)
	}
}

func (s *server) url() string { return "unix://" + s.socket }

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

// rig is one driver: where the nodes of a test connect to.
type rig struct {
	t     testing.TB
	real  *server // nil on the embedded queue
	first *queue.Queue
	nodes atomic.Int32
}

// onBoth runs a test of the driver suite on the embedded queue and on a real server.
func onBoth(t *testing.T, test func(t *testing.T, r *rig)) {
	t.Helper()
	t.Parallel()
	t.Run("embedded", func(t *testing.T) {
		t.Parallel()
		test(t, &rig{t: t})
	})
	t.Run("redis", func(t *testing.T) {
		t.Parallel()
		test(t, &rig{t: t, real: startServer(t)})
	})
}

func onReal(t *testing.T) *rig {
	t.Helper()
	t.Parallel()
	return &rig{t: t, real: startServer(t)}
}

// node opens the queue of one more node.
func (r *rig) node(change ...func(*queue.Config)) *queue.Queue {
	r.t.Helper()
	cfg := queue.Config{Node: fmt.Sprintf("node%04d", r.nodes.Add(1)), Lease: lease}
	if r.real != nil {
		cfg.URL = r.real.url()
	} else if r.first != nil {
		cfg = queue.Beside(cfg, r.first)
	}
	for _, c := range change {
		c(&cfg)
	}
	q, err := queue.Open(context.Background(), cfg)
	if err != nil {
		r.t.Fatal(err)
	}
	if r.first == nil {
		r.first = q
	}
	r.t.Cleanup(func() {
		if err := q.Close(); err != nil {
			r.t.Error(err)
		}
	})
	return q
}

// reader is a domain that runs.
type reader struct {
	*queue.Domain
	t    testing.TB
	stop func()
}

const acme = "acme"

func read(t testing.TB, q *queue.Queue, change ...func(*queue.DomainOptions)) *reader {
	t.Helper()
	var opts queue.DomainOptions
	for _, c := range change {
		c(&opts)
	}
	d, err := q.Domain(acme, opts)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := d.Run(ctx); err != nil {
			t.Error(err)
		}
	}()
	r := &reader{Domain: d, t: t, stop: func() { cancel(); <-done }}
	t.Cleanup(r.stop)
	return r
}

// next reads until n runs have begun.
func (r *reader) next(n int) []queue.Delivery {
	r.t.Helper()
	var got []queue.Delivery
	eventually(r.t, fmt.Sprintf("%d runs begin", n), func() bool {
		list, err := r.Read(context.Background(), n-len(got))
		if err != nil {
			r.t.Logf("read: %v", err)
		}
		got = append(got, list...)
		return len(got) >= n
	})
	return got
}

func (r *reader) one() queue.Delivery {
	r.t.Helper()
	return r.next(1)[0]
}

// none reads a few times and expects nothing to begin.
func (r *reader) none() {
	r.t.Helper()
	for range 3 {
		list, err := r.Read(context.Background(), 10)
		if err != nil {
			r.t.Logf("read: %v", err)
		}
		if len(list) > 0 {
			r.t.Fatalf("began %s, expected nothing", list[0].ID)
		}
	}
}

func (r *reader) end(s queue.Settlement) bool {
	r.t.Helper()
	won, err := r.Settle(context.Background(), s)
	if err != nil {
		r.t.Fatalf("settle: %v", err)
	}
	return won
}

func (r *reader) done(d queue.Delivery) {
	r.t.Helper()
	if !r.end(queue.Settlement{Token: d.Token(), Kind: queue.Done, Result: []byte("result of " + d.ID)}) {
		r.t.Fatalf("%s: the run did not win", d.ID)
	}
}

func job(n int, change ...func(*queue.Job)) queue.Job {
	j := queue.Job{
		Instance: acme, ID: fmt.Sprintf("acme-%04d", n), Type: "acme.event", Envelope: fmt.Appendf(nil, "envelope %d", n),
		RequestID: fmt.Sprintf("node0001-%04d", n),
	}
	for _, c := range change {
		c(&j)
	}
	return j
}

func key(k string) func(*queue.Job) { return func(j *queue.Job) { j.Key = k } }

func put(t testing.TB, q *queue.Queue, j queue.Job) queue.Receipt {
	t.Helper()
	r, err := q.Enqueue(context.Background(), j)
	if err != nil {
		t.Fatalf("enqueue %s: %v", j.ID, err)
	}
	return r
}

func status(t testing.TB, q *queue.Queue, id string) queue.Status {
	t.Helper()
	s, err := q.Status(context.Background(), id)
	if err != nil {
		t.Fatalf("status of %s: %v", id, err)
	}
	return s
}

func wantState(t testing.TB, q *queue.Queue, id string, want queue.State) {
	t.Helper()
	if got := status(t, q, id).State; got != want {
		t.Fatalf("%s is %s, want %s", id, got, want)
	}
}

func ids(list []queue.Delivery) string {
	var names []string
	for _, d := range list {
		names = append(names, strings.TrimPrefix(d.ID, "acme-"))
	}
	return strings.Join(names, " ")
}
