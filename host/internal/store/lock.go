package store

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// fileLock is an flock(2) on a file of its own: the kernel drops it when the process dies, and it holds between two
// descriptors of one process too.
type fileLock struct{ file *os.File }

// tryLockFile takes the lock if it is free, making its file if it is missing; ok tells.
func tryLockFile(path string) (lock *fileLock, ok bool, err error) {
	return tryLock(path, os.O_CREATE|os.O_RDWR, syscall.LOCK_EX)
}

// probeLock tells whether anybody holds the lock. It shares, so that two who ask at once do not take each other for the
// holder.
func probeLock(path string) (held bool, err error) {
	lock, free, err := tryLock(path, os.O_RDWR, syscall.LOCK_SH)
	if err != nil || !free {
		return err == nil, err
	}
	return false, lock.Close()
}

func tryLock(path string, flag, how int) (lock *fileLock, ok bool, err error) {
	file, err := os.OpenFile(path, flag, 0o600) //nolint:gosec // within the data directory
	if err != nil {
		return nil, false, err
	}
	ok, err = flock(file, how)
	if !ok {
		return nil, false, errors.Join(err, file.Close())
	}
	return &fileLock{file: file}, true, nil
}

// flock takes the lock without waiting.
func flock(file *os.File, how int) (bool, error) {
	for {
		err := syscall.Flock(int(file.Fd()), how|syscall.LOCK_NB)
		switch {
		case err == nil:
			return true, nil
		case errors.Is(err, syscall.EWOULDBLOCK):
			return false, nil
		case !errors.Is(err, syscall.EINTR):
			return false, fmt.Errorf("flock: %w", err)
		}
	}
}

// lockFile takes the lock, waiting until ctx ends.
func lockFile(ctx context.Context, path string) (*fileLock, error) {
	for {
		lock, ok, err := tryLockFile(path)
		if ok || err != nil {
			return lock, err
		}
		if err := pause(ctx, 10*time.Millisecond); err != nil {
			return nil, err
		}
	}
}

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Close gives the lock up.
func (l *fileLock) Close() error { return l.file.Close() }

// turnstile makes the writers of several processes take turns. SQLite's own wait polls ever more slowly, up to 100 ms
// apart, so that a writer that is always busy starves one that comes now and then. Here whoever waits for the turn holds
// the gate meanwhile, and whoever has just had the turn must pass the gate again. It is a courtesy, not a safeguard:
// SQLite's lock is taken all the same, so a turn that can't be had in time is done without.
type turnstile struct {
	gate *os.File
	turn *os.File
}

func openTurnstile(dir string) (*turnstile, error) {
	gate, err := os.OpenFile(filepath.Join(dir, "write.gate"), os.O_CREATE|os.O_RDWR, 0o600) //nolint:gosec // within the data directory
	if err != nil {
		return nil, fmt.Errorf("store: turnstile: %w", err)
	}
	turn, err := os.OpenFile(filepath.Join(dir, "write.turn"), os.O_CREATE|os.O_RDWR, 0o600) //nolint:gosec // within the data directory
	if err != nil {
		return nil, errors.Join(fmt.Errorf("store: turnstile: %w", err), gate.Close())
	}
	return &turnstile{gate: gate, turn: turn}, nil
}

// take waits for the turn, as long as SQLite itself would wait for its lock.
func (t *turnstile) take(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, busyTimeout)
	defer cancel()
	defer t.leave(t.gate)
	for _, file := range []*os.File{t.gate, t.turn} {
		for {
			ok, err := flock(file, syscall.LOCK_EX)
			if err != nil { // no flock here: SQLite's lock must do
				return
			}
			if ok {
				break
			}
			if pause(ctx, 500*time.Microsecond) != nil {
				return
			}
		}
	}
}

// release gives the turn on.
func (t *turnstile) release() { t.leave(t.turn) }

func (t *turnstile) leave(file *os.File) {
	_ = syscall.Flock(int(file.Fd()), syscall.LOCK_UN) // a lock not held is no fault
}

func (t *turnstile) Close() error { return errors.Join(t.gate.Close(), t.turn.Close()) }
