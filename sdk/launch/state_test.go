package launch_test

import (
	"context"
	"errors"
	"net"
	"path/filepath"
	"sync"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"bulkhead.dev/sdk/pluginv1"
)

// hostService keeps values for whoever has the token, and which run asked.
type hostService struct {
	pluginv1.UnimplementedHostServiceServer
	token string

	mu     sync.Mutex
	values map[string]*pluginv1.Value
	runs   map[string]bool
}

func (h *hostService) guard(ctx context.Context, run string) error {
	md, _ := metadata.FromIncomingContext(ctx)
	if got := md.Get("authorization"); len(got) != 1 || got[0] != "Bearer "+h.token {
		return status.Error(codes.Unauthenticated, "another generation's token")
	}
	h.runs[run] = true
	return nil
}

func (h *hostService) ReadState(ctx context.Context, req *pluginv1.ReadStateRequest) (*pluginv1.ReadStateResponse, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if err := h.guard(ctx, req.GetRunToken()); err != nil {
		return nil, err
	}
	found := &pluginv1.StateFound{}
	if value := h.values[req.GetReads()[0].GetValue()]; value != nil {
		found.What = &pluginv1.StateFound_Value{Value: value}
	}
	return &pluginv1.ReadStateResponse{Found: []*pluginv1.StateFound{found}}, nil
}

func (h *hostService) CommitState(ctx context.Context, req *pluginv1.CommitStateRequest) (*pluginv1.CommitStateResponse, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if err := h.guard(ctx, req.GetRunToken()); err != nil {
		return nil, err
	}
	value := req.GetWrites()[0].GetPutValue()
	value.Revision = 1
	h.values[value.GetKey()] = value
	return &pluginv1.CommitStateResponse{Revisions: []int64{1}}, nil
}

// TestState shows that a handler reaches the host's state by the socket and the token of Configure.
func TestState(t *testing.T) {
	t.Parallel()
	service := &hostService{token: "t0k3n", values: map[string]*pluginv1.Value{}, runs: map[string]bool{}}
	socket := filepath.Join(shortDir(t), "host")
	var config net.ListenConfig
	listener, err := config.Listen(t.Context(), "unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer()
	pluginv1.RegisterHostServiceServer(server, service)
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	t.Cleanup(func() {
		server.Stop()
		if err := <-served; err != nil && !errors.Is(err, grpc.ErrServerStopped) {
			t.Error(err)
		}
	})

	p := start(t, "sdk", nil)
	faults, err := p.Configure(t.Context(), &pluginv1.ConfigureRequest{
		Instance: "fixture", Settings: []byte(`{"name":"x"}`), HostSocket: socket, GenerationToken: service.token,
	})
	if err != nil || len(faults) > 0 {
		t.Fatal(faults, err)
	}
	outcome := open(t, p).do(t, job("fixture.state", nil))
	if got := string(outcome.GetDone().GetData()); got != "7" {
		t.Fatalf("outcome: %v", outcome)
	}
	service.mu.Lock()
	defer service.mu.Unlock()
	if len(service.runs) != 1 || !service.runs["only"] {
		t.Errorf("asked for the runs %v", service.runs)
	}
}
