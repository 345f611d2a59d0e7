package launch_test

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"bulkhead.dev/sdk/launch"
	"bulkhead.dev/sdk/pluginv1"
	"bulkhead.dev/sdk/wire"
)

func testBinary(t testing.TB) string {
	t.Helper()
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// shortDir is a private directory whose path leaves room for sockets.
func shortDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "bh")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// output gathers what a plugin writes.
type output struct {
	mu    sync.Mutex
	lines []string
}

func (o *output) log(line []byte, stream string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.lines = append(o.lines, stream+": "+string(line))
}

func (o *output) find(part string) string {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, line := range o.lines {
		if strings.Contains(line, part) {
			return line
		}
	}
	return ""
}

func config(t testing.TB, mode string, out *output) launch.Config {
	t.Helper()
	cfg := launch.Config{
		Path: testBinary(t), Dir: shortDir(t), Instance: mode,
		Env: []string{modeEnv + "=" + mode, "BULKHEAD_CONFORMANCE=1"},
	}
	if out != nil {
		cfg.Log = out.log
	}
	return cfg
}

// start starts a fixture and ends it with the test.
func start(t testing.TB, mode string, out *output) *launch.Plugin {
	t.Helper()
	p, err := launch.Start(t.Context(), config(t, mode, out))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.End(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return p
}

func configure(t testing.TB, p *launch.Plugin, settings string) []*pluginv1.FieldError {
	t.Helper()
	faults, err := p.Configure(t.Context(), &pluginv1.ConfigureRequest{Instance: "fixture", Settings: []byte(settings)})
	if err != nil {
		t.Fatal(err)
	}
	return faults
}

func TestStart(t *testing.T) {
	t.Parallel()
	for mode, want := range map[string]string{"sdk": "fixture", "stock": "stock", "log": "fixture", "outsider": "fixture"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			p := start(t, mode, nil)
			m, err := p.Describe(t.Context(), "1.0.0")
			if err != nil {
				t.Fatal(err)
			}
			if m.GetName() != want {
				t.Errorf("describe: %q, want %q", m.GetName(), want)
			}
			if err := p.Health(t.Context()); err != nil {
				t.Error(err)
			}
			if err := p.Err(); err != nil {
				t.Errorf("it runs, but Err says %v", err)
			}
		})
	}
}

func TestConfigure(t *testing.T) {
	t.Parallel()
	p := start(t, "sdk", nil)
	faults := configure(t, p, `{"name":"bad"}`)
	if len(faults) != 1 || faults[0].GetField() != "name" || faults[0].GetMessage() != "is bad" {
		t.Errorf("faults: %v", faults)
	}
	if faults := configure(t, p, `{"name":"good"}`); len(faults) != 0 {
		t.Fatalf("faults: %v", faults)
	}
	w := open(t, p)
	if got := string(w.do(t, job("fixture.name", nil)).GetDone().GetData()); got != `"good"` {
		t.Errorf("name: %s", got)
	}
}

// TestEnvironment shows that a plugin gets what is listed and nothing of the host's.
func TestEnvironment(t *testing.T) {
	t.Parallel()
	p := start(t, "sdk", nil)
	configure(t, p, `{"name":"x"}`)
	var got []string
	if err := json.Unmarshal(open(t, p).do(t, job("fixture.environment", nil)).GetDone().GetData(), &got); err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, pair := range got {
		name, value, _ := strings.Cut(pair, "=")
		names = append(names, name)
		if strings.Contains(value, "PRIVATE KEY") {
			t.Errorf("%s holds a key", name)
		}
	}
	slices.Sort(names)
	want := []string{
		"BULKHEAD_CONFORMANCE", wire.EnvLifeline, wire.EnvMaxMessage, wire.CookieKey, modeEnv, "PATH", wire.EnvClientCert,
		"PLUGIN_MAX_PORT", "PLUGIN_MIN_PORT", "PLUGIN_PROTOCOL_VERSIONS", "PLUGIN_UNIX_SOCKET_DIR",
	}
	slices.Sort(want)
	if diff := cmp.Diff(want, names); diff != "" {
		t.Error(diff)
	}
}

// TestOutput shows where a plugin's words come out, however they were written.
func TestOutput(t *testing.T) {
	t.Parallel()
	var out output
	p := start(t, "log", &out)
	configure(t, p, `{"name":"x"}`)
	open(t, p).do(t, job("fixture.print", []byte(`"said aloud"`)))
	waitFor(t, "the printed line", func() bool { return out.find("stdout: said aloud") != "" })
	waitFor(t, "the logged line", func() bool { return out.find(`"@message":"said aloud"`) != "" })
	waitFor(t, "the malformed line", func() bool { return out.find(`stderr: {"@message":1,"@level":7}`) != "" })
	if long := out.find("xxxx"); len(long) != len("stderr: ")+64<<10 {
		t.Errorf("the long line has %d bytes", len(long))
	}
	if got, want := p.Dropped(), int64(200<<10-64<<10); got != want {
		t.Errorf("dropped %d, want %d", got, want)
	}
}

// write makes a file that is run. No process may be forked meanwhile: it would hold the file open for writing, and the
// system runs no such file (golang/go#22315).
func write(t *testing.T, path, text string, mode os.FileMode) {
	t.Helper()
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
}

func TestStartFails(t *testing.T) {
	t.Parallel()
	file := func(mode os.FileMode, text string) func(*launch.Config, *testing.T) {
		return func(cfg *launch.Config, t *testing.T) {
			cfg.Path = filepath.Join(t.TempDir(), "plugin")
			write(t, cfg.Path, text, mode)
		}
	}
	for name, c := range map[string]struct {
		mode   string
		change func(*launch.Config, *testing.T)
		want   string
	}{
		"ends":                {mode: "exit", want: "it ended (exit status 3) before the handshake: is it a plugin?; it wrote to standard error: no licence for"},
		"prints before Serve": {mode: "chatter", want: `the plugin printed "warming up <caches>" to standard output before sdk.Serve`},
		"hangs": {mode: "hang", change: func(cfg *launch.Config, _ *testing.T) { cfg.StartTimeout = 200 * time.Millisecond },
			want: "no handshake within 200ms"},
		"no file":        {change: func(cfg *launch.Config, _ *testing.T) { cfg.Path = "/nonexistent/plugin" }, want: "there is no such file"},
		"a directory":    {change: func(cfg *launch.Config, _ *testing.T) { cfg.Path = "/tmp" }, want: "it is a directory"},
		"no program":     {change: file(0o700, "hello"), want: "it is no program for this system"},
		"no interpreter": {change: file(0o700, "#!/nonexistent/sh\n"), want: "not the interpreter or loader that it names"},
		"not executable": {change: file(0o600, "#!/bin/sh\n"), want: "must be executable"},
		"long directory": {change: func(cfg *launch.Config, _ *testing.T) { cfg.Dir = "/tmp/" + strings.Repeat("d", launch.MaxDir()) },
			want: "the path of a unix socket is bounded"},
		"open directory": {change: func(cfg *launch.Config, t *testing.T) {
			if err := os.Chmod(cfg.Dir, 0o755); err != nil {
				t.Fatal(err)
			}
		}, want: "not a directory of mode 0700"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := config(t, c.mode, nil)
			dir := cfg.Dir
			if c.change != nil {
				c.change(&cfg, t)
			}
			p, err := launch.Start(t.Context(), cfg)
			if err == nil {
				_ = p.End(context.Background())
				t.Fatal("it started")
			}
			if !strings.Contains(err.Error(), c.want) {
				t.Errorf("error: %v\nwant: %s", err, c.want)
			}
			left, err := os.ReadDir(dir)
			if err != nil || len(left) > 0 {
				t.Errorf("left behind: %v %v", left, err)
			}
		})
	}
}

// TestWrapper starts a plugin through a script that does not exec it.
func TestWrapper(t *testing.T) {
	t.Parallel()
	cfg := config(t, "sdk", nil)
	script := filepath.Join(t.TempDir(), "wrapped")
	write(t, script, "#!/bin/sh\n"+cfg.Path+"\n", 0o700)
	cfg.Path = script
	p, err := launch.Start(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Describe(t.Context(), "1.0.0"); err != nil {
		t.Error(err)
	}
	if err := p.End(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestStartGivenUp(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cfg := config(t, "hang", nil)
	time.AfterFunc(100*time.Millisecond, cancel)
	if _, err := launch.Start(ctx, cfg); !errors.Is(err, context.Canceled) {
		t.Errorf("error: %v", err)
	}
}

func TestDeathIsNoticed(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"sdk", "grandchild", "outsider"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			var out output
			p := start(t, mode, &out)
			w := open(t, p)
			if err := w.Send(run("1", job("conformance.sleep", []byte(`{"millis":600000}`)))); err != nil {
				t.Fatal(err)
			}
			if err := syscall.Kill(p.Pid(), syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
			within(t, "the death", p.Done())
			within(t, "the end of the stream", w.Done())
			var exit *exec.ExitError
			if err := p.Err(); !errors.Is(err, launch.ErrGone) || !errors.As(err, &exit) {
				t.Errorf("Err: %v", err)
			}
			if err := w.Err(); !errors.Is(err, launch.ErrGone) {
				t.Errorf("the stream's error: %v", err)
			}
			if err := p.Health(t.Context()); !errors.Is(err, launch.ErrGone) {
				t.Errorf("health: %v", err)
			}
			if err := w.Send(run("2", job("conformance.echo", nil))); !errors.Is(err, launch.ErrClosed) {
				t.Errorf("send: %v", err)
			}
			endGrandchild(t, mode, &out)
		})
	}
}

// endGrandchild checks that a grandchild in the group has ended with its parent, and ends the one that left it.
func endGrandchild(t *testing.T, mode string, out *output) {
	t.Helper()
	if mode == "sdk" {
		return
	}
	pid, err := strconv.Atoi(strings.TrimPrefix(out.find("grandchild"), "stderr: grandchild "))
	if err != nil {
		t.Fatal(err)
	}
	if mode == "outsider" {
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Errorf("the grandchild: %v", err)
		}
		return
	}
	waitFor(t, "the end of the grandchild", func() bool { return !running(pid) })
}

// TestHung stops the process as a frozen container or a blocked event loop would.
func TestHung(t *testing.T) {
	t.Parallel()
	p := start(t, "sdk", nil)
	w := open(t, p)
	if err := syscall.Kill(p.Pid(), syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "the stop of every thread", func() bool { return halted(p.Pid()) })
	if err := p.Health(t.Context()); err == nil || errors.Is(err, launch.ErrGone) {
		t.Errorf("health: %v", err)
	}
	if err := p.End(t.Context()); err != nil {
		t.Error(err)
	}
	within(t, "the end of the stream", w.Done())
}

func within(t *testing.T, what string, done <-chan struct{}) {
	t.Helper()
	timer := time.NewTimer(10 * time.Second)
	defer timer.Stop()
	select {
	case <-done:
	case <-timer.C:
		t.Fatal("never came: " + what)
	}
}

func TestEndRemovesSockets(t *testing.T) {
	t.Parallel()
	cfg := config(t, "sdk", nil)
	p, err := launch.Start(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(p.End(t.Context()), p.End(t.Context())); err != nil {
		t.Error(err)
	}
	left, err := os.ReadDir(cfg.Dir)
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
	if p.Err() == nil {
		t.Error("it has ended, but Err says nothing")
	}
}
