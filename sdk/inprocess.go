package sdk

import (
	"bulkhead.dev/sdk/internal/worker"
	"bulkhead.dev/sdk/pluginv1"

	"github.com/hashicorp/go-hclog"
	"google.golang.org/grpc"
)

// Server is a Domain behind the contract without a process of its own, for tests: all of what Serve does except the
// handshake, the lifeline and the signals. Authors take package plugintest, which speaks the host's half with it.
type Server struct{ service *service }

// NewServer makes the server of d, or tells what is wrong with d. log is the plugin's logger; nil: none. The caller
// closes the server when no call to it is open any more.
func NewServer(d *Domain, log hclog.Logger) (*Server, error) {
	manifest, err := d.manifest()
	if err != nil {
		return nil, err
	}
	if log == nil {
		log = hclog.NewNullLogger()
	}
	s := &service{domain: d, manifest: manifest, log: log}
	s.worker = worker.New(worker.Config{Runner: runner{d}, Logger: log})
	return &Server{service: s}, nil
}

// Register adds the contract's PluginService to a gRPC server.
func (s *Server) Register(to grpc.ServiceRegistrar) {
	pluginv1.RegisterPluginServiceServer(to, s.service)
}

// Close ends the connection to the host.
func (s *Server) Close() error {
	s.service.mu.Lock()
	defer s.service.mu.Unlock()
	if s.service.host == nil {
		return nil
	}
	return s.service.host.Close()
}
