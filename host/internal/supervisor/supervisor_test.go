package supervisor_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"go.uber.org/goleak"
	"google.golang.org/protobuf/types/known/timestamppb"

	"bulkhead.dev/host/internal/supervisor"
	"bulkhead.dev/sdk/pluginv1"
)

// binaries are the plugins of all tests, built once: the example that behaves and one that does not.
var binaries struct{ echo, hostile string }

func TestMain(m *testing.M) { os.Exit(testMain(m)) }

func testMain(m *testing.M) int {
	dir, err := os.MkdirTemp("", "bulkhead")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(dir) }()
	binaries.echo, binaries.hostile = filepath.Join(dir, "echo"), filepath.Join(dir, "hostile")
	for path, pkg := range map[string]string{binaries.echo: "bulkhead.dev/examples/echo", binaries.hostile: "./testdata/hostile"} {
		if out, err := exec.Command("go", "build", "-o", path, pkg).CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "%v\n%s", err, out)
			return 1
		}
	}
	code := m.Run()
	if err := goleak.Find(); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

// hostile is the path of the plugin that behaves as mode says.
func hostile(t *testing.T, mode string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "hostile-"+mode)
	if err := os.Link(binaries.hostile, path); err != nil {
		t.Fatal(err)
	}
	return path
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
	runDir  string
	stop    context.CancelFunc
	done    chan struct{}
}

const goodSettings = `{"secret":"s"}`

// start runs a supervisor with the binary at path; change may alter its configuration.
func start(t *testing.T, path string, change ...func(*supervisor.Config)) *bench {
	t.Helper()
	run, err := supervisor.OpenRunDir(os.TempDir(), "/tmp")
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{t: t, changes: make(chan supervisor.Info, 1000), done: make(chan struct{}), runDir: run.Path()}
	cfg := supervisor.Config{
		Binaries: []supervisor.Binary{{Instance: filepath.Base(path), Path: path}},
		RunDir:   run.Path(), PublicURL: "http://127.0.0.1", Version: "0.1.0", State: noState{},
		Settings:     settings(goodSettings),
		Changed:      func(d *supervisor.Domain) { b.changes <- d.Info() },
		StartTimeout: func(string) time.Duration { return 30 * time.Second },
		HungAfter:    func(string) time.Duration { return time.Minute },
		Restart:      supervisor.Restart{First: time.Millisecond, Failures: 3},
		Grace:        func() time.Duration { return 10 * time.Second }, Log: hclog.NewNullLogger(),
	}
	for _, c := range change {
		c(&cfg)
	}
	s := supervisor.New(cfg)
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
		b.end()
		if left, err := filepath.Glob(run.Path() + "/g*"); err != nil || len(left) != 0 {
			t.Errorf("left in the directory for sockets: %v %v", left, err)
		}
		if err := run.Close(); err != nil {
			t.Error(err)
		}
	})
	return b
}

func settings(doc string) func(string, []byte) (supervisor.Settings, error) {
	return func(string, []byte) (supervisor.Settings, error) { return supervisor.Settings{JSON: []byte(doc)}, nil }
}

// logTo makes the supervisor log to w, in JSON.
func logTo(w io.Writer) func(*supervisor.Config) {
	return func(cfg *supervisor.Config) {
		cfg.Log = hclog.New(&hclog.LoggerOptions{Output: w, JSONFormat: true, Level: hclog.Debug})
	}
}

// end stops the supervisor and waits for it.
func (b *bench) end() {
	b.stop()
	<-b.done
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

// order is a run of a job, which the plugin answers as it likes.
func order(token, jobType, data string) *pluginv1.Run {
	return &pluginv1.Run{
		Token: token, Attempt: 1, Starts: 1, Deadline: timestamppb.New(time.Now().Add(time.Minute)),
		Job: &pluginv1.Job{
			Id: "echo-" + token, Type: jobType, Source: "interactive:/interactive/echo/say", Time: timestamppb.Now(),
			Data: []byte(data), Datacontenttype: "application/json", RequestId: "node1234-1", Lane: pluginv1.Lane_LANE_NOW, Reply: true,
		},
	}
}

// run starts a job in the current process and returns where its end will come.
func (b *bench) run(token, jobType, data string) <-chan supervisor.Ended {
	b.t.Helper()
	b.room()
	b.domain.Lease(time.Minute)
	ended := make(chan supervisor.Ended, 1)
	if err := b.domain.Start(order(token, jobType, data), func(e supervisor.Ended) { ended <- e }); err != nil {
		b.t.Fatalf("start of a run: %v", err)
	}
	return ended
}

// runAlone starts a job in a process of its own.
func (b *bench) runAlone(token, jobType, data string) <-chan supervisor.Ended {
	b.t.Helper()
	b.domain.Lease(time.Minute)
	ended := make(chan supervisor.Ended, 1)
	if err := b.domain.StartAlone(b.t.Context(), order(token, jobType, data), func(e supervisor.Ended) { ended <- e }); err != nil {
		b.t.Fatalf("start of a run alone: %v", err)
	}
	return ended
}
