package supervisor

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"bulkhead.dev/sdk/pluginv1"
	"bulkhead.dev/sdk/wire"
)

// State is the durable state of all instances; each call is scoped to one.
type State interface {
	ReadState(ctx context.Context, instance string, req *pluginv1.ReadStateRequest) (*pluginv1.ReadStateResponse, error)
	ScanState(ctx context.Context, instance string, req *pluginv1.ScanStateRequest) (*pluginv1.ScanStateResponse, error)
	CommitState(ctx context.Context, instance string, req *pluginv1.CommitStateRequest) (*pluginv1.CommitStateResponse, error)
}

const (
	// callsAtOnce bounds the calls of one process that are being answered.
	callsAtOnce = 256
	// callTime bounds one of them, whatever its caller says; a write may wait that long for another process' lock.
	callTime = 30 * time.Second
)

// hostService serves HostService to one generation of one instance, on a socket in its directory.
type hostService struct {
	pluginv1.UnimplementedHostServiceServer
	instance string
	token    string
	state    State
	running  func(runToken string) bool
	server   *grpc.Server
	done     chan struct{}
	path     string
}

// serveHost opens the socket in dir; close ends it.
func serveHost(ctx context.Context, dir, instance, token string, state State, running func(string) bool) (*hostService, error) {
	h := &hostService{
		instance: instance, token: token, state: state, running: running,
		done: make(chan struct{}), path: filepath.Join(dir, "host.sock"),
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "unix", h.path)
	if err != nil {
		return nil, fmt.Errorf("host socket: %w", err)
	}
	if err := os.Chmod(h.path, 0o600); err != nil {
		return nil, errors.Join(fmt.Errorf("host socket: %w", err), listener.Close())
	}
	h.server = grpc.NewServer(
		grpc.MaxConcurrentStreams(callsAtOnce), grpc.MaxRecvMsgSize(wire.MaxMessageBytes), grpc.MaxSendMsgSize(wire.MaxMessageBytes),
		grpc.UnaryInterceptor(h.guard))
	pluginv1.RegisterHostServiceServer(h.server, h)
	go func() {
		defer close(h.done)
		_ = h.server.Serve(listener) // ends by close alone
	}()
	return h, nil
}

func (h *hostService) close() {
	h.server.Stop()
	<-h.done
}

// guard lets in the generation that the socket was made for, and refuses what it does not understand.
func (h *hostService) guard(ctx context.Context, req any, _ *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
	md, _ := metadata.FromIncomingContext(ctx)
	got := ""
	if values := md.Get("authorization"); len(values) == 1 {
		got = values[0]
	}
	if subtle.ConstantTimeCompare([]byte(got), []byte(wire.BearerPrefix+h.token)) != 1 {
		return nil, status.Error(codes.Unauthenticated, "the generation's token is missing or wrong")
	}
	if m, ok := req.(proto.Message); ok {
		if err := wire.CheckUnknown(m); err != nil {
			return nil, status.Error(codes.InvalidArgument, err.Error())
		}
	}
	// A run that was taken over must not write any more: its successor may have begun.
	if r, ok := req.(interface{ GetRunToken() string }); ok && r.GetRunToken() != "" && !h.running(r.GetRunToken()) {
		return nil, status.Error(codes.Aborted, "the run has ended or was taken over")
	}
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	return next(ctx, req)
}

func (h *hostService) ReadState(ctx context.Context, req *pluginv1.ReadStateRequest) (*pluginv1.ReadStateResponse, error) {
	return h.state.ReadState(ctx, h.instance, req)
}

func (h *hostService) ScanState(ctx context.Context, req *pluginv1.ScanStateRequest) (*pluginv1.ScanStateResponse, error) {
	return h.state.ScanState(ctx, h.instance, req)
}

func (h *hostService) CommitState(ctx context.Context, req *pluginv1.CommitStateRequest) (*pluginv1.CommitStateResponse, error) {
	return h.state.CommitState(ctx, h.instance, req)
}
