package sdk

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"bulkhead.dev/sdk/internal/worker"
	"bulkhead.dev/sdk/pluginv1"
	"bulkhead.dev/sdk/wire"

	"github.com/hashicorp/go-hclog"
	plugin "github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"
)

// Exit statuses of a plugin's process.
const (
	exitFault = 1 // the Domain or the start is at fault; standard error says why
	exitUsage = 2 // it was not started by a host
)

// Serve runs the plugin until the host ends it; call it from main and do nothing after it. It takes over standard
// output, standard input and the signals SIGINT and SIGTERM. Faults of d, and of the start, go to standard error and
// end the process with status 1.
//
// On the command line the binary answers `version` and `manifest` (JSON); without the host it says what it is and
// ends with status 2.
func Serve(d *Domain) {
	// Standard output belongs to the handshake: what code of the plugin prints from here on must not get into it.
	stdout := os.Stdout
	os.Stdout = os.Stderr
	if os.Getenv(wire.CookieKey) != wire.CookieValue {
		os.Exit(command(d, os.Args[1:], stdout, os.Stderr))
	}
	if err := serve(d, stdout); err != nil {
		_, _ = fmt.Fprintf(os.Stderr, "%s: %s\n", d.Name, err)
		os.Exit(exitFault)
	}
}

// command answers a person who runs the binary by hand.
func command(d *Domain, args []string, out, errs io.Writer) int {
	manifest, err := d.manifest()
	if err != nil {
		_, _ = fmt.Fprintf(errs, "%s: %s\n", d.Name, err)
		return exitFault
	}
	switch {
	case len(args) == 1 && args[0] == "version":
		_, _ = fmt.Fprintf(out, "%s %s\n", d.Name, d.Version)
		return 0
	case len(args) == 1 && args[0] == "manifest":
		text, err := manifestJSON(manifest)
		if err != nil {
			_, _ = fmt.Fprintf(errs, "%s: %s\n", d.Name, err)
			return exitFault
		}
		_, _ = fmt.Fprintf(out, "%s\n", text)
		return 0
	}
	_, _ = fmt.Fprintf(errs, `%[1]s %[2]s is a plugin of Bulkhead: a host starts it and speaks to it.

Put this file into the host's plugin folder; a running host takes it in by itself.

  %[3]s version    prints name and version
  %[3]s manifest   prints what the host is told, as JSON
`, d.Name, d.Version, filepath.Base(os.Args[0]))
	return exitUsage
}

// serve speaks to the host until it ends the plugin.
func serve(d *Domain, stdout *os.File) error {
	log := hclog.New(&hclog.LoggerOptions{
		Name: d.Name, Level: hclog.Debug, Output: os.Stderr, JSONFormat: true, // the host decides what it keeps
	})
	ignoreSignals(log)
	identity, err := holdLifeline()
	if err != nil {
		return err
	}
	manifest, err := d.manifest()
	if err != nil {
		return err
	}
	s := &service{domain: d, manifest: manifest, log: log}
	s.worker = worker.New(worker.Config{
		Runner: runner{d}, Jobs: max(worker.DefaultJobs, d.Policy.Concurrency), Logger: log,
	})
	config := &plugin.ServeConfig{
		HandshakeConfig: plugin.HandshakeConfig{
			ProtocolVersion: wire.ProtocolVersion, MagicCookieKey: wire.CookieKey, MagicCookieValue: wire.CookieValue,
		},
		Plugins: plugin.PluginSet{wire.PluginName: exposed{service: s}},
		GRPCServer: func(options []grpc.ServerOption) *grpc.Server {
			os.Stdout = stdout // go-plugin writes its line next, and then moves standard output aside itself
			return grpc.NewServer(append(options,
				grpc.MaxRecvMsgSize(wire.MaxMessageBytes), grpc.MaxSendMsgSize(wire.MaxMessageBytes))...)
		},
		// Only its errors matter to a host. It is a logger of its own, because a level belongs to all of a family.
		Logger: hclog.New(&hclog.LoggerOptions{
			Name: d.Name + ".go-plugin", Level: hclog.Error, Output: os.Stderr, JSONFormat: true,
		}),
	}
	if identity != nil {
		config.TLSProvider = func() (*tls.Config, error) { return serverTLS(identity) }
	}
	plugin.Serve(config)
	return nil
}

// runner lets the worker call the Domain's unexported run.
type runner struct{ domain *Domain }

// Run does one run.
func (r runner) Run(ctx context.Context, run *pluginv1.Run) *pluginv1.Outcome {
	return r.domain.run(ctx, run)
}

// exposed is go-plugin's view of the contract.
type exposed struct {
	plugin.NetRPCUnsupportedPlugin
	service pluginv1.PluginServiceServer
}

var _ plugin.GRPCPlugin = exposed{}

// GRPCServer registers the contract; go-plugin has registered its health service.
func (e exposed) GRPCServer(_ *plugin.GRPCBroker, server *grpc.Server) error {
	pluginv1.RegisterPluginServiceServer(server, e.service)
	return nil
}

// GRPCClient is for hosts; this is the plugin's half.
func (e exposed) GRPCClient(context.Context, *plugin.GRPCBroker, *grpc.ClientConn) (any, error) {
	return nil, errors.New("a plugin is no host")
}
