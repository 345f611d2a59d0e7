package supervisor_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"go.uber.org/goleak"
	"google.golang.org/protobuf/types/known/timestamppb"

	"bulkhead.dev/host/internal/supervisor"
	"bulkhead.dev/sdk/pluginv1"
)

// echoBinary is the example plugin, built once for all tests.
var echoBinary string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "bulkhead")
	if err != nil {
		panic(err)
	}
	echoBinary = filepath.Join(dir, "echo")
	build := exec.Command("go", "build", "-o", echoBinary, "bulkhead.dev/examples/echo")
	if out, err := build.CombinedOutput(); err != nil {
		panic(fmt.Sprintf("%v\n%s", err, out))
	}
	code := m.Run()
	_ = os.RemoveAll(dir)
	if code == 0 {
		if err := goleak.Find(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

// noState refuses everything; echo keeps none.
type noState struct{}

var errNoState = errors.New("this test has no state")

func (noState) ReadState(context.Context, string, *pluginv1.ReadStateRequest) (*pluginv1.ReadStateResponse, error) {
	return nil, errNoState
}

func (noState) ScanState(context.Context, string, *pluginv1.ScanStateRequest) (*pluginv1.ScanStateResponse, error) {
	return nil, errNoState
}

func (noState) CommitState(context.Context, string, *pluginv1.CommitStateRequest) (*pluginv1.CommitStateResponse, error) {
	return nil, errNoState
}

// bench is a running supervisor with one instance.
type bench struct {
	t       *testing.T
	domain  *supervisor.Domain
	changes chan supervisor.Info
	stop    context.CancelFunc
	done    chan struct{}
}

// start runs a supervisor with the binary at path under the given settings.
func start(t *testing.T, path, settings string) *bench {
	t.Helper()
	runDir, err := os.MkdirTemp("", "bh")
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{t: t, changes: make(chan supervisor.Info, 1000), done: make(chan struct{})}
	s := supervisor.New(supervisor.Config{
		Binaries: []supervisor.Binary{{Instance: "echo", Path: path}},
		RunDir:   runDir, PublicURL: "http://127.0.0.1", Version: "0.1.0", State: noState{},
		Settings: func(string, []byte) (supervisor.Settings, error) {
			return supervisor.Settings{JSON: []byte(settings)}, nil
		},
		Changed:      func(d *supervisor.Domain) { b.changes <- d.Info() },
		StartTimeout: func(string) time.Duration { return 30 * time.Second },
		HungAfter:    func(string) time.Duration { return time.Minute },
		Restart:      supervisor.Restart{First: time.Millisecond, Failures: 3},
		Grace:        func() time.Duration { return 5 * time.Second }, Lease: time.Minute, Log: hclog.NewNullLogger(),
	})
	b.domain = s.Domains()[0]
	ctx, cancel := context.WithCancel(t.Context())
	b.stop = cancel
	go func() {
		defer close(b.done)
		if err := s.Run(ctx); err != nil {
			t.Errorf("Run: %v", err)
		}
	}()
	t.Cleanup(func() {
		cancel()
		<-b.done
		if left, err := os.ReadDir(runDir); err != nil || len(left) != 0 {
			t.Errorf("left in the directory for sockets: %v %v", left, err)
		}
		_ = os.RemoveAll(runDir)
	})
	return b
}

// await waits for a change after which the instance is in the state.
func (b *bench) await(state supervisor.DomainState) supervisor.Info {
	b.t.Helper()
	timeout := time.After(60 * time.Second)
	for {
		select {
		case info := <-b.changes:
			if info.State == state {
				return info
			}
		case <-timeout:
			b.t.Fatalf("the instance did not come into state %s: %+v", state, b.domain.Info())
		}
	}
}

// room waits for the plugin's first credits, which come after it is ready.
func (b *bench) room() {
	for b.domain.Free() == 0 && b.t.Context().Err() == nil {
		b.domain.Room(b.t.Context(), time.Second)
	}
}

// run starts a job and returns where its end will come.
func (b *bench) run(token, jobType, data string, alone bool) <-chan supervisor.Ended {
	b.t.Helper()
	b.room()
	b.domain.Lease(time.Minute)
	ended := make(chan supervisor.Ended, 1)
	run := &pluginv1.Run{
		Token: token, Attempt: 1, Starts: 1, Deadline: timestamppb.New(time.Now().Add(time.Minute)),
		Job: &pluginv1.Job{
			Id: "echo-1", Type: jobType, Source: "interactive:/interactive/echo/say", Time: timestamppb.Now(),
			Data: []byte(data), Datacontenttype: "application/json", RequestId: "node1234-1", Lane: pluginv1.Lane_LANE_NOW, Reply: true,
		},
	}
	start := b.domain.Start
	if alone {
		start = func(run *pluginv1.Run, done func(supervisor.Ended)) error {
			return b.domain.StartAlone(b.t.Context(), run, done)
		}
	}
	if err := start(run, func(e supervisor.Ended) { ended <- e }); err != nil {
		b.t.Fatalf("start of a run: %v", err)
	}
	return ended
}

func TestPluginLivesWorksAndDies(t *testing.T) {
	t.Parallel()
	b := start(t, echoBinary, `{"secret":"s"}`)
	info := b.await(supervisor.StateReady)
	if info.Manifest.GetName() != "echo" || info.PID == 0 {
		t.Errorf("info: %+v; want the manifest of echo and a pid", info)
	}
	for _, alone := range []bool{false, true} {
		ended := <-b.run("t1", "echo.say", `{"text":"hello"}`, alone)
		if got := string(ended.Outcome.GetDone().GetData()); got != `{"text":"hello"}` {
			t.Errorf("alone %v: answer %q, end %+v; want the text back", alone, got, ended)
		}
	}

	killed := info.PID
	if err := syscall.Kill(-killed, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	again := b.await(supervisor.StateReady)
	if again.PID == killed || again.Restarts != 1 {
		t.Errorf("after kill -9: pid %d (was %d), restarts %d; want another process", again.PID, killed, again.Restarts)
	}
	ended := <-b.run("t2", "echo.say", `{"text":"again"}`, false)
	if got := string(ended.Outcome.GetDone().GetData()); got != `{"text":"again"}` {
		t.Errorf("after the restart: %q", got)
	}

	b.stop()
	<-b.done
	if err := syscall.Kill(again.PID, 0); !errors.Is(err, syscall.ESRCH) {
		t.Errorf("the process %d lives on after Run: %v", again.PID, err)
	}
}

func TestRunInADyingProcessIsASuspect(t *testing.T) {
	t.Parallel()
	b := start(t, echoBinary, `{"secret":"s"}`)
	info := b.await(supervisor.StateReady)
	b.room()
	// A stopped process takes the run and never answers it, so the death comes in its middle for certain.
	if err := syscall.Kill(info.PID, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	ended := b.run("t1", "echo.say", `{"text":"x"}`, false)
	if err := syscall.Kill(-info.PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	e := <-ended
	if e.Outcome != nil || !e.Died || !strings.Contains(e.Reason, "killed") {
		t.Errorf("end: %+v; want a death with its reason", e)
	}
}

func TestBadSettingsLeaveTheProcessWithoutWork(t *testing.T) {
	t.Parallel()
	b := start(t, echoBinary, `{"secert":"s"}`)
	info := b.await(supervisor.StateUnconfigured)
	if !strings.Contains(info.Reason, "secret") || !strings.Contains(info.Reason, "secert") {
		t.Errorf("reason %q; want both faults named", info.Reason)
	}
	if info.Manifest == nil || b.domain.Free() != 0 {
		t.Errorf("manifest %v, free %d; want routes known and no room", info.Manifest, b.domain.Free())
	}
	if err := b.domain.Start(&pluginv1.Run{Token: "t"}, func(supervisor.Ended) {}); !errors.Is(err, supervisor.ErrNotRunning) {
		t.Errorf("a run of an unconfigured plugin: %v; want ErrNotRunning", err)
	}
}

func TestBinaryThatDoesNotServe(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "echo")
	if err := os.WriteFile(path, []byte("#!/bin/sh\necho 'no such option' >&2\nexit 3\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	b := start(t, path, `{}`)
	info := b.await(supervisor.StateBackoff)
	if !strings.Contains(info.Reason, "no such option") {
		t.Errorf("reason %q; want what the program printed", info.Reason)
	}
	b.await(supervisor.StateQuarantined)
	b.domain.Resume()
	b.await(supervisor.StateStarting)
	b.await(supervisor.StateQuarantined)
}
