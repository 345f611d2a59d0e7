package launch_test

import (
	"context"
	"fmt"
	"io"
	"os/exec"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/hashicorp/go-hclog"
	plugin "github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"

	"bulkhead.dev/sdk/launch"
	"bulkhead.dev/sdk/pluginv1"
	"bulkhead.dev/sdk/wire"
)

// connection is go-plugin's client half of the bare comparisons.
type connection struct{ plugin.NetRPCUnsupportedPlugin }

func (connection) GRPCServer(*plugin.GRPCBroker, *grpc.Server) error { return nil }

func (connection) GRPCClient(_ context.Context, _ *plugin.GRPCBroker, conn *grpc.ClientConn) (any, error) {
	return conn, nil
}

// bare starts a stock plugin by go-plugin alone.
func bare(b *testing.B, mutualTLS bool) (*plugin.Client, *grpc.ClientConn) {
	b.Helper()
	cmd := exec.CommandContext(b.Context(), testBinary(b))
	cmd.Env = []string{modeEnv + "=stock"}
	client := plugin.NewClient(&plugin.ClientConfig{
		HandshakeConfig: plugin.HandshakeConfig{
			ProtocolVersion: wire.ProtocolVersion, MagicCookieKey: wire.CookieKey, MagicCookieValue: wire.CookieValue,
		},
		Plugins: plugin.PluginSet{wire.PluginName: connection{}}, Cmd: cmd, AutoMTLS: mutualTLS, SkipHostEnv: true,
		AllowedProtocols: []plugin.Protocol{plugin.ProtocolGRPC}, Logger: hclog.NewNullLogger(), SyncStdout: io.Discard,
	})
	protocol, err := client.Client()
	if err != nil {
		b.Fatal(err)
	}
	if err := protocol.Ping(); err != nil {
		b.Fatal(err)
	}
	raw, err := protocol.Dispense(wire.PluginName)
	if err != nil {
		b.Fatal(err)
	}
	return client, raw.(*grpc.ClientConn)
}

// BenchmarkStart compares a start up to the first answer, and the end, with go-plugin's own.
func BenchmarkStart(b *testing.B) {
	for name, tls := range map[string]bool{"bare": false, "bare-mtls": true} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				client, _ := bare(b, tls)
				client.Kill()
			}
		})
	}
	for _, mode := range []string{"sdk", "stock"} {
		b.Run("launch-"+mode, func(b *testing.B) {
			cfg := config(b, mode, nil)
			for b.Loop() {
				p, err := launch.Start(b.Context(), cfg)
				if err != nil {
					b.Fatal(err)
				}
				if err := p.End(b.Context()); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// processorTime measures what this process itself works, which other load on the machine hardly changes.
func processorTime(b *testing.B) (report func()) {
	b.Helper()
	used := func() int64 {
		var usage syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
			b.Fatal(err)
		}
		return usage.Utime.Nano() + usage.Stime.Nano()
	}
	before := used()
	return func() { b.ReportMetric(float64(used()-before)/float64(b.N), "cpu-ns/op") }
}

// BenchmarkWork compares jobs through Work with single messages on a bare gRPC stream to the same plugin.
func BenchmarkWork(b *testing.B) {
	data := make([]byte, 2200)
	for i := range data {
		data[i] = ' '
	}
	copy(data, `{"n":1}`)
	b.Run("work", func(b *testing.B) {
		p := start(b, "stock", nil)
		var done atomic.Int64
		all := make(chan struct{})
		w, err := p.Work(b.Context(), func(*pluginv1.Outcome) {
			if done.Add(1) == int64(b.N) {
				close(all)
			}
		})
		if err != nil {
			b.Fatal(err)
		}
		j := job("stock.echo", data)
		b.ResetTimer()
		report := processorTime(b)
		for i := 0; i < b.N; i++ { //nolint:intrange // b.N
			for {
				err := w.Send(run(fmt.Sprint(i), j))
				if err == nil {
					break
				}
				<-w.Changed()
			}
		}
		<-all
		b.StopTimer()
		report()
		w.Close()
	})
	b.Run("bare-stream", func(b *testing.B) {
		client, conn := bare(b, true)
		defer client.Kill()
		stream, err := pluginv1.NewPluginServiceClient(conn).Work(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		if _, err := stream.Recv(); err != nil {
			b.Fatal(err)
		}
		room := make(chan struct{}, 256)
		all := make(chan error, 1)
		b.ResetTimer()
		report := processorTime(b)
		go func() {
			for n := 0; n < b.N; {
				frame, err := stream.Recv()
				if err != nil {
					all <- err
					return
				}
				for range frame.GetOutcomes() {
					<-room
					n++
				}
			}
			all <- nil
		}()
		j := job("stock.echo", data)
		for i := 0; i < b.N; i++ { //nolint:intrange // b.N
			room <- struct{}{}
			if err := stream.Send(&pluginv1.WorkRequest{Runs: []*pluginv1.Run{run(fmt.Sprint(i), j)}}); err != nil {
				b.Fatal(err)
			}
		}
		if err := <-all; err != nil {
			b.Fatal(err)
		}
		report()
	})
}
