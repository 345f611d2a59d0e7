package sdk

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"bulkhead.dev/sdk/wire"

	"github.com/hashicorp/go-hclog"
)

// holdLifeline takes standard input as the lifeline when the host announced it: first the process's TLS identity
// comes, then nothing, until the host is gone. Then the whole process group ends, which the host made for this plugin
// alone. It answers nil without a lifeline. Code of the plugin that reads standard input gets an empty file.
func holdLifeline() (*wire.Identity, error) {
	if os.Getenv(wire.EnvLifeline) != wire.LifelineStdin {
		return nil, nil
	}
	stdin := os.Stdin
	empty, err := os.Open(os.DevNull)
	if err != nil {
		return nil, fmt.Errorf("standard input: %w", err)
	}
	os.Stdin = empty
	id, err := wire.ReadIdentity(stdin)
	if err != nil {
		return nil, err
	}
	go func() { // its owner is the process: it lasts as long
		_, _ = io.Copy(io.Discard, stdin)
		_ = syscall.Kill(0, syscall.SIGKILL)
	}()
	return &id, nil
}

// serverTLS is the plugin's end of mutual TLS with the host's certificate and the identity that the host made.
func serverTLS(id *wire.Identity) (*tls.Config, error) {
	pair, err := tls.X509KeyPair([]byte(id.Certificate), []byte(id.Key))
	if err != nil {
		return nil, fmt.Errorf("identity: %w", err)
	}
	clients := x509.NewCertPool()
	if !clients.AppendCertsFromPEM([]byte(os.Getenv(wire.EnvClientCert))) {
		return nil, errors.New("the host's certificate is missing from the environment")
	}
	return &tls.Config{
		Certificates: []tls.Certificate{pair},
		ClientAuth:   tls.RequireAndVerifyClientCert,
		ClientCAs:    clients,
		MinVersion:   tls.VersionTLS13,
	}, nil
}

// ignoreSignals keeps the plugin alive when a signal is sent to the host's whole service or terminal: the host drains
// first and then ends its plugins itself. The signals are caught rather than ignored, because processes that the
// plugin starts would inherit that they are ignored.
func ignoreSignals(log hclog.Logger) {
	caught := make(chan os.Signal, 1)
	signal.Notify(caught, syscall.SIGINT, syscall.SIGTERM)
	go func() { // its owner is the process: it lasts as long
		for s := range caught {
			log.Debug("the host decides when a plugin ends; signal ignored", "signal", s.String())
		}
	}()
}
