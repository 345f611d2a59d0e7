// Package plugintest runs a Domain's handlers in one process with the test, through a real gRPC pipe and with a host
// whose state lives in memory: what a handler sees is what it sees in production, and no binary, Redis or port is needed.
//
//	h := plugintest.Start(t, domain(), map[string]any{"token": "t", "webhook_secret": "s"})
//	result, err := h.Do(t.Context(), "shop.orders", map[string]any{"id": "7"})
//	// result.Kind, result.Emits, and what the handler wrote: h.State.Links("order-invoice").Get(...)
//
// The host's own work (signatures, schemas, order, repeats, retries) is not done here: one Do is one attempt of one job.
// The package imports no testing: it reports by errors, and Start takes a small interface that *testing.T satisfies.
package plugintest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"bulkhead.dev/sdk"
	"bulkhead.dev/sdk/pluginv1"
	"bulkhead.dev/sdk/state"
	"bulkhead.dev/sdk/wire"

	"github.com/hashicorp/go-hclog"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/test/bufconn"
)

// generationToken is what the plugin shows to the host in memory.
const generationToken = "plugintest"

// pipeBytes is the buffer of the pipe to the plugin.
const pipeBytes = 1 << 20

// Config says how the plugin is run. Its zero value is good for a plugin without settings.
type Config struct {
	// Settings are marshalled as JSON, or taken as they are when they are a json.RawMessage; nil: {}.
	Settings any
	// Instance is the name under which the plugin runs; empty: the domain's.
	Instance string
	// PublicURL is the base of every URL that is given out; empty: http://127.0.0.1:8080.
	PublicURL string
	// Log takes what the plugin logs; nil: nothing does.
	Log hclog.Logger
}

// Harness is a Domain at work. It is safe for concurrent use; the author closes it.
type Harness struct {
	// State is the instance's state as the handlers see it, for a test to lay and to look at.
	State *state.Client
	// Host keeps that state.
	Host *Host

	manifest *pluginv1.Manifest
	instance string
	work     grpc.BidiStreamingClient[pluginv1.WorkRequest, pluginv1.WorkResponse]
	closers  []func() error // the last one first

	mu      sync.Mutex
	sending sync.Mutex
	started int
	waiting map[string]chan<- *pluginv1.Outcome // by run token
	broken  error                               // why the stream ended
	ended   chan struct{}
}

// SettingsError says that the plugin refused its settings.
type SettingsError struct {
	// Faults are what the operator would see.
	Faults []sdk.SettingError
}

// Error lists the faults.
func (e *SettingsError) Error() string {
	texts := make([]string, len(e.Faults))
	for i := range e.Faults {
		texts[i] = e.Faults[i].Error()
	}
	return "the plugin refused its settings: " + strings.Join(texts, "; ")
}

// T is what Start needs of a test.
type T interface {
	Helper()
	Cleanup(func())
	Context() context.Context
	Fatalf(format string, args ...any)
	Errorf(format string, args ...any)
}

// Start runs d with settings for the length of a test; whatever fails, fails the test.
func Start(t T, d *sdk.Domain, settings any) *Harness {
	t.Helper()
	h, err := New(t.Context(), d, Config{Settings: settings})
	if err != nil {
		t.Fatalf("plugintest: %v", err)
		return nil
	}
	t.Cleanup(func() {
		if err := h.Close(); err != nil {
			t.Errorf("plugintest: %v", err)
		}
	})
	return h
}

// New runs d until Close. ctx bounds the start. Settings that the plugin refuses are a *SettingsError; a Domain that is
// wrong in itself is an error that says all that is.
func New(ctx context.Context, d *sdk.Domain, cfg Config) (*Harness, error) {
	h := &Harness{
		Host: newHost(), waiting: map[string]chan<- *pluginv1.Outcome{}, ended: make(chan struct{}), instance: cfg.Instance,
	}
	if h.instance == "" {
		h.instance = d.Name
	}
	if err := h.start(ctx, d, cfg); err != nil {
		return nil, errors.Join(err, h.Close())
	}
	return h, nil
}

func (h *Harness) start(ctx context.Context, d *sdk.Domain, cfg Config) error {
	settings, err := settingsJSON(cfg.Settings)
	if err != nil {
		return err
	}
	server, err := sdk.NewServer(d, cfg.Log)
	if err != nil {
		return err
	}
	h.closers = append(h.closers, server.Close)
	socket, err := h.serveHost(ctx)
	if err != nil {
		return err
	}
	plugin, err := h.servePlugin(server)
	if err != nil {
		return err
	}
	described, err := plugin.Describe(ctx, &pluginv1.DescribeRequest{HostVersion: "0.0.0"})
	if err != nil {
		return fmt.Errorf("describe: %w", err)
	}
	h.manifest = described.GetManifest()
	request := &pluginv1.ConfigureRequest{
		Instance: h.instance, Settings: settings, PublicUrl: cfg.PublicURL, HostSocket: socket, GenerationToken: generationToken,
	}
	if request.GetPublicUrl() == "" {
		request.PublicUrl = "http://127.0.0.1:8080"
	}
	answer, err := plugin.Configure(ctx, request)
	if err != nil {
		return fmt.Errorf("configure: %w", err)
	}
	if len(answer.GetErrors()) > 0 {
		refused := &SettingsError{}
		for _, fault := range answer.GetErrors() {
			refused.Faults = append(refused.Faults, sdk.SettingError{Field: fault.GetField(), Message: fault.GetMessage()})
		}
		return refused
	}
	return h.open(ctx, plugin)
}

func settingsJSON(settings any) ([]byte, error) {
	if settings == nil {
		return []byte("{}"), nil
	}
	raw, err := json.Marshal(settings)
	if err != nil {
		return nil, fmt.Errorf("settings: %w", err)
	}
	return raw, nil
}

// serveHost serves the host's half on a socket of its own, as the real one does, and opens State beside it.
func (h *Harness) serveHost(ctx context.Context) (socket string, err error) {
	dir, err := os.MkdirTemp("", "plugintest")
	if err != nil {
		return "", fmt.Errorf("host socket: %w", err)
	}
	h.closers = append(h.closers, func() error { return os.RemoveAll(dir) })
	socket = filepath.Join(dir, "host.sock")
	listener, err := (&net.ListenConfig{}).Listen(ctx, "unix", socket)
	if err != nil {
		return "", fmt.Errorf("host socket: %w", err)
	}
	server := grpc.NewServer(append(messageLimits(), grpc.UnaryInterceptor(h.Host.guard))...)
	pluginv1.RegisterHostServiceServer(server, h.Host)
	h.closers = append(h.closers, serving(server, listener))
	conn, err := grpc.NewClient("unix:"+socket, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return "", fmt.Errorf("host socket: %w", err)
	}
	h.closers = append(h.closers, conn.Close)
	h.State = state.New(conn, generationToken)
	return socket, nil
}

func (h *Harness) servePlugin(server *sdk.Server) (pluginv1.PluginServiceClient, error) {
	pipe := bufconn.Listen(pipeBytes)
	rpc := grpc.NewServer(messageLimits()...)
	server.Register(rpc)
	h.closers = append(h.closers, serving(rpc, pipe))
	conn, err := grpc.NewClient("passthrough:///plugin", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return pipe.DialContext(ctx) }),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(wire.MaxMessageBytes), grpc.MaxCallSendMsgSize(wire.MaxMessageBytes)))
	if err != nil {
		return nil, fmt.Errorf("pipe to the plugin: %w", err)
	}
	h.closers = append(h.closers, conn.Close)
	return pluginv1.NewPluginServiceClient(conn), nil
}

func messageLimits() []grpc.ServerOption {
	return []grpc.ServerOption{grpc.MaxRecvMsgSize(wire.MaxMessageBytes), grpc.MaxSendMsgSize(wire.MaxMessageBytes)}
}

// serving serves until the function that it returns is called.
func serving(server *grpc.Server, listener net.Listener) (stop func() error) {
	done := make(chan error, 1)
	go func() { done <- server.Serve(listener) }()
	return func() error {
		server.Stop()
		if err := <-done; !errors.Is(err, grpc.ErrServerStopped) { // stopped before it began
			return err
		}
		return nil
	}
}

// Manifest is what a host is told of the plugin.
func (h *Harness) Manifest() *pluginv1.Manifest { return h.manifest }

// Close ends the plugin: contexts of handlers at work are cancelled, and it returns when they have returned.
func (h *Harness) Close() error {
	h.mu.Lock()
	closers := h.closers
	h.closers = nil
	h.mu.Unlock()
	var errs []error
	for i := len(closers) - 1; i >= 0; i-- {
		errs = append(errs, closers[i]())
	}
	return errors.Join(errs...)
}
