// Package state is a domain's durable state: links between the ids of two systems, cursors of reconciliation, and JSON
// values under keys. It is kept by the host, one namespace an instance, and outlives every process of the plugin.
//
//	Links   (kind, source id) <-> target id, with a hash of what was last written there; Ensure creates at most one
//	Cursor  how far a reconciliation has come
//	KV      typed JSON values under a prefix, with compare-and-set and scans
//	Batch   several writes, all or nothing, each with a precondition
//
// Every call first asks whether the run may still act (runctx.Check: the context and the lease), then names its run to
// the host. The host refuses a run that has ended or was taken over: ErrStale. Nothing is cached, and no transaction
// stays open between calls: what must not interleave goes into one Batch, guarded by revisions.
//
// The package knows neither the host's store nor its socket: the connection is given to New and is closed by whoever
// opened it. Keys, kinds, sources, targets, hashes and names are the plugin's own choice, of 512 bytes at most; only a hash
// may be empty. A value or cursor has 1 MiB at most.
package state

import (
	"context"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	"bulkhead.dev/sdk/internal/runctx"
	"bulkhead.dev/sdk/pluginv1"
	"bulkhead.dev/sdk/wire"
)

const (
	// callTimeout bounds one call to the host. The host answers in milliseconds; while a backup or a command holds its
	// database, a write waits for up to 30 s.
	callTimeout = 35 * time.Second
	// pageSize is the entries that one call of a scan asks for.
	pageSize = 200
)

// Client is the state of one instance. It is safe for concurrent use.
type Client struct {
	host  pluginv1.HostServiceClient
	token string
	now   func() time.Time
}

// New returns the state behind conn, a connection to the host's HostService; token is the generation's. The caller
// closes conn after the last call.
func New(conn grpc.ClientConnInterface, token string) *Client {
	return &Client{host: pluginv1.NewHostServiceClient(conn), token: token, now: time.Now}
}

// large lets in the contract's largest message: gRPC's own default of 4 MiB would refuse a full page of a scan.
func large() grpc.CallOption { return grpc.MaxCallRecvMsgSize(wire.MaxMessageBytes) }

// begin makes the context of one call, or says why the call must not go out. end is to be called after it.
func (c *Client) begin(ctx context.Context) (call context.Context, run string, end context.CancelFunc, err error) {
	if err := runctx.Check(ctx); err != nil {
		return nil, "", nil, err
	}
	current, _ := runctx.From(ctx)
	call = metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+c.token)
	call, end = context.WithTimeout(call, callTimeout)
	return call, current.Token, end, nil
}

// read answers one read.
func (c *Client) read(ctx context.Context, op string, what *pluginv1.StateRead) (*pluginv1.StateFound, error) {
	call, run, end, err := c.begin(ctx)
	if err != nil {
		return nil, failed(ctx, op, err)
	}
	defer end()
	res, err := c.host.ReadState(call, &pluginv1.ReadStateRequest{RunToken: run, Reads: []*pluginv1.StateRead{what}},
		large())
	if err != nil {
		return nil, failed(ctx, op, err)
	}
	if n := len(res.GetFound()); n != 1 {
		return nil, malformed(op, "answers", n, 1)
	}
	return res.GetFound()[0], nil
}

// commit carries out writes, all or none. The revisions are as many as the writes.
func (c *Client) commit(ctx context.Context, op string, writes ...*pluginv1.StateWrite) ([]int64, error) {
	call, run, end, err := c.begin(ctx)
	if err != nil {
		return nil, failed(ctx, op, err)
	}
	defer end()
	res, err := c.host.CommitState(call, &pluginv1.CommitStateRequest{RunToken: run, Writes: writes},
		large())
	if err != nil {
		return nil, failed(ctx, op, err)
	}
	if conflicts := res.GetConflicts(); len(conflicts) > 0 {
		indexes := make([]int, len(conflicts))
		for i, at := range conflicts {
			indexes[i] = int(at)
		}
		return nil, &ConflictError{Op: op, Indexes: indexes}
	}
	if n := len(res.GetRevisions()); n != len(writes) {
		return nil, malformed(op, "revisions", n, len(writes))
	}
	return res.GetRevisions(), nil
}

// commitOne carries out one write and answers its revision.
func (c *Client) commitOne(ctx context.Context, op string, write *pluginv1.StateWrite) (int64, error) {
	revisions, err := c.commit(ctx, op, write)
	if err != nil {
		return 0, err
	}
	return revisions[0], nil
}

// page answers one page of a scan.
func (c *Client) page(ctx context.Context, op string, req *pluginv1.ScanStateRequest) (*pluginv1.ScanStateResponse, error) {
	call, run, end, err := c.begin(ctx)
	if err != nil {
		return nil, failed(ctx, op, err)
	}
	defer end()
	req.RunToken, req.Limit = run, pageSize
	res, err := c.host.ScanState(call, req, large())
	if err != nil {
		return nil, failed(ctx, op, err)
	}
	return res, nil
}
