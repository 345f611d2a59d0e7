package store

import "testing"

func TestNetworkFileSystemsAreTold(t *testing.T) {
	t.Parallel()
	for magic, want := range map[uint32]bool{
		0x6969: true, 0xff534d42: true, 0xfe534d42: true, 0x517b: true, 0x00c36400: true, // NFS, SMB, Ceph
		0xef53: false, 0x58465342: false, 0x01021994: false, 0x9123683e: false, // ext4, XFS, tmpfs, btrfs
	} {
		if kind, remote := magicName(magic); remote != want || kind == "" {
			t.Errorf("%#x: %s, remote %v", magic, kind, remote)
		}
	}
}
