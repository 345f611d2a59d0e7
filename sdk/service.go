package sdk

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"

	"bulkhead.dev/sdk/internal/worker"
	"bulkhead.dev/sdk/pluginv1"
	"bulkhead.dev/sdk/state"
	"bulkhead.dev/sdk/wire"

	"github.com/hashicorp/go-hclog"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

// service is the contract as the host calls it.
type service struct {
	pluginv1.UnimplementedPluginServiceServer
	domain   *Domain
	manifest *pluginv1.Manifest
	worker   *worker.Worker
	log      hclog.Logger

	mu     sync.Mutex
	host   *grpc.ClientConn // to HostService, for the rest of the process's life
	socket string           // where host leads
}

// Describe answers the manifest.
func (s *service) Describe(_ context.Context, req *pluginv1.DescribeRequest) (*pluginv1.DescribeResponse, error) {
	if err := known(req); err != nil {
		return nil, err
	}
	return &pluginv1.DescribeResponse{Manifest: s.manifest}, nil
}

// Configure opens the way to the host's state and hands the settings to the Domain.
func (s *service) Configure(ctx context.Context, req *pluginv1.ConfigureRequest) (*pluginv1.ConfigureResponse, error) {
	if err := known(req); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.host == nil || s.socket != req.GetHostSocket() { // else configured anew: jobs in flight use it
		conn, err := dialHost(req.GetHostSocket())
		if err != nil {
			return nil, status.Error(codes.InvalidArgument, err.Error())
		}
		if s.host != nil {
			_ = s.host.Close()
		}
		s.host, s.socket = conn, req.GetHostSocket()
	}
	return &pluginv1.ConfigureResponse{Errors: s.domain.configure(ctx, req, &Host{
		Instance:  req.GetInstance(),
		PublicURL: req.GetPublicUrl(),
		State:     state.New(s.host, req.GetGenerationToken()),
		Log:       s.log,
	})}, nil
}

// Work serves the stream of jobs. A Domain that is not configured gives them back at no cost.
func (s *service) Work(stream grpc.BidiStreamingServer[pluginv1.WorkRequest, pluginv1.WorkResponse]) error {
	return s.worker.Work(stream)
}

// Drain ends the intake and waits for the runs in flight.
func (s *service) Drain(ctx context.Context, req *pluginv1.DrainRequest) (*pluginv1.DrainResponse, error) {
	if err := known(req); err != nil {
		return nil, err
	}
	if err := s.worker.Drain(ctx); err != nil {
		return nil, status.FromContextError(ctx.Err()).Err()
	}
	return &pluginv1.DrainResponse{}, nil
}

func known(req proto.Message) error {
	if err := wire.CheckUnknown(req); err != nil {
		return status.Error(codes.InvalidArgument, err.Error())
	}
	return nil
}

// dialHost opens the connection to the host's service. It connects with the first call: a host without a state, such
// as a test's, may have no socket. The socket lies in the directory of this generation, which only its user can open;
// each call carries the generation's token.
func dialHost(socket string) (*grpc.ClientConn, error) {
	target := "passthrough:///nowhere"
	if socket != "" {
		target = "unix:" + socket
	}
	conn, err := grpc.NewClient(target, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(
			grpc.MaxCallRecvMsgSize(wire.MaxMessageBytes), grpc.MaxCallSendMsgSize(wire.MaxMessageBytes)))
	if err != nil {
		return nil, fmt.Errorf("host socket %q: %w", socket, err)
	}
	return conn, nil
}

// manifestJSON is the manifest for people: proto's JSON, with each schema as the JSON that it is.
func manifestJSON(m *pluginv1.Manifest) ([]byte, error) {
	text, err := protojson.MarshalOptions{UseProtoNames: true}.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("manifest: %w", err)
	}
	var tree any
	if err := json.Unmarshal(text, &tree); err != nil {
		return nil, fmt.Errorf("manifest: %w", err)
	}
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(unfold(tree)); err != nil {
		return nil, fmt.Errorf("manifest: %w", err)
	}
	return bytes.TrimSpace(out.Bytes()), nil
}

// unfold replaces schemas, which proto's JSON writes as base64, by what they hold.
func unfold(value any) any {
	switch v := value.(type) {
	case map[string]any:
		for key, member := range v {
			if text, ok := member.(string); ok && strings.HasSuffix(key, "schema") {
				var raw []byte
				if json.Unmarshal([]byte(`"`+text+`"`), &raw) == nil && json.Valid(raw) {
					v[key] = json.RawMessage(raw)
				}
				continue
			}
			v[key] = unfold(member)
		}
	case []any:
		for i := range v {
			v[i] = unfold(v[i])
		}
	}
	return value
}
