// Package store keeps what must outlive the process in one SQLite file: the state of the domains and the spool of jobs
// that were accepted while the queue was away.
//
// All writes of a process pass through one goroutine, which groups whatever waits into one transaction ([Store.Write]);
// reads go past it on connections of their own, each in a snapshot. Several hosts may open one directory at once: their
// writers take turns. The package knows SQL and files; it knows no queue, no plugin and no HTTP.
//
// Nothing else in the process may open the database file: closing any descriptor of it would drop SQLite's locks
// (fcntl(2)).
package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"path/filepath"
	"time"

	"github.com/hashicorp/go-hclog"
	"modernc.org/sqlite"
)

const (
	fileName    = "bulkhead.db"
	busyTimeout = 30 * time.Second
	readers     = 4
	// A reader that stays open keeps the log from being folded back into the file.
	readTimeout = 10 * time.Second
	// The log is cut back to this size after a checkpoint.
	maxIdleLog = 64 << 20
)

// Store is one open data directory. It is safe for concurrent use; whoever opened it closes it.
type Store struct {
	dir   string
	id    string
	log   hclog.Logger
	write *writer
	read  *sql.DB
}

// options are what tests turn.
type options struct {
	migrations  fs.FS
	synchronous string
	maxGroup    int
	busy        time.Duration
}

func defaults() options {
	return options{migrations: embedded(), synchronous: "FULL", maxGroup: maxGroup, busy: busyTimeout}
}

// Open opens the store in dir, which is created with mode 0700 if it is missing, and brings the schema up to date. A nil
// log discards. ctx bounds the opening alone. Errors to decide by: ErrNetworkFS, ErrUnsafeDir, ErrNewerSchema, ErrSchema,
// ErrForeignFile. The caller closes the Store.
func Open(ctx context.Context, dir string, log hclog.Logger) (*Store, error) {
	return open(ctx, dir, log, defaults())
}

func open(ctx context.Context, dir string, log hclog.Logger, opts options) (_ *Store, err error) {
	if log == nil {
		log = hclog.NewNullLogger()
	}
	dir, err = filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("store: data directory: %w", err)
	}
	if err := prepareDir(dir, log); err != nil {
		return nil, err
	}
	// Creating the file, turning it to WAL and migrating are done by one process at a time: the change to WAL answers
	// SQLITE_BUSY without waiting when two try it at once.
	opening, err := lockFile(ctx, filepath.Join(dir, "open.lock"))
	if err != nil {
		return nil, fmt.Errorf("store: lock for opening: %w", err)
	}
	defer func() { err = errors.Join(err, opening.Close()) }()

	path := filepath.Join(dir, fileName)
	if err := prepareFile(path); err != nil {
		return nil, err
	}
	s := &Store{dir: dir, log: log}
	// Statement journals (a savepoint, a trigger) go to memory: in a temporary file they were half the cost of a write.
	writeDB, err := connect(path, opts.busy, url.Values{
		"_journal_mode": {"WAL"},
		"_synchronous":  {opts.synchronous},
		"_txlock":       {"immediate"},
		"_pragma":       {fmt.Sprintf("journal_size_limit(%d)", maxIdleLog), "temp_store(MEMORY)"},
	}, 1)
	if err != nil {
		return nil, err
	}
	if err := prepareSchema(ctx, writeDB, opts.migrations, log); err != nil {
		return nil, errors.Join(err, writeDB.Close())
	}
	s.read, err = connect(path, opts.busy, url.Values{"_query_only": {"1"}}, readers)
	if err != nil {
		return nil, errors.Join(err, writeDB.Close())
	}
	if err := s.read.QueryRowContext(ctx, `SELECT value FROM meta WHERE name = 'store_id'`).Scan(&s.id); err != nil {
		return nil, errors.Join(fmt.Errorf("store: id: %w", err), s.read.Close(), writeDB.Close())
	}
	turns, err := openTurnstile(dir)
	if err != nil {
		return nil, errors.Join(err, s.read.Close(), writeDB.Close())
	}
	s.write, err = newWriter(ctx, writeDB, turns, opts.maxGroup, log)
	if err != nil {
		return nil, errors.Join(err, turns.Close(), s.read.Close(), writeDB.Close())
	}
	return s, nil
}

// connect opens a pool on the file. What a connection needs stands in the name, so that each of the pool has it.
func connect(path string, busy time.Duration, extra url.Values, size int) (*sql.DB, error) {
	query := url.Values{
		"_busy_timeout": {fmt.Sprint(busy.Milliseconds())},
		"_foreign_keys": {"1"},
		"_defensive":    {"1"},
		"_dqs":          {"0"},
		"_error_rc":     {"1"},
	}
	for key, values := range extra {
		query[key] = values
	}
	name := url.URL{Scheme: "file", Path: path, RawQuery: query.Encode()}
	connector, err := sqlite.NewConnector(name.String())
	if err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	db := sql.OpenDB(connector)
	db.SetMaxOpenConns(size)
	db.SetMaxIdleConns(size)
	return db, nil
}

// ID returns the store's identity, 32 hex digits made when the file was, the same for all who open it.
func (s *Store) ID() string { return s.id }

// Dir returns the absolute path of the data directory.
func (s *Store) Dir() string { return s.dir }

// Read returns the pool of reading connections; they refuse to write. Close its rows and transactions soon: an open one
// keeps the write-ahead log growing. The Store closes the pool.
func (s *Store) Read() *sql.DB { return s.read }

// Write carries fn out in the running group of writes and answers when the group has been committed to the disk. fn has a
// savepoint of its own: when it fails or panics, that is undone and returned, and the others of the group are kept. When
// ctx ends before fn has begun, fn is not carried out and ctx's error is returned; once begun, the true outcome is
// awaited. fn must do nothing but use tx, and not keep it. ErrClosed after Close; ErrUncertain when the commit itself
// failed.
func (s *Store) Write(ctx context.Context, fn func(ctx context.Context, tx *Tx) error) error {
	return s.write.do(ctx, fn)
}

// Stats returns the writer's counters since the store was opened.
func (s *Store) Stats() Stats { return s.write.snapshot() }

// Close carries out the writes that wait, refuses new ones and closes the file. It may be called again.
func (s *Store) Close() error {
	return errors.Join(s.write.close(), s.read.Close())
}

// snapshot runs fn on one consistent state of the file, for readTimeout at most.
func (s *Store) snapshot(ctx context.Context, fn func(ctx context.Context, tx *sql.Tx) error) error {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	tx, err := s.read.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return fmt.Errorf("store: begin to read: %w", s.closedOr(err))
	}
	if err := fn(ctx, tx); err != nil {
		return errors.Join(s.closedOr(err), rolledBack(tx))
	}
	return rolledBack(tx)
}

func rolledBack(tx *sql.Tx) error {
	if err := tx.Rollback(); err != nil && !errors.Is(err, sql.ErrTxDone) {
		return fmt.Errorf("store: end of reading: %w", err)
	}
	return nil
}

// closedOr turns the pool's own error after Close, which has no name, into ours.
func (s *Store) closedOr(err error) error {
	if s.write.isClosed() {
		return errors.Join(ErrClosed, err)
	}
	return err
}
