package supervisor

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protowire"

	"bulkhead.dev/sdk/pluginv1"
)

// asked notes which instance a call was carried out for.
type asked struct{ instances chan string }

func (a asked) ReadState(_ context.Context, instance string, _ *pluginv1.ReadStateRequest) (*pluginv1.ReadStateResponse, error) {
	a.instances <- instance
	return &pluginv1.ReadStateResponse{}, nil
}

func (a asked) ScanState(_ context.Context, instance string, _ *pluginv1.ScanStateRequest) (*pluginv1.ScanStateResponse, error) {
	a.instances <- instance
	return &pluginv1.ScanStateResponse{}, nil
}

func (a asked) CommitState(ctx context.Context, instance string, _ *pluginv1.CommitStateRequest) (*pluginv1.CommitStateResponse, error) {
	if _, bounded := ctx.Deadline(); !bounded {
		return nil, errors.New("the call has no end")
	}
	a.instances <- instance
	return &pluginv1.CommitStateResponse{}, nil
}

func TestHostServiceLetsInItsGenerationAlone(t *testing.T) {
	t.Parallel()
	dir, err := os.MkdirTemp("", "bh") // short, for the socket's path
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	state := asked{instances: make(chan string, 10)}
	h, err := serveHost(t.Context(), dir, "widget", "token", state, func(run string) bool { return run == "running" })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.close)
	if info, err := os.Stat(filepath.Join(dir, "host.sock")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("socket %v, %v; want mode 0600", info, err)
	}
	conn, err := grpc.NewClient("unix:"+h.path, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	client := pluginv1.NewHostServiceClient(conn)

	unknown := &pluginv1.ReadStateRequest{}
	unknown.ProtoReflect().SetUnknown(protowire.AppendVarint(protowire.AppendTag(nil, 99, protowire.VarintType), 1))
	read := func(ctx context.Context) error {
		_, err := client.ReadState(ctx, &pluginv1.ReadStateRequest{})
		return err
	}
	commit := func(run string) func(context.Context) error {
		return func(ctx context.Context) error {
			_, err := client.CommitState(ctx, &pluginv1.CommitStateRequest{RunToken: run})
			return err
		}
	}
	for name, c := range map[string]struct {
		auth []string
		call func(context.Context) error
		want codes.Code
	}{
		"its token":          {[]string{"Bearer token"}, read, codes.OK},
		"no token":           {nil, read, codes.Unauthenticated},
		"another's token":    {[]string{"Bearer other"}, read, codes.Unauthenticated},
		"without the scheme": {[]string{"token"}, read, codes.Unauthenticated},
		"two tokens":         {[]string{"Bearer token", "Bearer token"}, read, codes.Unauthenticated},
		"a field that is not known": {[]string{"Bearer token"}, func(ctx context.Context) error {
			_, err := client.ReadState(ctx, unknown)
			return err
		}, codes.InvalidArgument},
		"a page": {[]string{"Bearer token"}, func(ctx context.Context) error {
			_, err := client.ScanState(ctx, &pluginv1.ScanStateRequest{})
			return err
		}, codes.OK},
		"a run in flight":           {[]string{"Bearer token"}, commit("running"), codes.OK},
		"outside of a run":          {[]string{"Bearer token"}, commit(""), codes.OK},
		"a run that was taken over": {[]string{"Bearer token"}, commit("ended"), codes.Aborted},
		"token before everything":   {nil, commit("ended"), codes.Unauthenticated},
		"a method that is not there": {[]string{"Bearer token"}, func(ctx context.Context) error {
			return conn.Invoke(ctx, "/bulkhead.plugin.v1.HostService/Ask", unknown, unknown)
		}, codes.Unimplemented},
	} {
		ctx := t.Context()
		for _, value := range c.auth {
			ctx = metadata.AppendToOutgoingContext(ctx, "authorization", value)
		}
		if err := c.call(ctx); status.Code(err) != c.want {
			t.Errorf("%s: %v; want %s", name, err, c.want)
		}
		if c.want == codes.OK {
			if got := <-state.instances; got != "widget" {
				t.Errorf("%s: carried out for %q", name, got)
			}
		}
	}
	if n := len(state.instances); n != 0 {
		t.Errorf("%d calls that were refused were carried out all the same", n)
	}
}
