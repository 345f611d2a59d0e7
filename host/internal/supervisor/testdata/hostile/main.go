// Command hostile is a plugin that does what none should. It knows the handshake and the contract, but not the SDK. The
// end of its file's name says what it does: "hostile-credit" breaks the contract on its stream, and so on.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	plugin "github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"

	"bulkhead.dev/sdk/pluginv1"
	"bulkhead.dev/sdk/wire"
)

func main() {
	_, mode, _ := strings.Cut(filepath.Base(os.Args[0]), "-")
	switch mode {
	case "logs":
		for _, line := range []string{
			`{"@message":1,"@level":7}`, `{"@level":"warn","@message":"forged","plugin":"other","id":9007199254740993,"deep":{"a":[1]}}`,
			"\xff\xfe\x1b[31mred", `{"@message":"two\nlines"}`, `{"@message":"open`, "panic: at the disco", "", "goroutine 1 [running]:", "main.main()",
			`{"@level":"error","@message":"last"}`,
		} {
			fmt.Fprintln(os.Stderr, line)
		}
	case "exit":
		fmt.Fprintln(os.Stderr, "no such option")
		os.Exit(3)
	}
	plugin.Serve(&plugin.ServeConfig{
		HandshakeConfig: plugin.HandshakeConfig{
			ProtocolVersion: wire.ProtocolVersion, MagicCookieKey: wire.CookieKey, MagicCookieValue: wire.CookieValue,
		},
		Plugins:    plugin.PluginSet{wire.PluginName: registered{service: &service{mode: mode}}},
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

type service struct {
	pluginv1.UnimplementedPluginServiceServer
	mode string
}

func (s *service) Describe(context.Context, *pluginv1.DescribeRequest) (*pluginv1.DescribeResponse, error) {
	m := &pluginv1.Manifest{Name: "hostile", Version: "1.0.0"}
	switch s.mode {
	case "newer":
		m.MinHostVersion = "99.0.0"
	case "other":
		m.Name = "stranger"
	case "manifest":
		m.Version = "the first"
	case "small":
		m.MaxReceiveBytes = 128 << 10
	}
	return &pluginv1.DescribeResponse{Manifest: m}, nil
}

func (s *service) Configure(context.Context, *pluginv1.ConfigureRequest) (*pluginv1.ConfigureResponse, error) {
	return &pluginv1.ConfigureResponse{}, nil
}

// Drain is never done where runs are never answered.
func (s *service) Drain(ctx context.Context, _ *pluginv1.DrainRequest) (*pluginv1.DrainResponse, error) {
	if s.mode != "stubborn" {
		return &pluginv1.DrainResponse{}, nil
	}
	<-ctx.Done()
	return nil, ctx.Err()
}

// Work offers room, and answers each run as the mode says.
func (s *service) Work(stream grpc.BidiStreamingServer[pluginv1.WorkRequest, pluginv1.WorkResponse]) error {
	if err := stream.Send(&pluginv1.WorkResponse{Credit: &pluginv1.Credit{Jobs: 8, Bytes: 1 << 20}}); err != nil {
		return err
	}
	for {
		frame, err := stream.Recv()
		if err != nil {
			return err
		}
		for range frame.GetRuns() {
			switch s.mode {
			case "credit":
				if err := stream.Send(&pluginv1.WorkResponse{Credit: &pluginv1.Credit{Jobs: -1}}); err != nil {
					return err
				}
			case "leave":
				return nil // and the process lives on
			}
		}
	}
}
