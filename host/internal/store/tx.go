package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
)

// maxStatements bounds the statements kept prepared; the package's own are about thirty.
const maxStatements = 128

// Tx is the running group's transaction as one write sees it. It is good until the write's function returns, for one
// goroutine. It is no *sql.Tx for two reasons: a write must not end the group's transaction, and a statement that a
// context interrupts would roll the whole group back (https://www.sqlite.org/c3ref/interrupt.html). So the contexts that
// its methods take carry values only; a long write looks at its context between statements.
type Tx struct {
	conn  *sql.Conn
	stmts map[string]*sql.Stmt
}

// Exec carries out a statement.
func (t *Tx) Exec(ctx context.Context, query string, args ...any) (sql.Result, error) {
	ctx = context.WithoutCancel(ctx)
	stmt, err := t.prepare(ctx, query)
	if err != nil {
		return nil, err
	}
	return stmt.ExecContext(ctx, args...)
}

// Query asks for rows; the caller closes them before the next statement.
func (t *Tx) Query(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	ctx = context.WithoutCancel(ctx)
	stmt, err := t.prepare(ctx, query)
	if err != nil {
		return nil, err
	}
	return stmt.QueryContext(ctx, args...)
}

// Get scans the first row into dest; false when there is none.
func (t *Tx) Get(ctx context.Context, query string, args []any, dest ...any) (bool, error) {
	ctx = context.WithoutCancel(ctx)
	stmt, err := t.prepare(ctx, query)
	if err != nil {
		return false, err
	}
	err = stmt.QueryRowContext(ctx, args...).Scan(dest...)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	return err == nil, err
}

// prepare keeps statements for the life of the connection: texts are constants, and compiling one costs more than running it.
func (t *Tx) prepare(ctx context.Context, query string) (*sql.Stmt, error) {
	if stmt, ok := t.stmts[query]; ok {
		return stmt, nil
	}
	if len(t.stmts) >= maxStatements {
		if err := t.forget(); err != nil {
			return nil, err
		}
	}
	stmt, err := t.conn.PrepareContext(ctx, query)
	if err != nil {
		return nil, fmt.Errorf("prepare: %w", err)
	}
	t.stmts[query] = stmt
	return stmt, nil
}

func (t *Tx) forget() error {
	var err error
	for query, stmt := range t.stmts {
		err = errors.Join(err, stmt.Close())
		delete(t.stmts, query)
	}
	return err
}
