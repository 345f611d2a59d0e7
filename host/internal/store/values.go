package store

import (
	"context"
	"database/sql"
	"errors"

	"bulkhead.dev/sdk/pluginv1"
)

func findCursor(ctx context.Context, tx *sql.Tx, instance, name string) (*pluginv1.StateFound, int, error) {
	cursor := &pluginv1.Cursor{}
	err := tx.QueryRowContext(ctx, `SELECT name, value, revision FROM cursors WHERE instance = ? AND name = ?`, instance, name).
		Scan(&cursor.Name, &cursor.Value, &cursor.Revision)
	if errors.Is(err, sql.ErrNoRows) {
		return &pluginv1.StateFound{}, 0, nil
	}
	if err != nil {
		return nil, 0, err
	}
	return &pluginv1.StateFound{What: &pluginv1.StateFound_Cursor{Cursor: cursor}}, len(cursor.GetName()) + len(cursor.GetValue()), nil
}

func scanValue(row scanner) (*pluginv1.Value, int, error) {
	value := &pluginv1.Value{}
	if err := row.Scan(&value.Key, &value.Json, &value.Revision); err != nil {
		return nil, 0, err
	}
	return value, len(value.GetKey()) + len(value.GetJson()), nil
}

func findValue(ctx context.Context, tx *sql.Tx, instance, key string) (*pluginv1.StateFound, int, error) {
	value, size, err := scanValue(tx.QueryRowContext(ctx, `SELECT key, json, revision FROM vals WHERE instance = ? AND key = ?`, instance, key))
	if errors.Is(err, sql.ErrNoRows) {
		return &pluginv1.StateFound{}, 0, nil
	}
	if err != nil {
		return nil, 0, err
	}
	return &pluginv1.StateFound{What: &pluginv1.StateFound_Value{Value: value}}, size, nil
}

// scanValues walks the keys that begin with prefix. Both ends are parts of the index's order, so that a page costs what it
// returns. (LIKE and GLOB would read wildcards within the prefix.)
func scanValues(ctx context.Context, tx *sql.Tx, instance, prefix, after string, limit int) ([]*pluginv1.Value, bool, error) {
	query := `SELECT key, json, revision FROM vals WHERE instance = ? AND key >= ? AND key > ?`
	args := []any{instance, prefix, after}
	if end := prefixEnd(prefix); end != "" {
		query += ` AND key < ?`
		args = append(args, end)
	}
	rows, err := tx.QueryContext(ctx, query+` ORDER BY key LIMIT ?`, append(args, limit+1)...)
	if err != nil {
		return nil, false, err
	}
	return page(rows, limit, scanValue)
}

// prefixEnd returns the least string, in byte order, above all that begin with prefix; "" for the empty one. No byte of
// UTF-8 is 0xff, so the last one can be raised.
func prefixEnd(prefix string) string {
	if prefix == "" {
		return ""
	}
	last := len(prefix) - 1
	return prefix[:last] + string([]byte{prefix[last] + 1})
}

func putCursor(ctx context.Context, tx *Tx, instance string, cursor *pluginv1.Cursor, revision int64) error {
	_, err := tx.Exec(ctx, `INSERT INTO cursors (instance, name, value, revision) VALUES (?, ?, ?, ?)
		ON CONFLICT (instance, name) DO UPDATE SET value = excluded.value, revision = excluded.revision`,
		instance, cursor.GetName(), blob(cursor.GetValue()), revision)
	return err
}

func putValue(ctx context.Context, tx *Tx, instance string, value *pluginv1.Value, revision int64) error {
	_, err := tx.Exec(ctx, `INSERT INTO vals (instance, key, json, revision) VALUES (?, ?, ?, ?)
		ON CONFLICT (instance, key) DO UPDATE SET json = excluded.json, revision = excluded.revision`,
		instance, value.GetKey(), blob(value.GetJson()), revision)
	return err
}

// blob keeps nil from becoming NULL.
func blob(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}
