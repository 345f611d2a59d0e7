package store

import (
	"context"
	"database/sql"
	"errors"

	"bulkhead.dev/sdk/pluginv1"
)

const (
	linkBySource = `SELECT kind, source, target, hash, revision FROM links WHERE instance = ? AND kind = ? AND source = ?`
	linkByTarget = `SELECT kind, source, target, hash, revision FROM links
		WHERE instance = ? AND kind = ? AND target = ? AND target <> '' ORDER BY source LIMIT 1`
	// linkOverhead is what a link weighs beside its texts, roughly.
	linkOverhead = 32
)

type scanner interface{ Scan(dest ...any) error }

func scanLink(row scanner) (*pluginv1.Link, int, error) {
	link := &pluginv1.Link{}
	if err := row.Scan(&link.Kind, &link.Source, &link.Target, &link.Hash, &link.Revision); err != nil {
		return nil, 0, err
	}
	return link, len(link.GetKind()) + len(link.GetSource()) + len(link.GetTarget()) + len(link.GetHash()) + linkOverhead, nil
}

func findLink(ctx context.Context, tx *sql.Tx, query, instance, kind, id string) (*pluginv1.StateFound, int, error) {
	link, size, err := scanLink(tx.QueryRowContext(ctx, query, instance, kind, id))
	if errors.Is(err, sql.ErrNoRows) {
		return &pluginv1.StateFound{}, 0, nil
	}
	if err != nil {
		return nil, 0, err
	}
	return &pluginv1.StateFound{What: &pluginv1.StateFound_Link{Link: link}}, size, nil
}

func scanLinks(ctx context.Context, tx *sql.Tx, instance, kind, after string, limit int) ([]*pluginv1.Link, bool, error) {
	rows, err := tx.QueryContext(ctx, `SELECT kind, source, target, hash, revision FROM links
		WHERE instance = ? AND kind = ? AND source > ? ORDER BY source LIMIT ?`, instance, kind, after, limit+1)
	if err != nil {
		return nil, false, err
	}
	return page(rows, limit, scanLink)
}

// page collects up to limit rows of pageBytes in all, at least one; more tells that a row was left. It closes rows.
func page[T any](rows *sql.Rows, limit int, scan func(scanner) (T, int, error)) (found []T, more bool, err error) {
	defer func() { err = errors.Join(err, rows.Close()) }()
	size := 0
	for rows.Next() {
		if len(found) == limit || (len(found) > 0 && size >= pageBytes) {
			return found, true, nil
		}
		entry, n, err := scan(rows)
		if err != nil {
			return nil, false, err
		}
		found = append(found, entry)
		size += n
	}
	return found, false, rows.Err()
}

func putLink(ctx context.Context, tx *Tx, instance string, link *pluginv1.Link, revision int64) error {
	_, err := tx.Exec(ctx, `INSERT INTO links (instance, kind, source, target, hash, revision) VALUES (?, ?, ?, ?, ?, ?)
		ON CONFLICT (instance, kind, source) DO UPDATE SET target = excluded.target, hash = excluded.hash, revision = excluded.revision`,
		instance, link.GetKind(), link.GetSource(), link.GetTarget(), link.GetHash(), revision)
	return err
}
