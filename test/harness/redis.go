package harness

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// Redis is a redis-server (or valkey-server) of the test's own, on a unix socket.
type Redis struct {
	t      testing.TB
	socket string
	dir    string
	args   []string
	cmd    *exec.Cmd
}

// StartRedis starts a server that keeps everything on disk, unless args of its command line say otherwise; it ends with
// the test.
func StartRedis(t testing.TB, args ...string) *Redis {
	t.Helper()
	dir, err := os.MkdirTemp("", "bhredis") // short: a socket's path has about 100 bytes
	if err != nil {
		t.Fatal(err)
	}
	r := &Redis{t: t, dir: dir, socket: filepath.Join(dir, "s"), args: args}
	r.Start()
	t.Cleanup(func() {
		r.Kill()
		_ = os.RemoveAll(dir)
	})
	return r
}

// URL is what redis.url takes.
func (r *Redis) URL() string { return "unix://" + r.socket }

// PID is the server's process id.
func (r *Redis) PID() int { return r.cmd.Process.Pid }

// Start starts the server, again after Kill.
func (r *Redis) Start() {
	r.t.Helper()
	program, err := exec.LookPath("redis-server")
	if err != nil {
		program, err = exec.LookPath("valkey-server")
	}
	if err != nil {
		r.t.Fatal("neither redis-server nor valkey-server is installed; make test installs one")
	}
	args := append([]string{
		"--port", "0", "--unixsocket", r.socket, "--dir", r.dir, "--appendonly", "yes", "--appendfsync", "always", "--save", "",
	}, r.args...)
	r.cmd = exec.Command(program, args...) //nolint:noctx // ended by Kill
	r.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := r.cmd.Start(); err != nil {
		r.t.Fatal(err)
	}
	Eventually(r.t, "redis-server answers", func() error {
		conn, err := (&net.Dialer{}).DialContext(r.t.Context(), "unix", r.socket)
		if err != nil {
			return err
		}
		defer func() { _ = conn.Close() }()
		if err := conn.SetDeadline(time.Now().Add(time.Second)); err != nil {
			return err
		}
		if _, err := fmt.Fprint(conn, "PING\r\n"); err != nil {
			return err
		}
		answer := make([]byte, 5)
		if _, err := conn.Read(answer); err != nil || string(answer) != "+PONG" {
			return fmt.Errorf("answer %q, %w", answer, err)
		}
		return nil
	})
}

// Kill ends the server at once.
func (r *Redis) Kill() {
	_ = r.cmd.Process.Kill() // it may have ended
	_ = r.cmd.Wait()
}

// Eventually waits until check answers nil, at most 60 s, and fails the test with the last error else.
func Eventually(t testing.TB, what string, check func() error) {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		err := check()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: %v", what, err)
		}
		<-tick.C
	}
}
