package bench_test

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"bulkhead.dev/host/internal/queue"
	"bulkhead.dev/host/internal/telemetry"
)

// callers is how many wait for their answer at once.
const callers = 64

// TestMain makes a load generator of the test binary where loadEnv asks for one.
func TestMain(m *testing.M) {
	if task := os.Getenv(loadEnv); task != "" {
		if err := load(task); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	code := m.Run()
	if echo.dir != "" {
		_ = os.RemoveAll(echo.dir)
	}
	os.Exit(code)
}

// echo is the example plugin, built when it is first asked for and removed at the end.
var echo struct {
	once sync.Once
	dir  string
	err  error
}

// echoPlugin returns its path.
func echoPlugin(b *testing.B) string {
	b.Helper()
	echo.once.Do(func() {
		if echo.dir, echo.err = os.MkdirTemp("", "bulkhead"); echo.err != nil {
			return
		}
		build := exec.Command("go", "build", "-o", echo.dir, "bulkhead.dev/examples/echo")
		build.Env = append(os.Environ(), "CGO_ENABLED=0") // as make builds it
		if out, err := build.CombinedOutput(); err != nil {
			echo.err = fmt.Errorf("%w\n%s", err, out)
		}
	})
	if echo.err != nil {
		b.Fatal(echo.err)
	}
	return filepath.Join(echo.dir, "echo")
}

// openQueue opens a queue on a redis-server of its own, which keeps nothing on disk and listens on socket.
func openQueue(b *testing.B) (q *queue.Queue, socket string) {
	b.Helper()
	dir := shortDir(b)
	socket = filepath.Join(dir, "r")
	server := exec.Command("redis-server", "--port", "0", "--save", "", "--appendonly", "no", "--dir", dir,
		"--unixsocket", socket, "--loglevel", "warning")
	if err := server.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		_ = server.Process.Kill() // it has nothing to keep
		_ = server.Wait()
	})
	await(b, "redis-server listens", func() bool { // before the queue is opened, or it begins with an outage
		conn, err := (&net.Dialer{}).DialContext(b.Context(), "unix", socket)
		if err != nil {
			return false
		}
		return conn.Close() == nil
	})
	q, err := queue.Open(b.Context(), queue.Config{URL: "unix://" + socket, Node: node})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := q.Close(); err != nil {
			b.Error(err)
		}
	})
	await(b, "redis-server answers", func() bool { return q.Ping(context.Background()) == nil })
	return q, socket
}

// redisTime begins to measure what a redis-server works.
func redisTime(b *testing.B, socket string) (report func()) {
	b.Helper()
	used := func() (nanos float64) {
		conn, err := (&net.Dialer{}).DialContext(b.Context(), "unix", socket)
		if err != nil {
			b.Fatal(err)
		}
		defer func() { _ = conn.Close() }()
		if _, err := fmt.Fprint(conn, "INFO cpu\r\nQUIT\r\n"); err != nil {
			b.Fatal(err)
		}
		lines := bufio.NewScanner(conn)
		for lines.Scan() {
			name, value, _ := strings.Cut(lines.Text(), ":")
			if name == "used_cpu_user" || name == "used_cpu_sys" {
				seconds, err := strconv.ParseFloat(value, 64)
				if err != nil {
					b.Fatal(err)
				}
				nanos += seconds * 1e9
			}
		}
		return nanos
	}
	before := used()
	return func() { b.ReportMetric((used()-before)/float64(b.N), "redis-cpu-ns/op") }
}

const node = "bench001"

// shortDir is a directory whose path leaves room for a socket's name.
func shortDir(b *testing.B) string {
	b.Helper()
	dir, err := os.MkdirTemp("", "bh")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// hostLog logs as a host does by default, to nowhere.
func hostLog(b *testing.B) hclog.Logger {
	b.Helper()
	nowhere, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = nowhere.Close() })
	return telemetry.NewLogger(nowhere, "info", "json")
}

// await waits until a condition holds.
func await(b *testing.B, what string, cond func() bool) {
	b.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	end := time.NewTimer(time.Minute)
	defer end.Stop()
	for !cond() {
		select {
		case <-tick.C:
		case <-end.C:
			b.Fatalf("did not happen: %s", what)
		}
	}
}

// processorTime begins to measure what this process works, which other load on the machine hardly changes.
func processorTime(b *testing.B) (report func()) {
	b.Helper()
	used := func() int64 {
		var usage syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
			b.Fatal(err)
		}
		return usage.Utime.Nano() + usage.Stime.Nano()
	}
	before := used()
	return func() { b.ReportMetric(float64(used()-before)/float64(b.N), "cpu-ns/op") }
}
