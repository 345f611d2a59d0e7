package supervisor

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// ownerOf is the user id of a file's owner.
func ownerOf(info fs.FileInfo) (int, bool) {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, false
	}
	return int(stat.Uid), true
}

// guarded refuses a file or directory that another user could change: whoever may write a plugin is the host's user in
// all but name. Root may, and so may the owner's private group, whose id is the owner's own (the usual umask of such
// systems is 002).
func guarded(info fs.FileInfo) error {
	mode := info.Mode()
	stat, ok := info.Sys().(*syscall.Stat_t)
	switch {
	case mode.Perm()&0o002 != 0 && mode&fs.ModeSticky == 0:
		return errors.New("is writable by everybody; chmod o-w it")
	case ok && stat.Uid != 0 && int(stat.Uid) != os.Geteuid():
		return fmt.Errorf("belongs to another user (%d); chown it to the host's or to root", stat.Uid)
	case ok && mode.Perm()&0o020 != 0 && mode&fs.ModeSticky == 0 && stat.Gid != stat.Uid:
		return errors.New("is writable by its group; chmod g-w it")
	}
	return nil
}

// guardedDir refuses a directory in which another user could put a file, or from which he could take one.
func guardedDir(dir string) error {
	dir, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return err
	}
	info, err := os.Stat(dir)
	if err != nil {
		return err
	}
	if mode := info.Mode(); mode&fs.ModeSticky != 0 && mode.Perm()&0o022 != 0 {
		return errors.New("is shared with others, who may put plugins there")
	}
	return guarded(info)
}

// Exposed names the first directory above dir that everybody may write, so that others could put another in dir's place;
// empty: there is none. A sticky directory such as /tmp keeps their hands off what is in it.
func Exposed(dir string) string {
	for dir = filepath.Dir(filepath.Clean(dir)); ; dir = filepath.Dir(dir) {
		info, err := os.Stat(dir)
		if err == nil && info.Mode().Perm()&0o002 != 0 && info.Mode()&fs.ModeSticky == 0 {
			return dir
		}
		if dir == filepath.Dir(dir) {
			return ""
		}
	}
}

// executable refuses what can't or may not be run.
func executable(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	switch {
	case !info.Mode().IsRegular():
		return errors.New("is no regular file")
	case info.Mode().Perm()&0o111 == 0:
		return errors.New("is not executable; chmod +x it")
	}
	return guarded(info)
}
