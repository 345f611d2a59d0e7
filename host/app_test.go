package main

import (
	"errors"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"bulkhead.dev/host/internal/queue"
)

// redis is a server on a unix socket that a test starts when it likes.
type redis struct{ dir, socket string }

func newRedis(t *testing.T) *redis {
	t.Helper()
	dir, err := os.MkdirTemp("", "bhr") // short, for the socket's path
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return &redis{dir: dir, socket: filepath.Join(dir, "s")}
}

func (r *redis) url() string { return "unix://" + r.socket }

func (r *redis) setting() string { return "BULKHEAD_REDIS__URL=" + r.url() }

func (r *redis) start(t *testing.T) {
	t.Helper()
	cmd := exec.Command("redis-server", "--port", "0", "--unixsocket", r.socket, "--dir", r.dir, "--save", "")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	eventually(t, "redis-server listens", func() bool {
		conn, err := net.Dial("unix", r.socket)
		if err == nil {
			_ = conn.Close()
		}
		return err == nil
	})
}

func TestHostComesAndGoes(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	h := s.start(t)
	status, health := h.ready()
	if status != http.StatusOK || health.Status != "ready" || len(health.Plugins) != 1 || health.Plugins[0].State != "ready" {
		t.Errorf("%d %+v", status, health)
	}
	status, body := h.call(http.MethodPost, "/interactive/echo/say", `{"text":"hello"}`)
	if status != http.StatusOK || string(body) != `{"text":"hello"}` {
		t.Errorf("%d %s", status, body)
	}
	_, metrics := h.call(http.MethodGet, "/metrics", "")
	said(t, string(metrics), `bulkhead_plugin_ready{instance="echo"} 1`, "bulkhead_redis_up 1", "bulkhead_spool_jobs 0", `bulkhead_queue_depth{instance="echo"} 0`,
		`bulkhead_http_request_duration_seconds_count{route="POST /interactive/echo/say",status="200"} 1`, `bulkhead_observe_failures_total{part="queue"} 0`)

	// Another host may use the same data; the command line finds either.
	other := s.start(t)
	if _, health := other.ready(); health.Status != "ready" {
		t.Errorf("second host: %+v", health)
	}
	h.stop()
	<-h.ended
	if h.err != nil {
		t.Errorf("Run: %v", h.err)
	}
	if code, out, errs := s.command(t, "plugins", "list"); code != 0 || !strings.Contains(out, "ready") {
		t.Errorf("plugins list after one host has gone: %d %s %s", code, out, errs)
	}
	other.stop()
	<-other.ended
	for _, dir := range []string{s.sockets, filepath.Join(s.data, "nodes")} {
		if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
			t.Errorf("left in %s: %v, %v", dir, left, err)
		}
	}
	if conn, err := net.Dial("tcp", strings.TrimPrefix(h.app.URL(), "http://")); err == nil {
		_ = conn.Close()
		t.Error("the door of a host that has ended lets in")
	}
}

func TestHostThatCannotStartLeavesNothing(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = taken.Close() })
	long := filepath.Join(t.TempDir(), strings.Repeat("l", 80))
	if err := os.Mkdir(long, 0o700); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		change func(*site)
		words  []string
	}{
		"the port is taken": {
			func(s *site) { s.set("BULKHEAD_LISTEN", taken.Addr().String()) },
			[]string{taken.Addr().String(), "in use", "BULKHEAD_LISTEN"},
		},
		"no room for sockets": {func(s *site) { s.sockets = long }, []string{"XDG_RUNTIME_DIR", "leave room"}},
		"no data directory":   {func(s *site) { s.set("BULKHEAD_DATA_DIR", "/dev/null/data") }, []string{"data directory", "/dev/null"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			c.change(s)
			app, _, err := s.open(t)
			if err == nil {
				_ = app.close()
				t.Fatal("it started")
			}
			said(t, err.Error(), c.words...)
			if left, _ := os.ReadDir(filepath.Join(s.data, "nodes")); len(left) != 0 {
				t.Errorf("left behind: %v", left)
			}
		})
	}
}

func TestHostStartsWithoutRedisAndFindsItLater(t *testing.T) {
	t.Parallel()
	r := newRedis(t)
	h := newSite(t, r.setting()).start(t)
	if status, health := h.ready(); status != http.StatusOK || health.Status != "degraded" || health.Redis.OK || health.Plugins[0].State != "ready" {
		t.Errorf("%d %+v; want an open door, and Redis named as what is wrong", status, health)
	}
	id := h.hear("while Redis is away")
	if state := h.job(id); state != "spooled" {
		t.Errorf("state %s; want spooled", state)
	}
	_, metrics := h.call(http.MethodGet, "/metrics", "")
	said(t, string(metrics), "bulkhead_redis_up 0", "bulkhead_spool_jobs 1", `bulkhead_observe_failures_total{part="queue"} 1`)

	r.start(t)
	eventually(t, "the spooled job is done", func() bool { return h.job(id) == "done" })
	eventually(t, "the host is ready", func() bool {
		_, health := h.ready()
		return health.Status == "ready"
	})
	status, body := h.call(http.MethodPost, "/interactive/echo/say", `{"text":"back"}`)
	if status != http.StatusOK {
		t.Errorf("%d %s", status, body)
	}
	h.stop()
	if <-h.ended; h.err != nil {
		t.Errorf("Run: %v", h.err)
	}
}

func TestHostsWithDifferentStoresDoNotShareARedis(t *testing.T) {
	t.Parallel()
	r := newRedis(t)
	r.start(t)
	newSite(t, r.setting()).start(t).ready()
	s := newSite(t, r.setting())
	app, _, err := s.open(t)
	if err == nil {
		_ = app.close()
	}
	if !errors.Is(err, queue.ErrForeignStore) {
		t.Fatalf("the second host: %v; want ErrForeignStore", err)
	}
	said(t, err.Error(), s.data, "redis.url")
}

func TestForeignStoreThatIsFoundLaterEndsTheHost(t *testing.T) {
	t.Parallel()
	r := newRedis(t)
	first, second := newSite(t, r.setting()).start(t), newSite(t, r.setting()).start(t)
	first.ready()
	second.ready()
	r.start(t)
	select { // whoever looks later, or both
	case <-first.ended:
	case <-second.ended:
		first = second
	}
	if !errors.Is(first.err, queue.ErrForeignStore) {
		t.Errorf("Run: %v; want ErrForeignStore", first.err)
	}
}

// command of the host as a process of its own.
func (s *site) process(t *testing.T, environ ...string) (*exec.Cmd, *journal) {
	t.Helper()
	executable, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	log := &journal{}
	cmd := exec.Command(executable)
	cmd.Dir, cmd.Stdout, cmd.Stderr = s.dir, log, log
	cmd.Env = append(append([]string{asHost + "=yes", "PATH=" + os.Getenv("PATH"), "TMPDIR=" + s.sockets, "XDG_RUNTIME_DIR=" + s.sockets}, s.environ...), environ...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("log of a host's process:\n%s", log)
		}
	})
	eventually(t, "the door is open", func() bool { return strings.Contains(log.String(), "the door is open") })
	return cmd, log
}

func TestSpoolOfAHostThatWasKilledIsTakenOver(t *testing.T) {
	t.Parallel()
	there, away := newRedis(t), newRedis(t)
	there.start(t)
	s := newSite(t, there.setting())
	living := s.start(t)
	living.ready()

	s.set("BULKHEAD_REDIS__URL", away.url())
	victim, log := s.process(t)
	_, url, _ := strings.Cut(log.String(), `"url":"`)
	url, _, _ = strings.Cut(url, `"`)
	id, err := sendSigned(living.app.gateway.Sign, url, "before the end")
	if err != nil {
		t.Fatal(err)
	}
	if status, _ := living.call(http.MethodGet, "/jobs/"+id, ""); status != http.StatusNotFound {
		t.Errorf("the living host knows the job already: %d", status)
	}
	if err := victim.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the living host has done the job", func() bool { return living.job(id) == "done" })
}

func TestSecondSignalEndsAHostThatDrains(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	if err := os.Link(built.hostile, filepath.Join(s.dir, "plugins", "hostile-stubborn")); err != nil { // it never drains
		t.Fatal(err)
	}
	cmd, log := s.process(t, "BULKHEAD_SHUTDOWN__GRACE=1h")
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		if err := cmd.Process.Signal(os.Interrupt); err != nil && !errors.Is(err, os.ErrProcessDone) {
			t.Fatal(err)
		}
		select {
		case err := <-done:
			var exit *exec.ExitError
			if !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGINT {
				t.Errorf("end: %v; want that of a signal", err)
			}
			said(t, log.String(), "draining; a second signal ends it at once")
			return
		case <-tick.C:
		}
	}
}
