package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

const (
	// maxPayloadBytes bounds one row: a job is one message of 16 MiB at most.
	maxPayloadBytes = 16 << 20
	// rowOverhead is what a row and its index entries weigh beside its texts, roughly.
	rowOverhead = 128
	// Rows that one transaction of Adopt moves.
	adoptPage = 64
)

// SpoolRow is one accepted job.
type SpoolRow struct {
	// Seq orders the rows of all nodes; given by Append, never used twice.
	Seq int64
	// Queue is the queue that the job is for.
	Queue string
	// JobID is the job's id; the spool takes a repeated one as another row.
	JobID string
	// Payload is the job, opaque.
	Payload []byte
	// AcceptedAt is kept to the millisecond, in UTC.
	AcceptedAt time.Time
}

// SpoolUsage is what a spool holds.
type SpoolUsage struct {
	Rows  int64
	Bytes int64
}

// Spool is one node's share of the spool's table: jobs that were accepted and are not yet in the queue. It is safe for
// concurrent use and needs no closing.
type Spool struct {
	store    *Store
	node     string
	maxBytes int64
}

// Spool returns the spool of node, which should have joined ([Store.Join]) so that no other node adopts its rows.
// maxBytes bounds what Append takes, overhead of rows included; the bound is not kept in the file.
func (s *Store) Spool(node string, maxBytes int64) *Spool {
	return &Spool{store: s, node: node, maxBytes: maxBytes}
}

// Append takes all rows in their order, or none, and answers when they are on the disk. ErrSpoolFull when the bound would
// be passed; *InvalidError; those of [Store.Write].
func (p *Spool) Append(ctx context.Context, rows []SpoolRow) error {
	if err := checkRows(p.node, rows); err != nil {
		return err
	}
	if len(rows) == 0 {
		return nil
	}
	var total int64
	for _, row := range rows {
		total += p.size(row)
	}
	return p.store.Write(ctx, func(ctx context.Context, tx *Tx) error {
		var used int64
		if _, err := tx.Get(ctx, `SELECT byte_count FROM spool_usage WHERE node = ?`, []any{p.node}, &used); err != nil {
			return fmt.Errorf("store: spool: %w", err)
		}
		if used+total > p.maxBytes {
			return fmt.Errorf("%w: %d of %d bytes are taken, %d were to come", ErrSpoolFull, used, p.maxBytes, total)
		}
		for _, row := range rows {
			_, err := tx.Exec(ctx, `INSERT INTO spool (node, queue, job_id, payload, accepted_at, size) VALUES (?, ?, ?, ?, ?, ?)`,
				p.node, row.Queue, row.JobID, blob(row.Payload), row.AcceptedAt.UnixMilli(), p.size(row))
			if err != nil {
				return fmt.Errorf("store: spool: %w", err)
			}
		}
		return nil
	})
}

func (p *Spool) size(row SpoolRow) int64 {
	return int64(len(row.Payload) + len(row.Queue) + len(row.JobID) + len(p.node) + rowOverhead)
}

func checkRows(node string, rows []SpoolRow) error {
	var c checker
	c.key("node", node)
	for i, row := range rows {
		at := fmt.Sprintf("rows[%d]", i)
		c.key(at+".queue", row.Queue)
		c.key(at+".job_id", row.JobID)
		if len(row.Payload) > maxPayloadBytes {
			c.fail(at+".payload", fmt.Sprintf("has more than %d bytes", maxPayloadBytes))
		}
	}
	return c.err()
}

// Next returns the oldest rows of queue, limit at most and fewer when they are large. They stay until they are removed.
func (p *Spool) Next(ctx context.Context, queue string, limit int) ([]SpoolRow, error) {
	return p.After(ctx, queue, 0, limit)
}

// After is Next for the rows behind seq: a way through rows that are to stay.
func (p *Spool) After(ctx context.Context, queue string, seq int64, limit int) ([]SpoolRow, error) {
	var found []SpoolRow
	err := p.store.snapshot(ctx, func(ctx context.Context, tx *sql.Tx) error {
		rows, err := tx.QueryContext(ctx, `SELECT seq, queue, job_id, payload, accepted_at FROM spool
			WHERE node = ? AND queue = ? AND seq > ? ORDER BY seq LIMIT ?`, p.node, queue, seq, limit)
		if err != nil {
			return fmt.Errorf("store: spool: %w", err)
		}
		found, _, err = page(rows, limit, scanSpooled)
		return err
	})
	return found, err
}

func scanSpooled(row scanner) (SpoolRow, int, error) {
	var r SpoolRow
	var accepted int64
	if err := row.Scan(&r.Seq, &r.Queue, &r.JobID, &r.Payload, &accepted); err != nil {
		return SpoolRow{}, 0, fmt.Errorf("store: spool: %w", err)
	}
	r.AcceptedAt = time.UnixMilli(accepted).UTC()
	return r, len(r.Payload), nil
}

// Remove takes rows out; those that are not there, or not this node's, are passed over.
func (p *Spool) Remove(ctx context.Context, seqs []int64) error {
	if len(seqs) == 0 {
		return nil
	}
	return p.store.Write(ctx, func(ctx context.Context, tx *Tx) error {
		for _, seq := range seqs {
			if _, err := tx.Exec(ctx, `DELETE FROM spool WHERE seq = ? AND node = ?`, seq, p.node); err != nil {
				return fmt.Errorf("store: spool: %w", err)
			}
		}
		return nil
	})
}

// Find returns the oldest row of a job, if this node has one.
func (p *Spool) Find(ctx context.Context, jobID string) (SpoolRow, bool, error) {
	row, _, err := scanSpooled(p.store.read.QueryRowContext(ctx, `SELECT seq, queue, job_id, payload, accepted_at FROM spool
		WHERE node = ? AND job_id = ? ORDER BY seq LIMIT 1`, p.node, jobID))
	if errors.Is(err, sql.ErrNoRows) {
		return SpoolRow{}, false, nil
	}
	if err != nil {
		return SpoolRow{}, false, p.store.closedOr(err)
	}
	return row, true, nil
}

// Queues returns the queues for which this node has rows, in the order of their names.
func (p *Spool) Queues(ctx context.Context) ([]string, error) {
	return p.store.names(ctx, `SELECT DISTINCT queue FROM spool WHERE node = ? ORDER BY queue`, p.node)
}

// Usage returns what this node's rows count against its bound.
func (p *Spool) Usage(ctx context.Context) (SpoolUsage, error) {
	var u SpoolUsage
	err := p.store.read.QueryRowContext(ctx, `SELECT row_count, byte_count FROM spool_usage WHERE node = ?`, p.node).Scan(&u.Rows, &u.Bytes)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return SpoolUsage{}, fmt.Errorf("store: spool: %w", p.store.closedOr(err))
	}
	return u, nil
}

// Orphans returns the nodes that have rows and are not alive, other than this one.
func (p *Spool) Orphans(ctx context.Context) ([]string, error) {
	owners, err := p.store.names(ctx, `SELECT node FROM spool_usage WHERE row_count > 0 AND node <> ? ORDER BY node`, p.node)
	if err != nil {
		return nil, err
	}
	var dead []string
	for _, node := range owners {
		alive, err := p.store.alive(node)
		if err != nil {
			return nil, err
		}
		if !alive {
			dead = append(dead, node)
		}
	}
	return dead, nil
}

// Adopt makes the rows of a dead node this node's, with their numbers and so with their order, whatever the bound: they
// were accepted. It returns how many it moved, page by page: when it fails in between it can be called again. The dead
// node's lock is held meanwhile and its folder is removed at the end. ErrNodeAlive when its process lives.
func (p *Spool) Adopt(ctx context.Context, deadNode string) (moved int64, err error) {
	if deadNode == p.node {
		return 0, nil
	}
	claim, err := p.store.claim(deadNode)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, claim.Close()) }()
	for {
		var n int64
		err := p.store.Write(ctx, func(ctx context.Context, tx *Tx) error {
			result, err := tx.Exec(ctx, `UPDATE spool SET node = ? WHERE seq IN
				(SELECT seq FROM spool WHERE node = ? ORDER BY seq LIMIT ?)`, p.node, deadNode, adoptPage)
			if err != nil {
				return fmt.Errorf("store: adopt: %w", err)
			}
			if n, err = result.RowsAffected(); n > 0 || err != nil {
				return err
			}
			_, err = tx.Exec(ctx, `DELETE FROM spool_usage WHERE node = ? AND row_count = 0`, deadNode)
			return err
		})
		if err != nil || n == 0 {
			return moved, err
		}
		moved += n
	}
}

func (s *Store) names(ctx context.Context, query string, args ...any) (names []string, err error) {
	err = s.snapshot(ctx, func(ctx context.Context, tx *sql.Tx) (err error) {
		rows, err := tx.QueryContext(ctx, query, args...)
		if err != nil {
			return fmt.Errorf("store: spool: %w", err)
		}
		defer func() { err = errors.Join(err, rows.Close()) }()
		for rows.Next() {
			var name string
			if err := rows.Scan(&name); err != nil {
				return fmt.Errorf("store: spool: %w", err)
			}
			names = append(names, name)
		}
		return rows.Err()
	})
	return names, err
}
