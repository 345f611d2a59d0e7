package harness

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Token is the bootstrap token of every host of a test.
const Token = "test-token"

// Options say how a host runs.
type Options struct {
	// Redis is the server; nil: embedded.
	Redis *Redis
	// Sandbox is what the product's plugins speak with; nil: they are not configured.
	Sandbox *Sandbox
	// Plugins are the plugins to run; empty: all of them.
	Plugins []string
	// Env is added to the host's environment.
	Env []string
	// DataDir is the data directory; empty: a new one.
	DataDir string
}

// Host is a running host process.
type Host struct {
	t testing.TB
	// URL is the base of its door.
	URL string
	// DataDir is its data directory.
	DataDir string
	cmd     *exec.Cmd
	log     *log
	exited  chan struct{}
}

// log keeps what the host wrote.
type log struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// StartHost starts a host on a free port and waits until its door is open. It ends with the test.
func StartHost(t testing.TB, bin *Binaries, o Options) *Host {
	t.Helper()
	h := &Host{t: t, DataDir: o.DataDir, log: &log{}, exited: make(chan struct{})}
	if h.DataDir == "" {
		h.DataDir = t.TempDir()
	}
	dir := t.TempDir()
	h.cmd = exec.Command(bin.Host) //nolint:noctx // ended by Kill or Stop
	h.cmd.Dir = dir
	h.cmd.Env = append([]string{
		"PATH=" + os.Getenv("PATH"), "BULKHEAD_LISTEN=127.0.0.1:0", "BULKHEAD_DATA_DIR=" + h.DataDir,
		"BULKHEAD_PLUGIN_DIR=" + pluginDir(t, bin, dir, o.Plugins), "BULKHEAD_AUTH__BOOTSTRAP_TOKEN=" + Token,
		"BULKHEAD_LOG__LEVEL=debug", "BULKHEAD_PLUGINS__PROBE__SETTINGS__SECRET=probe-secret",
	}, o.Env...)
	if o.Redis != nil {
		h.cmd.Env = append(h.cmd.Env, "BULKHEAD_REDIS_URL="+o.Redis.URL())
	}
	if o.Sandbox != nil {
		h.cmd.Env = append(h.cmd.Env, settingsEnv(o.Sandbox.Settings)...)
	}
	h.cmd.Stdout, h.cmd.Stderr = h.log, h.log
	h.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := h.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = h.cmd.Wait() // its state is read by ExitCode
		close(h.exited)
	}()
	t.Cleanup(func() {
		h.Kill()
		if t.Failed() {
			t.Logf("the host's log:\n%s", tail(h.log.String(), 200))
		}
	})
	Eventually(t, "the door opens", h.open)
	return h
}

// pluginDir makes a directory with the plugins that the test wants.
func pluginDir(t testing.TB, bin *Binaries, dir string, names []string) string {
	t.Helper()
	if len(names) == 0 {
		return bin.Plugins
	}
	own := filepath.Join(dir, "plugins")
	if err := os.Mkdir(own, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if err := os.Link(filepath.Join(bin.Plugins, name), filepath.Join(own, name)); err != nil {
			t.Fatal(err)
		}
	}
	return own
}

func settingsEnv(settings map[string]map[string]string) []string {
	var env []string
	for instance, values := range settings {
		for key, value := range values {
			env = append(env, fmt.Sprintf("BULKHEAD_PLUGINS__%s__SETTINGS__%s=%s", strings.ToUpper(instance), strings.ToUpper(key), value))
		}
	}
	return env
}

// open finds the door's address in the log and asks whether the host is ready.
func (h *Host) open() error {
	select {
	case <-h.exited:
		h.t.Fatalf("the host ended:\n%s", h.log)
	default:
	}
	for line := range strings.SplitSeq(h.log.String(), "\n") {
		var record struct {
			Message string `json:"@message"`
			URL     string `json:"url"`
		}
		if json.Unmarshal([]byte(line), &record) == nil && record.Message == "the door is open" {
			h.URL = record.URL
		}
	}
	if h.URL == "" {
		return fmt.Errorf("the door is not open yet:\n%s", tail(h.log.String(), 20))
	}
	if status, _ := h.Get("/readyz"); status != http.StatusOK {
		return fmt.Errorf("/readyz answers %d", status)
	}
	return nil
}

func tail(text string, lines int) string {
	all := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}

// Log returns what the host has written so far.
func (h *Host) Log() string { return h.log.String() }

// PID is the host's process id.
func (h *Host) PID() int { return h.cmd.Process.Pid }

// Kill ends the host at once, as kill -9 does.
func (h *Host) Kill() {
	_ = h.cmd.Process.Kill() // it may have ended
	<-h.exited
}

// Stop asks the host to end, as kill does, and returns its exit code.
func (h *Host) Stop() int {
	h.t.Helper()
	if err := h.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		h.t.Fatal(err)
	}
	select {
	case <-h.exited:
	case <-time.After(time.Minute):
		h.t.Fatal("the host did not end within a minute of SIGTERM")
	}
	return h.cmd.ProcessState.ExitCode()
}

// Answer is what the door answered.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
}

// JSON reads a member of the body.
func (a Answer) JSON(t testing.TB, out any) {
	t.Helper()
	if err := json.Unmarshal(a.Body, out); err != nil {
		t.Fatalf("body %q: %v", a.Body, err)
	}
}

// Do sends a request to the door.
func (h *Host) Do(method, path string, header http.Header, body []byte) (Answer, error) {
	req, err := http.NewRequestWithContext(h.t.Context(), method, h.URL+path, bytes.NewReader(body))
	if err != nil {
		return Answer{}, err
	}
	if header != nil {
		req.Header = header
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return Answer{}, err
	}
	defer func() { _ = resp.Body.Close() }()
	answer, err := io.ReadAll(resp.Body)
	return Answer{Status: resp.StatusCode, Header: resp.Header, Body: answer}, err
}

// Get asks as the operator; a call that fails has status 0.
func (h *Host) Get(path string) (status int, body []byte) {
	answer, err := h.Do(http.MethodGet, path, http.Header{"Authorization": {"Bearer " + Token}}, nil)
	if err != nil {
		return 0, nil
	}
	return answer.Status, answer.Body
}

// Ask sends JSON to a route for people, as the operator.
func (h *Host) Ask(path, body string) Answer {
	h.t.Helper()
	answer, err := h.Do(http.MethodPost, path, http.Header{
		"Authorization": {"Bearer " + Token}, "Content-Type": {"application/json"},
	}, []byte(body))
	if err != nil {
		h.t.Fatal(err)
	}
	return answer
}
