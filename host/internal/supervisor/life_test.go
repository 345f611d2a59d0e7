package supervisor_test

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"syscall"
	"testing"
	"time"

	"bulkhead.dev/host/internal/supervisor"
)

func TestPluginLivesWorksAndDies(t *testing.T) {
	t.Parallel()
	b := start(t, binaries.echo)
	info := b.await(supervisor.StateReady)
	if info.Manifest.GetName() != "echo" || info.PID == 0 {
		t.Errorf("info: %+v; want the manifest of echo and a pid", info)
	}
	ended := <-b.run("t1", "echo.say", `{"text":"hello"}`)
	if got := string(ended.Outcome.GetDone().GetData()); got != `{"text":"hello"}` {
		t.Errorf("answer %q, end %+v; want the text back", got, ended)
	}

	died := time.Now()
	if err := syscall.Kill(-info.PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	again := b.await(supervisor.StateReady)
	t.Logf("ready again %v after kill -9, with a first wait of 1 ms", time.Since(died))
	if again.PID == info.PID || again.Restarts != 1 || again.Reason != "" {
		t.Errorf("after kill -9: %+v (was pid %d); want another process", again, info.PID)
	}
	ended = <-b.run("t2", "echo.say", `{"text":"again"}`)
	if got := string(ended.Outcome.GetDone().GetData()); got != `{"text":"again"}` {
		t.Errorf("after the restart: %q", got)
	}

	b.end()
	gone(t, again.PID)
	if state := b.domain.Info().State; state != supervisor.StateStopped {
		t.Errorf("state %s; want stopped", state)
	}
}

func gone(t *testing.T, pid int) {
	t.Helper()
	if err := syscall.Kill(pid, 0); !errors.Is(err, syscall.ESRCH) {
		t.Errorf("the process %d lives on: %v", pid, err)
	}
}

// impatient makes a supervisor that does not wait for runs which are never answered.
func impatient(cfg *supervisor.Config) {
	cfg.Grace = func() time.Duration { return time.Millisecond }
}

// watchful makes a supervisor that kills what does not answer its health calls.
func watchful(cfg *supervisor.Config) {
	cfg.HealthEvery = time.Millisecond
	cfg.HungAfter = func(string) time.Duration { return time.Millisecond }
}

// A process takes a run and then ends, or has to be ended, without an outcome.
func TestRunsWithoutAnOutcome(t *testing.T) {
	t.Parallel()
	nothing := func(*bench, int) {}
	for name, c := range map[string]struct {
		plugin string
		change func(*supervisor.Config)
		act    func(b *bench, pid int) // after the run was sent
		died   bool
		reason string
	}{
		"killed":                   {"stubborn", impatient, func(_ *bench, pid int) { _ = syscall.Kill(-pid, syscall.SIGKILL) }, true, "signal: killed"},
		"hung":                     {"stubborn", watchful, func(_ *bench, pid int) { _ = syscall.Kill(pid, syscall.SIGSTOP) }, true, "health"},
		"breaks the contract":      {"credit", impatient, nothing, true, "credit"},
		"ends its stream":          {"leave", impatient, nothing, true, "killed"},
		"stopped by the host":      {"stubborn", impatient, func(b *bench, _ int) { b.stop() }, false, "the host stopped the plugin"},
		"restarted by an operator": {"stubborn", impatient, func(b *bench, _ int) { b.domain.Restart() }, false, "the host stopped the plugin"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := start(t, hostile(t, c.plugin), c.change)
			pid := b.await(supervisor.StateReady).PID
			ended := b.run("t1", "hostile.any", "{}")
			c.act(b, pid)
			e := <-ended
			if e.Outcome != nil || e.Died != c.died || !strings.Contains(e.Reason, c.reason) {
				t.Errorf("end: %+v; want died %v, and a reason with %q", e, c.died, c.reason)
			}
			gone(t, pid) // before anybody may run the job again
		})
	}
}

func TestWithoutSettingsTheProcessGetsNoWork(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		settings func(string, []byte) (supervisor.Settings, error)
		reasons  []string
	}{
		"refused by the plugin": {settings(`{"secert":"s"}`), []string{"secret", "secert"}},
		"not to be resolved": {func(string, []byte) (supervisor.Settings, error) {
			return supervisor.Settings{}, fmt.Errorf("%w: NO_SUCH_VARIABLE", supervisor.ErrSettings)
		}, []string{"NO_SUCH_VARIABLE"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := start(t, binaries.echo, func(cfg *supervisor.Config) { cfg.Settings = c.settings })
			info := b.await(supervisor.StateUnconfigured)
			for _, reason := range c.reasons {
				if !strings.Contains(info.Reason, reason) {
					t.Errorf("reason %q; want %q named", info.Reason, reason)
				}
			}
			if _, ok := info.Secret("secret"); ok || info.Manifest == nil || info.PID == 0 || b.domain.Free() != 0 {
				t.Errorf("info %+v, free %d; want routes known, no secret and no room", info, b.domain.Free())
			}
			if err := b.domain.Start(order("t", "echo.say", "{}"), nil); !errors.Is(err, supervisor.ErrNotRunning) {
				t.Errorf("a run of an unconfigured plugin: %v; want ErrNotRunning", err)
			}
			if err := b.domain.StartAlone(t.Context(), order("t", "echo.say", "{}"), nil); err == nil {
				t.Error("a run alone of an unconfigured plugin began")
			}
			b.domain.Lease(time.Minute) // goes nowhere
		})
	}
}

func TestPluginThatDoesNotStart(t *testing.T) {
	t.Parallel()
	b := start(t, hostile(t, "exit"))
	info := b.await(supervisor.StateBackoff)
	if !strings.Contains(info.Reason, "no such option") {
		t.Errorf("reason %q; want what the program printed", info.Reason)
	}
	if info = b.await(supervisor.StateQuarantined); info.Restarts != 3 {
		t.Errorf("quarantined after %d restarts; want 3", info.Restarts)
	}
	b.domain.Restart()
	if info := b.await(supervisor.StateStarting); info.Restarts != 4 {
		t.Errorf("the quarantine went on: %+v", info)
	}
	b.await(supervisor.StateQuarantined)
}

func TestPluginThatDoesNotFitIsQuarantinedAtOnce(t *testing.T) {
	t.Parallel()
	for mode, reasons := range map[string][]string{
		"newer":    {"99.0.0", "0.1.0"},
		"other":    {"stranger", "hostile-other", ".binary"},
		"manifest": {"version", "the first"},
	} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			b := start(t, hostile(t, mode))
			info := b.await(supervisor.StateQuarantined)
			for _, reason := range reasons {
				if !strings.Contains(info.Reason, reason) {
					t.Errorf("reason %q; want %q in it", info.Reason, reason)
				}
			}
			if info.Restarts != 0 || info.PID != 0 || info.Manifest != nil {
				t.Errorf("info %+v; want one start, and nothing of it left", info)
			}
		})
	}
}

func TestFileThatTheOperatorChoseMayBeCalledAsItLikes(t *testing.T) {
	t.Parallel()
	b := start(t, hostile(t, "other"), func(cfg *supervisor.Config) { cfg.Binaries[0].Chosen = true })
	if info := b.await(supervisor.StateReady); info.Instance != "hostile-other" || info.Manifest.GetName() != "stranger" {
		t.Errorf("info %+v", info)
	}
}

func TestPluginUnderADebuggerIsLeftAlone(t *testing.T) {
	t.Parallel()
	never := func(string) time.Duration { return math.MaxInt64 }
	b := start(t, binaries.echo, func(cfg *supervisor.Config) {
		cfg.StartTimeout, cfg.HungAfter, cfg.HealthEvery = never, never, time.Millisecond
	})
	pid := b.await(supervisor.StateReady).PID
	ended := b.run("t1", "echo.say", `{"text":"before"}`)
	if e := <-ended; e.Outcome.GetDone() == nil {
		t.Errorf("end %+v", e)
	}
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	// A health call gives up after two seconds: one has, by the time that the job is answered.
	ended = b.run("t2", "echo.say", `{"text":"after"}`)
	timer := time.AfterFunc(2500*time.Millisecond, func() { _ = syscall.Kill(pid, syscall.SIGCONT) })
	defer func() {
		timer.Stop()
		_ = syscall.Kill(pid, syscall.SIGCONT) // the stop may have come after the answer
	}()
	if e := <-ended; string(e.Outcome.GetDone().GetData()) != `{"text":"after"}` || b.domain.Info().PID != pid {
		t.Errorf("end %+v, info %+v; want the same process", e, b.domain.Info())
	}
}

func TestRestartOfAReadyPluginLosesNothing(t *testing.T) {
	t.Parallel()
	b := start(t, binaries.echo)
	first := b.await(supervisor.StateReady)
	b.run("t1", "echo.say", `{"text":"x"}`)
	b.domain.Restart()
	b.await(supervisor.StateDraining)
	second := b.await(supervisor.StateReady)
	if second.PID == first.PID || second.Restarts != 1 {
		t.Errorf("%+v; want another process than %d", second, first.PID)
	}
	gone(t, first.PID)
}
