package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/hashicorp/go-hclog"
)

// prepareDir makes the data directory, or looks whether the one that is there can be trusted. The mode of a directory
// that somebody else made is not changed: it may be a volume, or the home directory. Our own files in it are private.
func prepareDir(dir string, log hclog.Logger) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("store: data directory: %w", err)
	}
	info, err := os.Stat(dir)
	if err != nil {
		return fmt.Errorf("store: data directory: %w", err)
	}
	switch mode := info.Mode().Perm(); {
	case mode&0o002 != 0:
		return fmt.Errorf("%w: %s has mode %04o, 0700 is meant", ErrUnsafeDir, dir, mode)
	case mode&0o077 != 0:
		log.Warn("the data directory is open to others than its owner", "dir", dir, "mode", fmt.Sprintf("%04o", mode),
			"mend", "chmod 700")
	}
	kind, remote, err := fileSystem(dir)
	switch {
	case err != nil:
		log.Warn("can't tell what file system the data directory is on", "dir", dir, "error", err)
	case remote:
		return fmt.Errorf("%w: %s is on %s; use a local disk", ErrNetworkFS, dir, kind)
	}
	if err := os.MkdirAll(filepath.Join(dir, nodesDir), 0o700); err != nil {
		return fmt.Errorf("store: data directory: %w", err)
	}
	return nil
}

// prepareFile makes the empty database file with mode 0600, before SQLite would make it by the umask (its companions take
// the mode of the file). It is called under the lock for opening, so that no connection of this process has the new file
// open when the descriptor is closed here.
func prepareFile(path string) error {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600) //nolint:gosec // the operator's own data directory
	if err == nil {
		return errors.Join(file.Close(), syncDir(filepath.Dir(path)))
	}
	if !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("store: database file: %w", err)
	}
	// By name, never by opening: closing a descriptor would drop the locks that another Store of this process holds.
	for _, suffix := range []string{"", "-wal", "-shm"} {
		info, err := os.Stat(path + suffix)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err == nil && info.Mode().Perm()&0o077 != 0 {
			err = os.Chmod(path+suffix, 0o600)
		}
		if err != nil {
			return fmt.Errorf("store: database file: %w", err)
		}
	}
	return nil
}

// syncDir makes the names in dir durable.
func syncDir(dir string) error {
	d, err := os.Open(dir) //nolint:gosec // the operator's own data directory
	if err != nil {
		return fmt.Errorf("store: data directory: %w", err)
	}
	if err := errors.Join(d.Sync(), d.Close()); err != nil {
		return fmt.Errorf("store: data directory: %w", err)
	}
	return nil
}
