package admin

import (
	"fmt"
	"os"
	"path/filepath"
)

// maxPath is what fits into a socket's address on Linux (unix(7): sun_path has 108 bytes with the ending zero).
const maxPath = 107

// address returns a path for the socket in dir that fits; done must be called after bind or connect.
func address(dir string) (path string, done func(), err error) {
	path = filepath.Join(dir, socketName)
	if len(path) <= maxPath {
		return path, func() {}, nil
	}
	// Through the folder's descriptor every path is short.
	folder, err := os.Open(dir) //nolint:gosec // the node's own folder
	if err != nil {
		return "", nil, err
	}
	return fmt.Sprintf("/proc/self/fd/%d/%s", folder.Fd(), socketName), func() { _ = folder.Close() }, nil
}
