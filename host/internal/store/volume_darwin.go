package store

import (
	"fmt"
	"syscall"
)

// mntLocal is MNT_LOCAL of sys/mount.h: the file system is stored on this machine.
const mntLocal = 0x00001000

// fileSystem tells the kind of the file system under path, and whether it is stored elsewhere.
func fileSystem(path string) (kind string, remote bool, err error) {
	var info syscall.Statfs_t
	if err := syscall.Statfs(path, &info); err != nil {
		return "", false, fmt.Errorf("statfs: %w", err)
	}
	var name []byte
	for _, c := range info.Fstypename {
		if c == 0 {
			break
		}
		name = append(name, byte(c))
	}
	return string(name), info.Flags&mntLocal == 0, nil
}
