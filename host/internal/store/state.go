package store

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"unicode/utf8"

	"bulkhead.dev/sdk/pluginv1"
)

// Bounds of one request to the state.
const (
	// MaxKeyBytes bounds kinds, sources, targets, hashes, names and keys.
	MaxKeyBytes = 512
	// MaxValueBytes bounds one value or cursor.
	MaxValueBytes = 1 << 20
	// MaxBatch bounds the reads or writes of one request.
	MaxBatch = 500
	// MaxAnswerBytes bounds what one answer carries: it must pass a 16 MiB message.
	MaxAnswerBytes = 12 << 20
	// MaxPage and DefaultPage bound the entries of one page of a scan.
	MaxPage     = 1000
	DefaultPage = 100
	// A page ends early when it has this many bytes, so that a scan of large values needs no large messages.
	pageBytes = 4 << 20
)

// ReadState answers all reads of req from one snapshot, in order; what is not there is an empty StateFound. A link by its
// target is the one with the least source. Errors: *InvalidError, *TooLargeError, ErrClosed.
func (s *Store) ReadState(ctx context.Context, instance string, req *pluginv1.ReadStateRequest) (*pluginv1.ReadStateResponse, error) {
	if err := checkReads(instance, req.GetReads()); err != nil {
		return nil, err
	}
	res := &pluginv1.ReadStateResponse{Found: make([]*pluginv1.StateFound, 0, len(req.GetReads()))}
	size := 0
	err := s.snapshot(ctx, func(ctx context.Context, tx *sql.Tx) error {
		for _, read := range req.GetReads() {
			found, n, err := readOne(ctx, tx, instance, read)
			if err != nil {
				return fmt.Errorf("store: read state: %w", err)
			}
			if size += n; size > MaxAnswerBytes {
				return &TooLargeError{Bytes: size}
			}
			res.Found = append(res.Found, found)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return res, nil
}

func readOne(ctx context.Context, tx *sql.Tx, instance string, read *pluginv1.StateRead) (*pluginv1.StateFound, int, error) {
	switch what := read.GetWhat().(type) {
	case *pluginv1.StateRead_Link:
		return findLink(ctx, tx, linkBySource, instance, what.Link.GetKind(), what.Link.GetSource())
	case *pluginv1.StateRead_LinkByTarget:
		return findLink(ctx, tx, linkByTarget, instance, what.LinkByTarget.GetKind(), what.LinkByTarget.GetTarget())
	case *pluginv1.StateRead_Cursor:
		return findCursor(ctx, tx, instance, what.Cursor)
	case *pluginv1.StateRead_Value:
		return findValue(ctx, tx, instance, what.Value)
	}
	return nil, 0, &InvalidError{Field: "reads", Reason: "has an entry that asks for nothing"}
}

// ScanState answers one page of values or links in the byte order of their keys. A page ends at the limit, or earlier
// when it is large; More tells whether another follows, which is asked for with the last key (or source) as After.
// Errors: *InvalidError, ErrClosed.
func (s *Store) ScanState(ctx context.Context, instance string, req *pluginv1.ScanStateRequest) (*pluginv1.ScanStateResponse, error) {
	limit, err := checkScan(instance, req)
	if err != nil {
		return nil, err
	}
	res := &pluginv1.ScanStateResponse{}
	err = s.snapshot(ctx, func(ctx context.Context, tx *sql.Tx) error {
		var err error
		switch what := req.GetWhat().(type) {
		case *pluginv1.ScanStateRequest_LinkKind:
			res.Links, res.More, err = scanLinks(ctx, tx, instance, what.LinkKind, req.GetAfter(), limit)
		case *pluginv1.ScanStateRequest_ValuePrefix:
			res.Values, res.More, err = scanValues(ctx, tx, instance, what.ValuePrefix, req.GetAfter(), limit)
		}
		if err != nil {
			return fmt.Errorf("store: scan state: %w", err)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return res, nil
}

// CommitState carries out all writes of req, or none: preconditions are compared with what was there before the batch,
// and when any fails the answer lists the indexes of those that did. A batch writes an entry once at most. The revisions
// that entries bear in the request are ignored: preconditions guard. It answers when the batch is on the disk. Errors:
// *InvalidError, and those of [Store.Write].
func (s *Store) CommitState(ctx context.Context, instance string, req *pluginv1.CommitStateRequest) (*pluginv1.CommitStateResponse, error) {
	if err := checkWrites(instance, req.GetWrites()); err != nil {
		return nil, err
	}
	if len(req.GetWrites()) == 0 {
		return &pluginv1.CommitStateResponse{}, nil
	}
	var res *pluginv1.CommitStateResponse
	err := s.Write(ctx, func(ctx context.Context, tx *Tx) error {
		var err error
		if res, err = commit(ctx, tx, instance, req.GetWrites()); err != nil {
			return fmt.Errorf("store: commit state: %w", err)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return res, nil
}

func commit(ctx context.Context, tx *Tx, instance string, writes []*pluginv1.StateWrite) (*pluginv1.CommitStateResponse, error) {
	res := &pluginv1.CommitStateResponse{}
	puts := 0
	for i, write := range writes {
		change := changeOf(write)
		if !change.delete {
			puts++
		}
		if write.GetPrecondition() == nil {
			continue
		}
		var revision int64
		if _, err := tx.Get(ctx, change.revisionQuery(), change.keyArgs(instance), &revision); err != nil {
			return nil, err
		}
		if !holds(write.GetPrecondition(), revision) {
			res.Conflicts = append(res.Conflicts, int32(i))
		}
	}
	if len(res.Conflicts) > 0 {
		return res, nil
	}
	last, err := reserve(ctx, tx, instance, puts)
	if err != nil {
		return nil, err
	}
	next := last - int64(puts)
	res.Revisions = make([]int64, len(writes))
	for i, write := range writes {
		change := changeOf(write)
		if change.delete {
			if _, err := tx.Exec(ctx, change.deleteQuery(), change.keyArgs(instance)...); err != nil {
				return nil, err
			}
			continue
		}
		next++
		if err := put(ctx, tx, instance, write, next); err != nil {
			return nil, err
		}
		res.Revisions[i] = next
	}
	return res, nil
}

// holds compares a precondition with the revision that is there, 0 for none.
func holds(p *pluginv1.Precondition, revision int64) bool {
	if want, ok := p.GetMust().(*pluginv1.Precondition_HaveRevision); ok {
		return revision == want.HaveRevision
	}
	return revision == 0
}

// reserve takes n revisions of the instance and returns the last of them.
func reserve(ctx context.Context, tx *Tx, instance string, n int) (last int64, err error) {
	if n == 0 {
		return 0, nil
	}
	_, err = tx.Get(ctx, `INSERT INTO revisions (instance, last) VALUES (?1, ?2)
		ON CONFLICT (instance) DO UPDATE SET last = last + ?2 RETURNING last`, []any{instance, n}, &last)
	return last, err
}

func put(ctx context.Context, tx *Tx, instance string, write *pluginv1.StateWrite, revision int64) error {
	switch what := write.GetWhat().(type) {
	case *pluginv1.StateWrite_PutLink:
		return putLink(ctx, tx, instance, what.PutLink, revision)
	case *pluginv1.StateWrite_PutCursor:
		return putCursor(ctx, tx, instance, what.PutCursor, revision)
	case *pluginv1.StateWrite_PutValue:
		return putValue(ctx, tx, instance, what.PutValue, revision)
	}
	return &InvalidError{Field: "writes", Reason: "has an entry that writes nothing"}
}

// change is what a write touches: a row of a table, and whether it goes.
type change struct {
	table  string
	where  string
	keys   [2]string // the second is used by links alone
	delete bool
}

func changeOf(write *pluginv1.StateWrite) change {
	switch what := write.GetWhat().(type) {
	case *pluginv1.StateWrite_PutLink:
		return change{table: "links", where: "kind = ? AND source = ?", keys: [2]string{what.PutLink.GetKind(), what.PutLink.GetSource()}}
	case *pluginv1.StateWrite_DeleteLink:
		return change{table: "links", where: "kind = ? AND source = ?", keys: [2]string{what.DeleteLink.GetKind(), what.DeleteLink.GetSource()}, delete: true}
	case *pluginv1.StateWrite_PutCursor:
		return change{table: "cursors", where: "name = ?", keys: [2]string{what.PutCursor.GetName()}}
	case *pluginv1.StateWrite_PutValue:
		return change{table: "vals", where: "key = ?", keys: [2]string{what.PutValue.GetKey()}}
	case *pluginv1.StateWrite_DeleteValue:
		return change{table: "vals", where: "key = ?", keys: [2]string{what.DeleteValue}, delete: true}
	}
	return change{}
}

func (c change) revisionQuery() string {
	return `SELECT revision FROM ` + c.table + ` WHERE instance = ? AND ` + c.where
}

func (c change) deleteQuery() string {
	return `DELETE FROM ` + c.table + ` WHERE instance = ? AND ` + c.where
}

func (c change) keyArgs(instance string) []any {
	if c.table == "links" {
		return []any{instance, c.keys[0], c.keys[1]}
	}
	return []any{instance, c.keys[0]}
}

// checkKey says what is wrong with a key, or "".
func checkKey(key string, emptyAllowed bool) string {
	switch {
	case key == "" && !emptyAllowed:
		return "is empty"
	case len(key) > MaxKeyBytes:
		return fmt.Sprintf("is longer than %d bytes", MaxKeyBytes)
	case !utf8.ValidString(key):
		return "is not UTF-8"
	case strings.ContainsRune(key, 0):
		return "has a NUL"
	}
	return ""
}
