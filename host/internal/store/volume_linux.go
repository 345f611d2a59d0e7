package store

import (
	"fmt"
	"syscall"
)

// fileSystem tells the kind of the file system under path, and whether other machines may be behind it.
func fileSystem(path string) (kind string, remote bool, err error) {
	var info syscall.Statfs_t
	if err := syscall.Statfs(path, &info); err != nil {
		return "", false, fmt.Errorf("statfs: %w", err)
	}
	kind, remote = magicName(uint32(info.Type)) //nolint:gosec // the magic is 32 bits wide on every architecture
	return kind, remote, nil
}

// magicName names the file systems that several machines can share (statfs(2)). FUSE and 9P are let in: they carry
// local directories into containers and virtual machines as often as remote ones, and cannot be told apart here; where
// they lack shared memory SQLite itself refuses WAL.
func magicName(magic uint32) (kind string, remote bool) {
	switch magic {
	case 0x6969:
		return "NFS", true
	case 0x517b, 0xff534d42, 0xfe534d42:
		return "SMB", true
	case 0x00c36400:
		return "Ceph", true
	case 0x0bd00bd0:
		return "Lustre", true
	case 0x5346414f, 0x6b414653:
		return "AFS", true
	case 0x73757245:
		return "Coda", true
	case 0x01161970:
		return "GFS2", true
	case 0x7461636f:
		return "OCFS2", true
	}
	return fmt.Sprintf("file system %#x", magic), false
}
