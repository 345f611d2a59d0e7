package harness

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os/exec"
	"testing"
)

// Sandbox stands in for the vendors' APIs.
type Sandbox struct {
	t testing.TB
	// URL is its base.
	URL string
	// Settings are what each plugin needs to reach it.
	Settings map[string]map[string]string
}

// StartSandbox starts a sandbox that ends with the test.
func StartSandbox(t testing.TB, bin *Binaries) *Sandbox {
	t.Helper()
	cmd := exec.Command(bin.Sandbox, "serve") //nolint:noctx // ends with its standard input
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
		_ = stdin.Close()
		_ = cmd.Wait()
	})
	s := &Sandbox{t: t}
	line, err := bufio.NewReader(stdout).ReadBytes('\n')
	if err != nil {
		t.Fatalf("the sandbox's ready line: %v", err)
	}
	var ready struct {
		URL      string                       `json:"url"`
		Settings map[string]map[string]string `json:"settings"`
	}
	if err := json.Unmarshal(line, &ready); err != nil {
		t.Fatalf("the sandbox's ready line: %v", err)
	}
	s.URL, s.Settings = ready.URL, ready.Settings
	return s
}

// Effect is one call that a vendor got.
type Effect struct {
	Seq       int64  `json:"seq"`
	Vendor    string `json:"vendor"`
	Method    string `json:"method"`
	Path      string `json:"path"`
	Status    int    `json:"status"`
	RequestID string `json:"request_id"`
	Summary   string `json:"summary"`
	Changed   bool   `json:"changed"`
}

// Effects lists the calls that changed something at a vendor.
func (s *Sandbox) Effects(vendor string) []Effect {
	s.t.Helper()
	var effects []Effect
	s.get("/effects?changed=true&vendor="+url.QueryEscape(vendor), &effects)
	return effects
}

// Fault makes the next calls fail; see the sandbox's own words on faults.
func (s *Sandbox) Fault(fault map[string]any) {
	s.t.Helper()
	body, err := json.Marshal(fault)
	if err != nil {
		s.t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(s.t.Context(), http.MethodPost, s.URL+"/faults", bytes.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	s.do(req, nil)
}

func (s *Sandbox) get(path string, out any) {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), http.MethodGet, s.URL+path, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	s.do(req, out)
}

func (s *Sandbox) do(req *http.Request, out any) {
	s.t.Helper()
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode >= http.StatusBadRequest {
		err = fmt.Errorf("%s: %s", resp.Status, body)
	}
	if err == nil && out != nil {
		err = json.Unmarshal(body, out)
	}
	if err != nil {
		s.t.Fatalf("sandbox %s: %v", req.URL.Path, err)
	}
}
