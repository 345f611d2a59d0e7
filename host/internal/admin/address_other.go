//go:build !linux

package admin

import (
	"fmt"
	"path/filepath"
)

// maxPath is what fits into a socket's address on the BSDs and macOS (unix(4): sun_path has 104 bytes).
const maxPath = 103

// address returns the path of the socket in dir.
func address(dir string) (path string, done func(), err error) {
	path = filepath.Join(dir, socketName)
	if len(path) > maxPath {
		return "", nil, fmt.Errorf("%s is too long for a socket's address (%d bytes at most); choose a shorter data directory", path, maxPath)
	}
	return path, func() {}, nil
}
