package e2e

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"bulkhead.dev/test/harness"
)

// runHost runs the host binary with a command and returns what it printed and its exit code.
func runHost(t *testing.T, dir string, env []string, args ...string) (string, int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, binaries(t).Host, args...)
	cmd.Dir, cmd.Env = dir, append([]string{"PATH=" + os.Getenv("PATH")}, env...)
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	switch {
	case err == nil:
		return string(out), 0
	case errors.As(err, &exit):
		return string(out), exit.ExitCode()
	default:
		t.Fatal(err)
		return "", 0
	}
}

func TestEveryConfigFaultIsListedAtOnce(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "bulkhead.yaml")
	text := "listen: nowhere\nlog:\n  levl: info\nredis:\n  pool_size: many\nauth:\n  bootstrap_token: in-the-clear\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	out, code := runHost(t, dir, nil)
	if code != 2 {
		t.Errorf("exit code %d; want 2", code)
	}
	for _, want := range []string{"bulkhead.yaml:1", "listen", "levl", "level", "pool_size", "bootstrap_token", "env:"} {
		if !strings.Contains(out, want) {
			t.Errorf("the faults do not name %q:\n%s", want, out)
		}
	}
	if strings.Contains(out, "in-the-clear") {
		t.Errorf("the secret is shown:\n%s", out)
	}
}

func TestDemoModeListensOnLoopbackAlone(t *testing.T) {
	t.Parallel()
	out, code := runHost(t, t.TempDir(), []string{"BULKHEAD_LISTEN=0.0.0.0:0"})
	if code != 2 || !strings.Contains(out, "loopback") {
		t.Errorf("exit code %d, output %s; want 2 and a word on loopback", code, out)
	}
}

func TestDemoModeShowsTheMainJob(t *testing.T) {
	t.Parallel()
	bin := binaries(t)
	dir := t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	cmd := exec.CommandContext(ctx, bin.Host)
	cmd.Dir, cmd.Env = dir, []string{"PATH=" + os.Getenv("PATH"), "BULKHEAD_LISTEN=127.0.0.1:0"}
	out := &strings.Builder{}
	pipe, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		_ = cmd.Wait()
	})
	buffer := make([]byte, 1<<16)
	harness.Eventually(t, "the banner", func() error {
		n, err := pipe.Read(buffer)
		out.Write(buffer[:n])
		if err != nil {
			t.Fatalf("the host ended: %v\n%s", err, out)
		}
		if !strings.Contains(out.String(), "What became of it") {
			return errors.New("not printed yet")
		}
		return nil
	})
	for _, want := range []string{"DEMO MODE", "/webhooks/jira/events", "X-Hub-Signature: sha256=", "/webhooks/peopleforce/events", "/interactive/jira/search", "/host send deal-won"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the banner lacks %q:\n%s", want, out)
		}
	}
	env := []string{"BULKHEAD_LISTEN=127.0.0.1:0"}
	for event, wants := range map[string][]string{
		"issue-updated": {"202 Accepted", "done", "ONB-4"},
		"hire":          {"202 Accepted", "done", "Onboarding: ", "posted in"},
		"deal-won":      {"202 Accepted", "done", "Deal won"},
		"search":        {"200 OK", `"key": "ONB-1"`},
		"who-is-out":    {"200 OK", `"date"`},
		"mention":       {"202 Accepted", "done", "posted in"},
	} {
		t.Run(event, func(t *testing.T) {
			t.Parallel()
			sent, code := runHost(t, dir, env, "send", event)
			for _, want := range wants {
				if code != 0 || !strings.Contains(sent, want) {
					t.Errorf("send %s: exit code %d, no %q in:\n%s", event, code, want, sent)
				}
			}
		})
	}
	listed, code := runHost(t, dir, env, "plugins", "list")
	if code != 0 || !strings.Contains(listed, "unconfigured") { // the probe, which the sandbox does not know
		t.Errorf("plugins list: exit code %d\n%s", code, listed)
	}
	for _, name := range []string{"jira", "slack", "pipedrive", "peopleforce"} {
		if !strings.Contains(listed, name) {
			t.Errorf("plugins list lacks %s:\n%s", name, listed)
		}
	}
}
