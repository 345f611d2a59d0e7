package supervisor

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"bulkhead.dev/sdk/launch"
)

const (
	runDirPrefix = "bulkhead-run-"
	runDirLock   = "lock"
	// generationLen is what a generation's own folder adds to the path: a slash, a letter and ten digits.
	generationLen = 12
)

// RunDir is a host's private directory for sockets, held by a lock that ends with the process. Close removes it.
type RunDir struct {
	path string
	lock *os.File
}

// OpenRunDir makes a directory of mode 0700 below the first of the parents that can hold it: it must be there, and short
// enough for the path of a socket below it, of which systems allow about 100 bytes. Empty parents are passed over. What
// hosts that were killed have left in the parents is removed. The error says of each parent why it will not do.
func OpenRunDir(parents ...string) (*RunDir, error) {
	var faults []error
	for _, parent := range parents {
		if parent == "" {
			continue
		}
		r, err := openRunDir(parent)
		if err == nil {
			return r, nil
		}
		faults = append(faults, err)
	}
	return nil, fmt.Errorf("no directory for sockets (set XDG_RUNTIME_DIR to a short path that this user may write): %w", errors.Join(faults...))
}

func openRunDir(parent string) (*RunDir, error) {
	if !filepath.IsAbs(parent) {
		return nil, fmt.Errorf("%s: the path is not absolute", parent)
	}
	room := launch.MaxDir() - generationLen - len("/") - len(runDirPrefix) - 10 // MkdirTemp appends ten digits at most
	if len(parent) > room {
		return nil, fmt.Errorf("%s: the path has %d bytes, %d at most leave room for a socket's", parent, len(parent), room)
	}
	sweepRunDirs(parent)
	for range 10 {
		r, err := lockRunDir(parent)
		if r != nil || err != nil {
			return r, err
		}
	}
	return nil, fmt.Errorf("%s: another process removes what is made there", parent)
}

// lockRunDir makes and locks a directory; nil when a host that sweeps was quicker than the lock.
func lockRunDir(parent string) (*RunDir, error) {
	path, err := os.MkdirTemp(parent, runDirPrefix)
	if err != nil {
		return nil, err
	}
	lock, err := os.OpenFile(filepath.Join(path, runDirLock), os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600) //nolint:gosec // G304: just made
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil //nolint:nilnil // tells the caller to try again
	}
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(path))
	}
	r := &RunDir{path: path, lock: lock}
	if syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil && r.there() {
		return r, nil
	}
	return nil, lock.Close()
}

// there says whether the file that is locked is still the one at its path.
func (r *RunDir) there() bool {
	mine, err := r.lock.Stat()
	if err != nil {
		return false
	}
	seen, err := os.Stat(filepath.Join(r.path, runDirLock))
	return err == nil && os.SameFile(mine, seen)
}

// Path is the directory, absolute.
func (r *RunDir) Path() string { return r.path }

// Close removes the directory with all in it.
func (r *RunDir) Close() error { return errors.Join(os.RemoveAll(r.path), r.lock.Close()) }

// sweepRunDirs removes the directories of this user's hosts that have ended without doing so themselves. It is a
// courtesy: what it can't remove stays.
func sweepRunDirs(parent string) {
	entries, err := os.ReadDir(parent)
	if err != nil {
		return
	}
	for _, entry := range entries {
		path := filepath.Join(parent, entry.Name())
		if !entry.IsDir() || !strings.HasPrefix(entry.Name(), runDirPrefix) || !mine(path) {
			continue
		}
		sweepRunDir(path)
	}
}

func sweepRunDir(path string) {
	lock, err := os.OpenFile(filepath.Join(path, runDirLock), os.O_RDWR|syscall.O_NOFOLLOW, 0) //nolint:gosec // G304: a folder of this user's
	if err != nil {
		_ = os.Remove(path) // only when it is empty: its host was killed before it could lock it
		return
	}
	defer func() { _ = lock.Close() }()
	if syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil { // nobody holds it: its host is dead
		_ = os.RemoveAll(path)
	}
}

// mine says whether path is a directory of this user's.
func mine(path string) bool {
	info, err := os.Lstat(path)
	if err != nil || !info.IsDir() {
		return false
	}
	owner, ok := ownerOf(info)
	return ok && owner == os.Geteuid()
}
