package plugintest

import (
	"context"
	"maps"
	"slices"
	"strings"
	"sync"

	"bulkhead.dev/sdk/pluginv1"
	"bulkhead.dev/sdk/wire"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

// Limits of a scan, by the contract.
const (
	defaultPage = 100
	maxPage     = 1000
)

// Host is the host's half of the contract with a state that lives in memory. It does what the real one does: revisions
// are counted over the whole state and never used twice, a batch is all or nothing, runs that have ended are refused.
type Host struct {
	pluginv1.UnimplementedHostServiceServer

	mu       sync.Mutex
	running  map[string]bool // run tokens
	revision int64
	entries  map[entryKey]entry
	refusal  func(method string) error
}

// entryKey names one entry: the first part is the kind of a link, else empty.
type entryKey struct{ table, kind, name string }

const (
	links   = "link"
	cursors = "cursor"
	values  = "value"
)

// entry is a link, a cursor or a value, none of which is changed once it stands here.
type entry interface {
	proto.Message
	GetRevision() int64
}

func newHost() *Host {
	return &Host{running: map[string]bool{}, entries: map[entryKey]entry{}}
}

// Refuse asks refusal before each call to the host, by the method's name (ReadState, ScanState, CommitState); its error
// is the call's, with a gRPC status if it has one. nil lets all calls through again.
func (h *Host) Refuse(refusal func(method string) error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.refusal = refusal
}

func (h *Host) begin(run string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.running[run] = true
}

func (h *Host) end(run string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.running, run)
}

// guard refuses whoever has not the generation's token, what the contract does not know, and runs that have ended.
func (h *Host) guard(ctx context.Context, req any, info *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
	md, _ := metadata.FromIncomingContext(ctx)
	if !slices.Equal(md.Get("authorization"), []string{wire.BearerPrefix + generationToken}) {
		return nil, status.Error(codes.Unauthenticated, "the generation's token is missing or wrong")
	}
	message, ok := req.(proto.Message)
	if !ok {
		return nil, status.Error(codes.Internal, "not a message")
	}
	if err := wire.CheckUnknown(message); err != nil {
		return nil, status.Error(codes.InvalidArgument, err.Error())
	}
	named, _ := req.(interface{ GetRunToken() string })
	h.mu.Lock()
	over := named != nil && named.GetRunToken() != "" && !h.running[named.GetRunToken()]
	refusal := h.refusal
	h.mu.Unlock()
	if over {
		return nil, status.Error(codes.Aborted, "the run has ended or was taken over")
	}
	if refusal != nil {
		if err := refusal(info.FullMethod[strings.LastIndexByte(info.FullMethod, '/')+1:]); err != nil {
			return nil, err
		}
	}
	return next(ctx, req)
}

// ReadState answers all reads from one snapshot. A link by its target is the one with the least source.
func (h *Host) ReadState(_ context.Context, req *pluginv1.ReadStateRequest) (*pluginv1.ReadStateResponse, error) {
	if err := checkReads(req.GetReads()); err != nil {
		return nil, err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	res := &pluginv1.ReadStateResponse{}
	for _, read := range req.GetReads() {
		found := &pluginv1.StateFound{}
		switch e := h.find(read).(type) {
		case *pluginv1.Link:
			found.What = &pluginv1.StateFound_Link{Link: e}
		case *pluginv1.Cursor:
			found.What = &pluginv1.StateFound_Cursor{Cursor: e}
		case *pluginv1.Value:
			found.What = &pluginv1.StateFound_Value{Value: e}
		}
		res.Found = append(res.Found, found)
	}
	return res, nil
}

func (h *Host) find(read *pluginv1.StateRead) entry {
	switch what := read.GetWhat().(type) {
	case *pluginv1.StateRead_Link:
		return h.entries[entryKey{links, what.Link.GetKind(), what.Link.GetSource()}]
	case *pluginv1.StateRead_LinkByTarget:
		for _, key := range h.sorted(links, what.LinkByTarget.GetKind()) {
			if link, ok := h.entries[key].(*pluginv1.Link); ok && link.GetTarget() == what.LinkByTarget.GetTarget() {
				return link
			}
		}
	case *pluginv1.StateRead_Cursor:
		return h.entries[entryKey{cursors, "", what.Cursor}]
	case *pluginv1.StateRead_Value:
		return h.entries[entryKey{values, "", what.Value}]
	}
	return nil
}

// sorted lists the keys of a table, of one kind, in the byte order of their names.
func (h *Host) sorted(table, kind string) []entryKey {
	keys := slices.DeleteFunc(slices.Collect(maps.Keys(h.entries)), func(k entryKey) bool {
		return k.table != table || k.kind != kind
	})
	slices.SortFunc(keys, func(a, b entryKey) int { return strings.Compare(a.name, b.name) })
	return keys
}

// ScanState answers one page in the byte order of the keys.
func (h *Host) ScanState(_ context.Context, req *pluginv1.ScanStateRequest) (*pluginv1.ScanStateResponse, error) {
	limit, err := checkScan(req)
	if err != nil {
		return nil, err
	}
	table, kind := links, req.GetLinkKind()
	if _, ok := req.GetWhat().(*pluginv1.ScanStateRequest_ValuePrefix); ok {
		table = values
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	res := &pluginv1.ScanStateResponse{}
	for _, key := range h.sorted(table, kind) {
		if key.name <= req.GetAfter() || !strings.HasPrefix(key.name, req.GetValuePrefix()) {
			continue
		}
		if len(res.GetLinks())+len(res.GetValues()) == limit {
			res.More = true
			break
		}
		switch e := h.entries[key].(type) {
		case *pluginv1.Link:
			res.Links = append(res.Links, e)
		case *pluginv1.Value:
			res.Values = append(res.Values, e)
		}
	}
	return res, nil
}

// CommitState carries out all writes or none. Preconditions are compared with what was there before the batch.
func (h *Host) CommitState(_ context.Context, req *pluginv1.CommitStateRequest) (*pluginv1.CommitStateResponse, error) {
	if err := checkWrites(req.GetWrites()); err != nil {
		return nil, err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	res := &pluginv1.CommitStateResponse{}
	for i, write := range req.GetWrites() {
		key, _ := target(write)
		if !holds(write.GetPrecondition(), h.entries[key]) {
			res.Conflicts = append(res.Conflicts, int32(i))
		}
	}
	if len(res.GetConflicts()) > 0 {
		return res, nil
	}
	for _, write := range req.GetWrites() {
		key, put := target(write)
		if put == nil {
			delete(h.entries, key)
			res.Revisions = append(res.Revisions, 0)
			continue
		}
		h.revision++
		h.entries[key] = put(h.revision)
		res.Revisions = append(res.Revisions, h.revision)
	}
	return res, nil
}

func holds(p *pluginv1.Precondition, there entry) bool {
	switch must := p.GetMust().(type) {
	case *pluginv1.Precondition_BeAbsent:
		return there == nil
	case *pluginv1.Precondition_HaveRevision:
		return there != nil && there.GetRevision() == must.HaveRevision
	}
	return true
}

// target names the entry that a write touches, and makes what is put there; nil: it is taken away.
func target(write *pluginv1.StateWrite) (key entryKey, put func(revision int64) entry) {
	switch what := write.GetWhat().(type) {
	case *pluginv1.StateWrite_PutLink:
		l := proto.CloneOf(what.PutLink)
		return entryKey{links, l.GetKind(), l.GetSource()}, func(revision int64) entry { l.Revision = revision; return l }
	case *pluginv1.StateWrite_DeleteLink:
		return entryKey{links, what.DeleteLink.GetKind(), what.DeleteLink.GetSource()}, nil
	case *pluginv1.StateWrite_PutCursor:
		c := proto.CloneOf(what.PutCursor)
		return entryKey{cursors, "", c.GetName()}, func(revision int64) entry { c.Revision = revision; return c }
	case *pluginv1.StateWrite_PutValue:
		v := proto.CloneOf(what.PutValue)
		return entryKey{values, "", v.GetKey()}, func(revision int64) entry { v.Revision = revision; return v }
	case *pluginv1.StateWrite_DeleteValue:
		return entryKey{values, "", what.DeleteValue}, nil
	}
	return entryKey{}, nil
}
