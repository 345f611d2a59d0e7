package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"go.uber.org/goleak"

	"bulkhead.dev/host/internal/config"
	"bulkhead.dev/host/internal/demo"
	"bulkhead.dev/host/internal/gateway"
)

// asHost makes the host's command of the test binary.
const asHost = "HOST_TEST_AS_HOST"

// built are the plugins of all tests: the example that behaves, and one that does not.
var built struct{ echo, hostile string }

func TestMain(m *testing.M) {
	if os.Getenv(asHost) != "" {
		main()
		return
	}
	os.Exit(testMain(m))
}

func testMain(m *testing.M) int {
	dir, err := os.MkdirTemp("", "bulkhead")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(dir) }()
	built.echo, built.hostile = filepath.Join(dir, "echo"), filepath.Join(dir, "hostile")
	for path, pkg := range map[string]string{built.echo: "bulkhead.dev/examples/echo", built.hostile: "./internal/supervisor/testdata/hostile"} {
		if out, err := exec.Command("go", "build", "-o", path, pkg).CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "%v\n%s", err, out)
			return 1
		}
	}
	code := m.Run()
	http.DefaultClient.CloseIdleConnections()
	if err := goleak.Find(); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

// journal keeps what is written, for reading while others write.
type journal struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(p)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}

const token = "test-token"

// site is where a host runs: its directories and its environment.
type site struct {
	dir, data, sockets string
	environ            []string
	executable         string
	greeting           io.Writer
}

// newSite is a configured one, with the example as its plugin.
func newSite(t *testing.T, environ ...string) *site {
	t.Helper()
	s := demoSite(t)
	s.environ = append(s.environ, "BULKHEAD_AUTH__BOOTSTRAP_TOKEN="+token, "BULKHEAD_PLUGINS__ECHO__SETTINGS__SECRET=s")
	s.environ = append(s.environ, environ...)
	return s
}

// demoSite is one without a configuration.
func demoSite(t *testing.T) *site {
	t.Helper()
	sockets, err := os.MkdirTemp("", "bh")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(sockets) })
	s := &site{dir: t.TempDir(), data: t.TempDir(), sockets: sockets, greeting: io.Discard}
	s.executable = filepath.Join(s.dir, "host")
	plugins := filepath.Join(s.dir, "plugins")
	if err := errors.Join(os.Mkdir(plugins, 0o700), os.Link(built.echo, filepath.Join(plugins, "echo"))); err != nil {
		t.Fatal(err)
	}
	s.environ = []string{"BULKHEAD_LISTEN=127.0.0.1:0", "BULKHEAD_DATA_DIR=" + s.data, "BULKHEAD_PLUGIN_DIR=" + plugins}
	return s
}

// set gives a variable another value.
func (s *site) set(name, value string) {
	s.environ = slices.DeleteFunc(s.environ, func(v string) bool { return strings.HasPrefix(v, name+"=") })
	s.environ = append(s.environ, name+"="+value)
}

func (s *site) source() config.Source {
	return config.Source{Environ: s.environ, Dir: s.dir, Executable: s.executable}
}

// open makes a host that does not run yet.
func (s *site) open(t *testing.T) (*App, *journal, error) {
	t.Helper()
	cfg, err := config.Load(s.source())
	if err != nil {
		return nil, nil, err
	}
	log := &journal{}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("log of a host:\n%s", log)
		}
	})
	app, err := New(t.Context(), Options{
		Config: cfg, Executable: s.executable, RunParents: []string{s.sockets}, Greeting: s.greeting, AdoptEvery: 5 * time.Millisecond,
		Log: hclog.New(&hclog.LoggerOptions{Output: log, Level: hclog.Debug}),
	})
	return app, log, err
}

// host is one that runs in this process.
type host struct {
	t     *testing.T
	app   *App
	log   *journal
	site  *site
	stop  context.CancelFunc
	ended chan struct{}
	err   error // of Run, once ended is closed
}

// start runs a host until the test ends.
func (s *site) start(t *testing.T) *host {
	t.Helper()
	app, log, err := s.open(t)
	if err != nil {
		t.Fatal(err)
	}
	h := &host{t: t, app: app, log: log, site: s, ended: make(chan struct{})}
	ctx, cancel := context.WithCancel(t.Context())
	h.stop = cancel
	go func() {
		defer close(h.ended)
		h.err = app.Run(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		<-h.ended
	})
	return h
}

// call asks the door; until it is open the call waits in the system's queue.
func (h *host) call(method, path, body string) (int, []byte) {
	h.t.Helper()
	req, err := http.NewRequestWithContext(h.t.Context(), method, h.app.URL()+path, strings.NewReader(body))
	if err != nil {
		h.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		h.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		h.t.Fatal(err)
	}
	return resp.StatusCode, answer
}

// ready is what /readyz says.
func (h *host) ready() (int, gateway.Health) {
	h.t.Helper()
	status, body := h.call(http.MethodGet, "/readyz", "")
	var health gateway.Health
	if err := json.Unmarshal(body, &health); err != nil {
		h.t.Fatalf("%d %s: %v", status, body, err)
	}
	return status, health
}

// hear sends the example a webhook, signed with its secret, and returns the job's id.
func (h *host) hear(text string) string {
	h.t.Helper()
	id, err := sendSigned(h.app.gateway.Sign, h.app.URL(), text)
	if err != nil {
		h.t.Fatal(err)
	}
	return id
}

func sendSigned(sign func(method, path string, header http.Header, body []byte) error, url, text string) (string, error) {
	const path = "/webhooks/echo/events"
	body := []byte(`{"text":"` + text + `"}`)
	header := http.Header{"Content-Type": {"application/json"}}
	if err := sign(http.MethodPost, path, header, body); err != nil {
		return "", err
	}
	req, err := http.NewRequest(http.MethodPost, url+path, bytes.NewReader(body))
	if err != nil {
		return "", err
	}
	req.Header = header
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer func() { _ = resp.Body.Close() }()
	var accepted struct {
		JobID string `json:"job_id"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&accepted); err != nil || resp.StatusCode != http.StatusAccepted {
		return "", fmt.Errorf("answer %d %+v, %w", resp.StatusCode, accepted, err)
	}
	return accepted.JobID, nil
}

// job is the state of a job.
func (h *host) job(id string) string {
	h.t.Helper()
	_, body := h.call(http.MethodGet, "/jobs/"+id, "")
	var status gateway.JobStatus
	if err := json.Unmarshal(body, &status); err != nil {
		h.t.Fatal(err)
	}
	return string(status.State)
}

// eventually waits until check is content.
func eventually(t *testing.T, what string, check func() bool) {
	t.Helper()
	deadline := time.NewTimer(time.Minute)
	defer deadline.Stop()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !check() {
		select {
		case <-deadline.C:
			t.Fatal("never came: " + what)
		case <-tick.C:
		}
	}
}

// command runs the command line against the site, as a second terminal would.
func (s *site) command(t *testing.T, args ...string) (code int, out, errs string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code = command(t.Context(), s.source(), args, &stdout, &stderr)
	return code, stdout.String(), stderr.String()
}

// said fails the test unless the text has all the words.
func said(t *testing.T, text string, words ...string) {
	t.Helper()
	for _, word := range words {
		if !strings.Contains(text, word) {
			t.Errorf("no %q in:\n%s", word, text)
		}
	}
}

// fakeSandbox puts a sandbox beside the host's binary: a program that describes one event of each kind, and whose effects
// are seen at the given URL.
func (s *site) fakeSandbox(t *testing.T, url string) {
	t.Helper()
	events, err := json.Marshal([]demo.Event{
		{Name: "hear", Title: "Something is said", Method: http.MethodPost, Path: "/webhooks/echo/events", ContentType: "application/json",
			Body: json.RawMessage(`{"text":"it's said"}`), Expect: demo.Expect{Status: http.StatusAccepted, Text: "accepted"}, Effects: "It is logged."},
		{Name: "say", Title: "Say it again", Method: http.MethodPost, Path: "/interactive/echo/say", ContentType: "application/json",
			Body: json.RawMessage(`{"text":"again"}`), Expect: demo.Expect{Status: http.StatusOK, Text: "the text"}},
		{Name: "wrong", Title: "What is refused", Method: http.MethodPost, Path: "/interactive/echo/say", ContentType: "application/json",
			Body: json.RawMessage(`{"txt":1}`), Expect: demo.Expect{Status: http.StatusOK, Text: "the text"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	script := "#!/bin/sh\ncase $1 in\ndescribe) cat <<'END'\n" + string(events) + "\nEND\n;;\nserve) echo '" +
		`{"url":"` + url + `","settings":{"echo":{"secret":"s"}}}` + "'; cat >/dev/null;;\nesac\n"
	if err := os.WriteFile(filepath.Join(s.dir, "sandbox"), []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
}
