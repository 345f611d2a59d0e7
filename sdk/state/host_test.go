package state_test

import (
	"context"
	"maps"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"bulkhead.dev/sdk/internal/runctx"
	"bulkhead.dev/sdk/pluginv1"
	"bulkhead.dev/sdk/state"
)

const token = "generation-token"

// fakeHost keeps the state of one instance in memory and serves it as the host does.
type fakeHost struct {
	pluginv1.UnimplementedHostServiceServer

	mu       sync.Mutex
	revision int64
	entries  map[string]proto.Message // "link/kind/source", "cursor/name", "value/key"
	calls    []string                 // method and run token of each call that came in
	// before and after may refuse a call: before it is carried out, or after, when its answer is lost.
	before, after func(method, run string) error
}

// serve starts a host and returns it with a client of it.
func serve(t *testing.T) (*fakeHost, *state.Client) {
	t.Helper()
	h := &fakeHost{entries: map[string]proto.Message{}}
	listener := bufconn.Listen(1 << 20)
	server := grpc.NewServer(grpc.UnaryInterceptor(h.guard), grpc.MaxSendMsgSize(16<<20))
	pluginv1.RegisterHostServiceServer(server, h)
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(listener)
	}()
	conn, err := grpc.NewClient("passthrough:///host", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return listener.DialContext(ctx) }))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = conn.Close()
		server.Stop()
		<-done
	})
	return h, state.New(conn, token)
}

func (h *fakeHost) guard(ctx context.Context, req any, info *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
	md, _ := metadata.FromIncomingContext(ctx)
	if !slices.Equal(md.Get("authorization"), []string{"Bearer " + token}) {
		return nil, status.Error(codes.Unauthenticated, "wrong token")
	}
	method := info.FullMethod[strings.LastIndexByte(info.FullMethod, '/')+1:]
	run := req.(interface{ GetRunToken() string }).GetRunToken()
	h.mu.Lock()
	h.calls = append(h.calls, strings.TrimSpace(method+" "+run))
	before, after := h.before, h.after
	h.mu.Unlock()
	if before != nil {
		if err := before(method, run); err != nil {
			return nil, err
		}
	}
	res, err := next(ctx, req)
	if err == nil && after != nil {
		if err := after(method, run); err != nil {
			return nil, err
		}
	}
	return res, err
}

func (h *fakeHost) ReadState(_ context.Context, req *pluginv1.ReadStateRequest) (*pluginv1.ReadStateResponse, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	res := &pluginv1.ReadStateResponse{}
	for _, read := range req.GetReads() {
		found := &pluginv1.StateFound{}
		var entry proto.Message
		switch what := read.GetWhat().(type) {
		case *pluginv1.StateRead_Link:
			entry = h.entries["link/"+what.Link.GetKind()+"/"+what.Link.GetSource()]
		case *pluginv1.StateRead_LinkByTarget:
			for _, key := range h.keys("link/" + what.LinkByTarget.GetKind() + "/") {
				if link := h.entries[key].(*pluginv1.Link); entry == nil && link.GetTarget() == what.LinkByTarget.GetTarget() {
					entry = link
				}
			}
		case *pluginv1.StateRead_Cursor:
			entry = h.entries["cursor/"+what.Cursor]
		case *pluginv1.StateRead_Value:
			entry = h.entries["value/"+what.Value]
		}
		switch entry := entry.(type) {
		case *pluginv1.Link:
			found.What = &pluginv1.StateFound_Link{Link: entry}
		case *pluginv1.Cursor:
			found.What = &pluginv1.StateFound_Cursor{Cursor: entry}
		case *pluginv1.Value:
			found.What = &pluginv1.StateFound_Value{Value: entry}
		}
		res.Found = append(res.Found, found)
	}
	return proto.CloneOf(res), nil
}

func (h *fakeHost) ScanState(_ context.Context, req *pluginv1.ScanStateRequest) (*pluginv1.ScanStateResponse, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	prefix, strip := "link/"+req.GetLinkKind()+"/", len("link/"+req.GetLinkKind()+"/")
	if _, ok := req.GetWhat().(*pluginv1.ScanStateRequest_ValuePrefix); ok {
		prefix, strip = "value/"+req.GetValuePrefix(), len("value/")
	}
	res := &pluginv1.ScanStateResponse{}
	for _, key := range h.keys(prefix) {
		if req.GetAfter() != "" && key[strip:] <= req.GetAfter() {
			continue
		}
		if len(res.GetLinks())+len(res.GetValues()) == int(req.GetLimit()) {
			res.More = true
			break
		}
		switch entry := h.entries[key].(type) {
		case *pluginv1.Link:
			res.Links = append(res.Links, proto.CloneOf(entry))
		case *pluginv1.Value:
			res.Values = append(res.Values, proto.CloneOf(entry))
		}
	}
	return res, nil
}

func (h *fakeHost) CommitState(_ context.Context, req *pluginv1.CommitStateRequest) (*pluginv1.CommitStateResponse, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	res := &pluginv1.CommitStateResponse{}
	for i, write := range req.GetWrites() {
		key, _ := target(write)
		there := revisionOf(h.entries[key])
		switch must := write.GetPrecondition().GetMust().(type) {
		case *pluginv1.Precondition_BeAbsent:
			if there != 0 {
				res.Conflicts = append(res.Conflicts, int32(i))
			}
		case *pluginv1.Precondition_HaveRevision:
			if there != must.HaveRevision {
				res.Conflicts = append(res.Conflicts, int32(i))
			}
		}
	}
	if len(res.GetConflicts()) > 0 {
		return res, nil
	}
	for _, write := range req.GetWrites() {
		key, entry := target(write)
		if entry == nil {
			delete(h.entries, key)
			res.Revisions = append(res.Revisions, 0)
			continue
		}
		h.revision++
		entry = proto.Clone(entry)
		message := entry.ProtoReflect()
		field := message.Descriptor().Fields().ByName("revision")
		message.Set(field, protoreflect.ValueOfInt64(h.revision))
		h.entries[key] = entry
		res.Revisions = append(res.Revisions, h.revision)
	}
	return res, nil
}

func (h *fakeHost) keys(prefix string) []string {
	return slices.DeleteFunc(slices.Sorted(maps.Keys(h.entries)), func(key string) bool { return !strings.HasPrefix(key, prefix) })
}

// seen returns the calls that came in since the last time.
func (h *fakeHost) seen() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	calls := h.calls
	h.calls = nil
	return calls
}

func (h *fakeHost) refuse(before, after func(method, run string) error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.before, h.after = before, after
}

// inRun is a context as a handler gets it.
func inRun(ctx context.Context, job, run string) context.Context {
	return runctx.With(ctx, runctx.Run{Job: job, Token: run, Request: "req-1"})
}

// within bounds a test that would otherwise hang.
func within(t *testing.T) context.Context {
	t.Helper()
	ctx, end := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(end)
	return ctx
}
