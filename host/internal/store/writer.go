package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"
)

const (
	// Writes that wait; beyond, callers wait for room.
	maxWaiting = 1024
	// Writes in one transaction.
	maxGroup = 256
	// A group takes no more writes in after this time, so that another host's writer gets its turn.
	maxHold = 100 * time.Millisecond
)

// Stats are the writer's counters since the store was opened.
type Stats struct {
	// Groups is the number of transactions committed.
	Groups uint64
	// Writes is the number of writes that were carried out and committed.
	Writes uint64
	// Failed is the number of writes that were begun and not committed.
	Failed uint64
	// LongestWait is the longest time from a write's call to its answer.
	LongestWait time.Duration
	// Waiting is the number of writes that have not begun.
	Waiting int
}

// The life of a pending write. Whoever moves it out of waiting decides whether it is carried out.
const (
	waiting int32 = iota
	begun
	abandoned
)

type pending struct {
	ctx   context.Context // the caller's, who waits as long as this lives
	fn    func(ctx context.Context, tx *Tx) error
	since time.Time
	state atomic.Int32
	reply chan error // holds one
}

// writer is the one goroutine that writes.
type writer struct {
	db      *sql.DB
	tx      Tx
	turns   *turnstile
	limit   int
	log     hclog.Logger
	queue   chan *pending
	closing chan struct{}
	once    sync.Once
	done    chan struct{}
	err     error // of the end; read after done

	mu    sync.Mutex
	stats Stats
}

// newWriter starts the goroutine; close ends it and closes db and turns.
func newWriter(ctx context.Context, db *sql.DB, turns *turnstile, limit int, log hclog.Logger) (*writer, error) {
	w := &writer{
		db: db, turns: turns, limit: limit, log: log,
		queue: make(chan *pending, maxWaiting), closing: make(chan struct{}), done: make(chan struct{}),
	}
	if err := w.connect(ctx); err != nil {
		return nil, err
	}
	go w.run(context.WithoutCancel(ctx))
	return w, nil
}

func (w *writer) connect(ctx context.Context) error {
	conn, err := w.db.Conn(ctx)
	if err != nil {
		return fmt.Errorf("store: connect: %w", err)
	}
	w.tx = Tx{conn: conn, stmts: map[string]*sql.Stmt{}}
	return nil
}

// reconnect throws a connection away whose state is not known.
func (w *writer) reconnect(ctx context.Context) error {
	_ = w.tx.forget()
	_ = w.tx.conn.Raw(func(any) error { return driver.ErrBadConn }) // takes it out of the pool
	_ = w.tx.conn.Close()
	return w.connect(ctx)
}

func (w *writer) do(ctx context.Context, fn func(ctx context.Context, tx *Tx) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	p := &pending{ctx: ctx, fn: fn, since: time.Now(), reply: make(chan error, 1)}
	select {
	case <-w.closing:
		return ErrClosed
	default:
	}
	select {
	case w.queue <- p:
	case <-ctx.Done():
		return ctx.Err()
	case <-w.closing:
		return ErrClosed
	}
	select {
	case err := <-p.reply:
		return err
	case <-ctx.Done():
		if p.state.CompareAndSwap(waiting, abandoned) {
			return ctx.Err()
		}
	case <-w.done:
	}
	return w.await(p)
}

// await waits for the answer of a write that has begun, or finds that nobody will answer.
func (w *writer) await(p *pending) error {
	select {
	case err := <-p.reply:
		return err
	case <-w.done:
	}
	select {
	case err := <-p.reply:
		return err
	default:
	}
	if p.state.CompareAndSwap(waiting, abandoned) {
		return ErrClosed
	}
	return ErrUncertain // fn ended the goroutine
}

func (w *writer) isClosed() bool {
	select {
	case <-w.closing:
		return true
	default:
		return false
	}
}

func (w *writer) close() error {
	w.once.Do(func() { close(w.closing) })
	<-w.done
	return w.err
}

func (w *writer) snapshot() Stats {
	w.mu.Lock()
	defer w.mu.Unlock()
	stats := w.stats
	stats.Waiting = len(w.queue)
	return stats
}

func (w *writer) run(ctx context.Context) {
	defer close(w.done)
	defer func() {
		w.once.Do(func() { close(w.closing) }) // also when a write ended the goroutine
		w.err = errors.Join(w.tx.forget(), w.tx.conn.Close(), w.db.Close(), w.turns.Close())
	}()
	for {
		select {
		case p := <-w.queue:
			w.group(ctx, p)
		case <-w.closing:
			select {
			case p := <-w.queue:
				w.group(ctx, p)
			default:
				return
			}
		}
	}
}

// group carries out first and whatever else waits in one transaction. Writes are claimed only when the transaction stands,
// so that callers may give up while another process holds the lock, and those who came meanwhile join.
func (w *writer) group(ctx context.Context, first *pending) {
	w.turns.take(ctx)
	defer w.turns.release()
	if err := w.begin(ctx); err != nil {
		w.refuse(first, fmt.Errorf("store: begin: %w", err))
		return
	}
	start := time.Now()
	var ran []*pending
	var results []error
	var broken error
	for p := first; p != nil; p = w.next(len(ran), start) {
		if err := p.ctx.Err(); err != nil {
			if p.state.CompareAndSwap(waiting, abandoned) {
				p.reply <- err
			}
			continue
		}
		if !p.state.CompareAndSwap(waiting, begun) {
			continue
		}
		ran = append(ran, p)
		var result error
		result, broken = w.carryOut(ctx, p)
		results = append(results, result)
		if broken != nil {
			break
		}
	}
	err := w.end(ctx, broken)
	for i := range ran {
		if results[i] == nil {
			results[i] = err
		}
	}
	w.answer(ran, results, err == nil)
}

func (w *writer) next(have int, start time.Time) *pending {
	if have >= w.limit || time.Since(start) > maxHold {
		return nil
	}
	select {
	case p := <-w.queue:
		return p
	default:
		return nil
	}
}

// begin opens the transaction, once more on a new connection if the old one has gone bad.
func (w *writer) begin(ctx context.Context) error {
	_, err := w.tx.Exec(ctx, `BEGIN IMMEDIATE`)
	if err == nil || isBusy(err) {
		return err
	}
	w.log.Warn("the writer's connection is opened anew", "error", err)
	if again := w.reconnect(ctx); again != nil {
		return errors.Join(err, again)
	}
	_, err = w.tx.Exec(ctx, `BEGIN IMMEDIATE`)
	return err
}

// carryOut runs one write in its savepoint. broken says that the transaction is lost to all: SQLite itself ends it on some
// errors, a full disk among them, and a savepoint made after that would be a transaction of its own.
func (w *writer) carryOut(ctx context.Context, p *pending) (result, broken error) {
	if _, err := w.tx.Exec(ctx, `SAVEPOINT one`); err != nil {
		return err, err
	}
	result = w.call(p)
	if result != nil {
		_, broken = w.tx.Exec(ctx, `ROLLBACK TO one`)
	}
	if broken == nil {
		_, broken = w.tx.Exec(ctx, `RELEASE one`)
	}
	return result, broken
}

func (w *writer) call(p *pending) (err error) {
	defer func() {
		if r := recover(); r != nil {
			w.log.Error("a write panicked", "panic", r, "stack", string(debug.Stack()))
			err = fmt.Errorf("store: write panicked: %v", r)
		}
	}()
	return p.fn(p.ctx, &w.tx)
}

// end commits, or gives a broken transaction up: then the connection is replaced, which rolls back whatever is left.
func (w *writer) end(ctx context.Context, broken error) error {
	err := broken
	if err == nil {
		if _, err = w.tx.Exec(ctx, `COMMIT`); err == nil {
			return nil
		}
		err = fmt.Errorf("%w: commit: %w", ErrUncertain, err)
	} else {
		err = fmt.Errorf("store: the group was rolled back: %w", err)
	}
	w.log.Error("a group of writes was not committed", "error", err)
	return errors.Join(err, w.reconnect(ctx))
}

// refuse answers first, and those who have waited behind it: they would all wait as long again for the same end.
func (w *writer) refuse(first *pending, err error) {
	w.log.Error("writes are refused", "error", err)
	for p, left := first, len(w.queue); p != nil; left-- {
		if p.state.CompareAndSwap(waiting, abandoned) {
			p.reply <- err
		}
		p = nil
		if left > 0 {
			p = <-w.queue // this goroutine alone takes out
		}
	}
}

func (w *writer) answer(ran []*pending, results []error, committed bool) {
	now := time.Now()
	w.mu.Lock()
	if committed && len(ran) > 0 {
		w.stats.Groups++
	}
	for i, p := range ran {
		if results[i] == nil {
			w.stats.Writes++
		} else {
			w.stats.Failed++
		}
		w.stats.LongestWait = max(w.stats.LongestWait, now.Sub(p.since))
	}
	w.mu.Unlock()
	for i, p := range ran {
		p.reply <- results[i]
	}
}
