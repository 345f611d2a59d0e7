package launch_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	plugin "github.com/hashicorp/go-plugin"
	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/encoding/protowire"

	"bulkhead.dev/sdk"
	"bulkhead.dev/sdk/internal/worker"
	"bulkhead.dev/sdk/pluginv1"
	"bulkhead.dev/sdk/state"
	"bulkhead.dev/sdk/wire"
)

// modeEnv makes a plugin of the test binary: its value says which.
const modeEnv = "LAUNCH_TEST_MODE"

func TestMain(m *testing.M) {
	if mode := os.Getenv(modeEnv); mode != "" {
		fixture(mode)
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

// fixture is the process of a plugin that behaves as mode says.
func fixture(mode string) {
	switch mode {
	case "sdk":
	case "stock":
		serveStock(stock{worker: worker.New(worker.Config{Runner: echo{}})})
		return
	case "future": // a plugin from a later version of the contract
		serveStock(future{})
		return
	case "exit":
		_, _ = fmt.Fprintln(os.Stderr, "no licence for", os.Args[0])
		os.Exit(3)
	case "chatter":
		fmt.Println("warming up <caches>")
	case "hang":
		select {}
	case "log": // a line that panics go-plugin, a long one, one without an end
		_, _ = fmt.Fprintln(os.Stderr, `{"@message":1,"@level":7}`)
		_, _ = fmt.Fprintln(os.Stderr, strings.Repeat("x", 200<<10))
	case "grandchild", "outsider":
		child := exec.Command("/bin/sleep", "600")
		child.Stdout, child.Stderr = os.Stdout, os.Stderr
		child.SysProcAttr = &syscall.SysProcAttr{Setsid: mode == "outsider"}
		if err := child.Start(); err != nil {
			panic(err)
		}
		_, _ = fmt.Fprintln(os.Stderr, "grandchild", child.Process.Pid)
	case "deaf":
		deaf()
	case "host":
		hostMain()
		return
	default:
		panic("no such mode: " + mode)
	}
	sdk.Serve(domain())
}

type settings struct {
	Name string `json:"name" setting:"required"`
}

// domain answers its environment and its settings; everything else is driven by the reserved jobs.
func domain() *sdk.Domain {
	var configured settings
	var host *sdk.Host
	return &sdk.Domain{
		Name: "fixture", Version: "1.2.3",
		Configure: sdk.Configure(func(_ context.Context, s settings, h *sdk.Host) error {
			if s.Name == "bad" {
				return sdk.FieldError("name", "is %s", s.Name)
			}
			configured, host = s, h
			return nil
		}),
		Routes: []sdk.Route{
			{Path: "environment", Sync: true, Handle: sdk.Answer(func(context.Context, *sdk.Job, struct{}) ([]string, error) {
				return os.Environ(), nil
			})},
			{Path: "name", Sync: true, Handle: sdk.Answer(func(context.Context, *sdk.Job, struct{}) (string, error) {
				return configured.Name, nil
			})},
			{Path: "print", Sync: true, Handle: sdk.Answer(func(_ context.Context, job *sdk.Job, text string) (string, error) {
				fmt.Println(text)
				job.Log.Info(text)
				return text, nil
			})},
			{Path: "state", Sync: true, Handle: sdk.Answer(func(ctx context.Context, _ *sdk.Job, _ struct{}) (int, error) {
				entries := state.KVOf[int](host.State, "count/")
				if err := entries.Put(ctx, "a", 7); err != nil {
					return 0, err
				}
				n, _, err := entries.Get(ctx, "a")
				return n, err
			})},
			{Path: "mask", Sync: true, Handle: sdk.Answer(func(context.Context, *sdk.Job, struct{}) (int, error) {
				mask := syscall.Umask(0o077)
				return mask, nil
			})},
		},
	}
}

// serveStock is a plugin that knows go-plugin and the contract but not the SDK, as in another language.
func serveStock(service pluginv1.PluginServiceServer) {
	plugin.Serve(&plugin.ServeConfig{
		HandshakeConfig: plugin.HandshakeConfig{
			ProtocolVersion: wire.ProtocolVersion, MagicCookieKey: wire.CookieKey, MagicCookieValue: wire.CookieValue,
		},
		Plugins:    plugin.PluginSet{wire.PluginName: registered{service: service}},
		GRPCServer: plugin.DefaultGRPCServer,
	})
}

type registered struct {
	plugin.NetRPCUnsupportedPlugin
	service pluginv1.PluginServiceServer
}

func (r registered) GRPCServer(_ *plugin.GRPCBroker, server *grpc.Server) error {
	pluginv1.RegisterPluginServiceServer(server, r.service)
	return nil
}

func (registered) GRPCClient(context.Context, *plugin.GRPCBroker, *grpc.ClientConn) (any, error) {
	return nil, errors.New("not a host")
}

// stock echoes every job.
type stock struct {
	pluginv1.UnimplementedPluginServiceServer
	worker *worker.Worker
}

func (stock) Describe(context.Context, *pluginv1.DescribeRequest) (*pluginv1.DescribeResponse, error) {
	return &pluginv1.DescribeResponse{Manifest: &pluginv1.Manifest{Name: "stock", Version: "0.1.0"}}, nil
}

func (s stock) Work(stream grpc.BidiStreamingServer[pluginv1.WorkRequest, pluginv1.WorkResponse]) error {
	return s.worker.Work(stream)
}

type echo struct{}

func (echo) Run(_ context.Context, run *pluginv1.Run) *pluginv1.Outcome {
	return &pluginv1.Outcome{Result: &pluginv1.Outcome_Done{Done: &pluginv1.Done{Data: run.GetJob().GetData()}}}
}

// future answers with fields and outcomes that this version does not know.
type future struct {
	pluginv1.UnimplementedPluginServiceServer
}

func (future) Describe(context.Context, *pluginv1.DescribeRequest) (*pluginv1.DescribeResponse, error) {
	m := &pluginv1.Manifest{Name: "future", Version: "9.0.0"}
	m.ProtoReflect().SetUnknown(protowire.AppendVarint(protowire.AppendTag(nil, 99, protowire.VarintType), 1))
	return &pluginv1.DescribeResponse{Manifest: m}, nil
}

func (future) Work(stream grpc.BidiStreamingServer[pluginv1.WorkRequest, pluginv1.WorkResponse]) error {
	if err := stream.Send(&pluginv1.WorkResponse{Credit: &pluginv1.Credit{Jobs: 8, Bytes: 1 << 20}}); err != nil {
		return err
	}
	for {
		frame, err := stream.Recv()
		if err != nil {
			return err
		}
		answer := &pluginv1.WorkResponse{}
		for _, run := range frame.GetRuns() {
			done := &pluginv1.Done{Data: run.GetJob().GetData()}
			switch run.GetJob().GetType() {
			case "future.field":
				done.ProtoReflect().SetUnknown(protowire.AppendVarint(protowire.AppendTag(nil, 42, protowire.VarintType), 1))
			case "future.frame":
				answer.ProtoReflect().SetUnknown(protowire.AppendVarint(protowire.AppendTag(nil, 7, protowire.VarintType), 1))
			case "future.credit":
				answer.Credit = &pluginv1.Credit{Jobs: -1}
			}
			outcome := &pluginv1.Outcome{Token: run.GetToken(), Result: &pluginv1.Outcome_Done{Done: done}}
			if run.GetJob().GetType() == "future.empty" {
				outcome.Result = nil
			}
			answer.Outcomes = append(answer.Outcomes, outcome)
			if run.GetJob().GetType() == "future.twice" {
				answer.Outcomes = append(answer.Outcomes, outcome)
			}
		}
		if err := stream.Send(answer); err != nil {
			return err
		}
	}
}

// waitFor waits until ok, looked at often, or fails.
func waitFor(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.NewTimer(15 * time.Second)
	defer deadline.Stop()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-deadline.C:
			t.Fatal("never came: " + what)
		case <-tick.C:
		}
	}
}
