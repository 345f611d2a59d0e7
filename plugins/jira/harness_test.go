package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"bulkhead.dev/sdk/plugintest"

	"github.com/hashicorp/go-hclog"
)

// vendor is the name of the plugin, and of the stand-in of its vendor.
const vendor = "jira"

// asPlugin makes this test binary the plugin itself, as its callers see it.
const asPlugin = "PLUGIN_TEST_AS_PLUGIN"

// binary is the sandbox, which stands in for the vendors. It is another module, built once for all tests.
var binary string

func TestMain(m *testing.M) {
	if os.Getenv(asPlugin) != "" {
		main() // ends the process
	}
	dir, err := os.MkdirTemp("", vendor)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	binary = filepath.Join(dir, "sandbox")
	build := exec.Command("go", "build", "-o", binary, "bulkhead.dev/sandbox")
	build.Stderr = os.Stderr
	code := 1
	if err := build.Run(); err != nil {
		fmt.Fprintln(os.Stderr, "the sandbox:", err)
	} else {
		code = m.Run()
	}
	if err := os.RemoveAll(dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// sandbox is a running sandbox of a test's own.
type sandbox struct {
	t        *testing.T
	url      string
	settings map[string]any
}

// startSandbox starts one that ends with the test.
func startSandbox(t *testing.T) *sandbox {
	t.Helper()
	cmd := exec.Command(binary, "serve")
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = stdin.Close() // the end of its input ends it
		if err := cmd.Wait(); err != nil {
			t.Errorf("the sandbox ended with %v", err)
		}
	})
	var ready struct {
		URL      string                    `json:"url"`
		Settings map[string]map[string]any `json:"settings"`
	}
	line, err := bufio.NewReader(stdout).ReadBytes('\n')
	if err == nil {
		err = json.Unmarshal(line, &ready)
	}
	if err != nil {
		t.Fatalf("the sandbox's ready line: %v", err)
	}
	return &sandbox{t: t, url: ready.URL, settings: ready.Settings[vendor]}
}

// effect is a call that the vendor got.
type effect struct {
	Method, Path, Summary string
	Status                int
	RequestID             string `json:"request_id"`
}

// changes lists the calls that changed something at the vendor.
func (s *sandbox) changes() []effect {
	s.t.Helper()
	var list []effect
	s.ask(http.MethodGet, s.url+"/effects?changed=true&vendor="+url.QueryEscape(vendor), "", nil, &list)
	return list
}

// calls lists all calls that the vendor got.
func (s *sandbox) calls() []effect {
	s.t.Helper()
	var list []effect
	s.ask(http.MethodGet, s.url+"/effects?vendor="+url.QueryEscape(vendor), "", nil, &list)
	return list
}

// fault makes a call to come fail; rule is what POST /faults takes, less the vendor.
func (s *sandbox) fault(rule map[string]any) {
	s.t.Helper()
	rule["vendor"] = vendor
	raw, err := json.Marshal(rule)
	if err != nil {
		s.t.Fatal(err)
	}
	s.ask(http.MethodPost, s.url+"/faults", string(raw), nil, nil)
}

// ask does a call of the test's own and decodes the answer.
func (s *sandbox) ask(method, target, body string, header http.Header, out any) {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), method, target, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	if header != nil {
		req.Header = header
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode > 299 {
		err = fmt.Errorf("%s: %s", resp.Status, answer)
	}
	if err == nil && out != nil {
		err = json.Unmarshal(answer, out)
	}
	if err != nil {
		s.t.Fatalf("%s %s: %v", method, target, err)
	}
}

// running is the plugin at work, without a host.
type running struct {
	*plugintest.Harness
	t   *testing.T
	log *lines
}

// startPlugin runs p for the length of the test.
func startPlugin(t *testing.T, p *plugin, settings map[string]any) *running {
	t.Helper()
	r := &running{t: t, log: &lines{}}
	var err error
	r.Harness, err = plugintest.New(t.Context(), domain(p), plugintest.Config{
		Settings: settings, Log: hclog.New(&hclog.LoggerOptions{Level: hclog.Trace, Output: r.log}),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	return r
}

// do runs one attempt of a job.
func (r *running) do(job plugintest.Job) *plugintest.Result {
	r.t.Helper()
	result, err := r.Run(r.t.Context(), job)
	if err != nil {
		r.t.Fatal(err)
	}
	return result
}

// done runs a job that must be done at the first attempt.
func (r *running) done(jobType string, payload any) *plugintest.Result {
	r.t.Helper()
	result := r.do(plugintest.Job{Type: jobType, Payload: payload})
	if result.Kind != plugintest.Done {
		r.t.Fatalf("%s ended as %s: %s", jobType, result.Kind, result.Reason)
	}
	return result
}

// silent demands that none of these texts was logged.
func (r *running) silent(texts ...string) {
	r.t.Helper()
	log := r.log.String()
	if log == "" {
		r.t.Error("nothing at all was logged")
	}
	for _, text := range texts {
		if strings.Contains(log, text) {
			r.t.Errorf("%q was logged:\n%s", text, log)
		}
	}
}

// lines keeps a log.
type lines struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}
