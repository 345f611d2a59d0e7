package store

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"github.com/hashicorp/go-hclog"
)

// applicationID stands in the file's header ("BkHd"; https://www.sqlite.org/fileformat2.html#application_id).
const applicationID = 0x426b4864

//go:embed migrations/*.sql
var files embed.FS

// migration is one step of the schema; its version is its place in the order of names, from 1.
type migration struct {
	version int
	name    string
	text    string
	sum     string
}

func embedded() fs.FS { return files }

func readMigrations(from fs.FS) ([]migration, error) {
	names, err := fs.Glob(from, "migrations/*.sql")
	if err != nil {
		return nil, fmt.Errorf("store: migrations: %w", err)
	}
	all := make([]migration, 0, len(names))
	for i, name := range names { // in order of their names
		text, err := fs.ReadFile(from, name)
		if err != nil {
			return nil, fmt.Errorf("store: migrations: %w", err)
		}
		if want := fmt.Sprintf("%04d_", i+1); !strings.HasPrefix(path.Base(name), want) {
			return nil, fmt.Errorf("%w: migration %s does not begin with %s", ErrSchema, name, want)
		}
		sum := sha256.Sum256(text)
		all = append(all, migration{version: i + 1, name: path.Base(name), text: string(text), sum: hex.EncodeToString(sum[:])})
	}
	return all, nil
}

// prepareSchema checks that the file is ours and in WAL mode, and carries out what is missing of the migrations.
func prepareSchema(ctx context.Context, db *sql.DB, from fs.FS, log hclog.Logger) error {
	all, err := readMigrations(from)
	if err != nil {
		return err
	}
	var mode string
	if err := db.QueryRowContext(ctx, `PRAGMA journal_mode`).Scan(&mode); err != nil {
		return fmt.Errorf("store: open: %w", err)
	}
	if mode != "wal" {
		return fmt.Errorf("%w: it keeps journal mode %q where WAL was asked for", ErrNetworkFS, mode)
	}
	if err := step(ctx, db, claimFile); err != nil {
		return err
	}
	for _, m := range all {
		applied := false
		err := step(ctx, db, func(ctx context.Context, tx *sql.Tx) (err error) {
			applied, err = m.apply(ctx, tx)
			return err
		})
		if err != nil {
			return fmt.Errorf("store: migration %s: %w", m.name, err)
		}
		if applied {
			log.Info("schema brought forward", "version", m.version, "migration", m.name)
		}
	}
	return step(ctx, db, func(ctx context.Context, tx *sql.Tx) error { return checkSchema(ctx, tx, all) })
}

// step runs fn in one transaction, which is immediate by the connection's name: two hosts that start at once take turns.
func step(ctx context.Context, db *sql.DB, fn func(ctx context.Context, tx *sql.Tx) error) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	if err := fn(ctx, tx); err != nil {
		return errors.Join(err, rolledBack(tx))
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	return nil
}

// claimFile marks an empty file as ours and refuses another program's.
func claimFile(ctx context.Context, tx *sql.Tx) error {
	var id, version, objects int64
	err := errors.Join(
		tx.QueryRowContext(ctx, `PRAGMA application_id`).Scan(&id),
		tx.QueryRowContext(ctx, `PRAGMA user_version`).Scan(&version),
		tx.QueryRowContext(ctx, `SELECT count(*) FROM sqlite_schema`).Scan(&objects))
	switch {
	case err != nil:
		return fmt.Errorf("store: open: %w", err)
	case id == applicationID:
		return nil
	case id != 0 || version != 0 || objects != 0:
		return fmt.Errorf("%w (application id %#x)", ErrForeignFile, id)
	}
	_, err = tx.ExecContext(ctx, fmt.Sprintf(`PRAGMA application_id = %d;
		CREATE TABLE migrations (
			version    INTEGER NOT NULL PRIMARY KEY,
			name       TEXT    NOT NULL,
			sum        TEXT    NOT NULL, -- SHA-256 of the text that was carried out
			applied_at INTEGER NOT NULL  -- Unix seconds
		) STRICT`, applicationID))
	if err != nil {
		return fmt.Errorf("store: new file: %w", err)
	}
	return nil
}

// apply carries the migration out unless the file has it already.
func (m migration) apply(ctx context.Context, tx *sql.Tx) (bool, error) {
	var version int
	if err := tx.QueryRowContext(ctx, `PRAGMA user_version`).Scan(&version); err != nil {
		return false, err
	}
	if version >= m.version {
		return false, nil
	}
	if _, err := tx.ExecContext(ctx, m.text); err != nil {
		return false, err
	}
	_, err := tx.ExecContext(ctx, `INSERT INTO migrations (version, name, sum, applied_at) VALUES (?, ?, ?, unixepoch())`,
		m.version, m.name, m.sum)
	if err != nil {
		return false, err
	}
	_, err = tx.ExecContext(ctx, fmt.Sprintf(`PRAGMA user_version = %d`, m.version))
	return err == nil, err
}

// checkSchema compares what was carried out with what this program would have carried out.
func checkSchema(ctx context.Context, tx *sql.Tx, all []migration) error {
	var version int
	if err := tx.QueryRowContext(ctx, `PRAGMA user_version`).Scan(&version); err != nil {
		return fmt.Errorf("store: schema: %w", err)
	}
	if version > len(all) {
		return fmt.Errorf("%w: %d, newest known is %d", ErrNewerSchema, version, len(all))
	}
	rows, err := tx.QueryContext(ctx, `SELECT version, sum FROM migrations ORDER BY version`)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrSchema, err)
	}
	defer func() { _ = rows.Close() }() // rows.Err tells
	seen := 0
	for rows.Next() {
		var sum string
		if err := rows.Scan(&version, &sum); err != nil {
			return fmt.Errorf("store: schema: %w", err)
		}
		seen++
		if version != seen || seen > len(all) || all[seen-1].sum != sum {
			return fmt.Errorf("%w: migration %d was another one", ErrSchema, version)
		}
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("store: schema: %w", err)
	}
	if seen != len(all) {
		return fmt.Errorf("%w: %d of %d migrations are noted", ErrSchema, seen, len(all))
	}
	return nil
}
