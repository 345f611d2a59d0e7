package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// asSandbox makes this test binary the sandbox itself, so that the tests see the process as its callers do.
const asSandbox = "SANDBOX_TEST_AS_SANDBOX"

func TestMain(m *testing.M) {
	if os.Getenv(asSandbox) != "" {
		main()
	}
	os.Exit(m.Run())
}

const patience = 30 * time.Second

type process struct {
	cmd   *exec.Cmd
	stdin io.WriteCloser
	ready struct {
		URL      string                       `json:"url"`
		Settings map[string]map[string]string `json:"settings"`
	}
	rest *bufio.Reader
}

func start(t *testing.T, first string, args ...string) *process {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	p := &process{cmd: exec.CommandContext(ctx, os.Args[0], append([]string{"serve"}, args...)...)}
	p.cmd.Env = append(os.Environ(), asSandbox+"=1")
	p.cmd.Stderr = os.Stderr
	in, err := p.cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p.stdin, p.rest = in, bufio.NewReader(out)
	if _, err := io.WriteString(in, first); err != nil {
		t.Fatal(err)
	}
	line, err := p.rest.ReadBytes('\n')
	if err != nil {
		t.Fatalf("no ready line: %v", err)
	}
	if err := json.Unmarshal(line, &p.ready); err != nil {
		t.Fatalf("%s: %v", line, err)
	}
	return p
}

// ended waits for the end and demands a clean one, with nothing more on stdout.
func (p *process) ended(t *testing.T) {
	t.Helper()
	more, err := io.ReadAll(p.rest)
	if err != nil || len(more) > 0 {
		t.Errorf("after the ready line: %q %v", more, err)
	}
	if err := p.cmd.Wait(); err != nil {
		t.Errorf("it ended with %v", err)
	}
}

func get(t *testing.T, url, key, value string) (int, error) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set(key, value)
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, err
	}
	_, err = io.Copy(io.Discard, res.Body)
	return res.StatusCode, errors.Join(err, res.Body.Close())
}

func TestServeUntilTheEndOfStdin(t *testing.T) {
	t.Parallel()
	p := start(t, "")
	for plugin, keys := range map[string]string{
		"jira": "base_url email api_token webhook_secret project_key", "slack": "base_url bot_token signing_secret channel",
		"pipedrive": "base_url api_token webhook_user webhook_password", "peopleforce": "base_url api_key webhook_secret",
	} {
		got := p.ready.Settings[plugin]
		for _, key := range strings.Fields(keys) {
			if got[key] == "" {
				t.Errorf("%s lacks %s", plugin, key)
			}
		}
		if !strings.HasPrefix(got["base_url"], p.ready.URL+"/"+plugin) {
			t.Errorf("%s is at %s", plugin, got["base_url"])
		}
	}
	force := p.ready.Settings["peopleforce"]
	if code, err := get(t, force["base_url"]+"/employees/41207", "X-API-KEY", force["api_key"]); err != nil || code != http.StatusOK {
		t.Errorf("with the key of the ready line: %d %v", code, err)
	}
	if code, err := get(t, force["base_url"]+"/employees/41207", "X-API-KEY", "other"); err != nil || code != http.StatusUnauthorized {
		t.Errorf("with another key: %d %v", code, err)
	}
	if err := p.stdin.Close(); err != nil {
		t.Fatal(err)
	}
	p.ended(t)
	if _, err := get(t, p.ready.URL+"/healthz", "X", "y"); err == nil {
		t.Error("it answers after its end")
	}
}

func TestServeUntilASignalDuringAWait(t *testing.T) {
	t.Parallel()
	p := start(t, "")
	waiting := make(chan int, 1)
	go func() {
		code, err := get(t, p.ready.URL+"/effects/wait?timeout_ms=30000", "X", "y")
		if err != nil {
			code = -1
		}
		waiting <- code
	}()
	// The wait is open or not when the signal comes: either way it must not hold the sandbox up.
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	p.ended(t)
	if code := <-waiting; code != http.StatusOK && code != -1 {
		t.Errorf("the waiter got %d", code)
	}
}

func TestSettingsFixWhatIsRandom(t *testing.T) {
	t.Parallel()
	const fixed = `{"peopleforce":{"api_key":"fixed"},"jira":{"project_key":"HR"}}`
	file := filepath.Join(t.TempDir(), "settings.json")
	if err := os.WriteFile(file, []byte(fixed), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, p := range map[string]*process{"file": start(t, "", "--settings", file), "stdin": start(t, fixed+"\n", "--settings", "-")} {
		force := p.ready.Settings["peopleforce"]
		if force["api_key"] != "fixed" || p.ready.Settings["jira"]["project_key"] != "HR" || len(p.ready.Settings["jira"]["api_token"]) < 32 {
			t.Errorf("%s: %v", name, p.ready.Settings)
		}
		if code, err := get(t, force["base_url"]+"/employees", "X-API-KEY", "fixed"); err != nil || code != http.StatusOK {
			t.Errorf("%s: %d %v", name, code, err)
		}
		if err := p.stdin.Close(); err != nil {
			t.Fatal(err)
		}
		p.ended(t)
	}
}

func TestCommandLinesThatCantBe(t *testing.T) {
	t.Parallel()
	for want, args := range map[string][]string{
		"loopback address": {"serve", "--listen", "0.0.0.0:0"},
		"settings":         {"serve", "--settings", filepath.Join(t.TempDir(), "none.json")},
		"unknown flag":     {"serve", "--colour"},
	} {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		cmd := exec.CommandContext(ctx, os.Args[0], args...)
		cmd.Env = append(os.Environ(), asSandbox+"=1")
		out, err := cmd.CombinedOutput()
		cancel()
		if err == nil || !strings.Contains(string(out), want) {
			t.Errorf("%v: %v %s, want %q", args, err, out, want)
		}
	}
}

func TestDescribeIsJSON(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[0], "describe")
	cmd.Env = append(os.Environ(), asSandbox+"=1")
	out, err := cmd.Output()
	var list []struct{ Name string }
	if err != nil || json.Unmarshal(out, &list) != nil || len(list) != 6 {
		t.Errorf("%v: %s", err, out)
	}
}
