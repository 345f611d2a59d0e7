package supervisor

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"bulkhead.dev/sdk/wire"
)

// Binary is an executable file of the plugin directory, under the instance that it serves.
type Binary struct {
	Instance string
	Path     string
	// Chosen says that the operator named the file for this instance, so that their names need not fit.
	Chosen bool
}

// Discover lists the instances to run, in the order of their names: each executable of dir under its own name, and each
// instance for which chosen names a file of dir. A missing directory is empty. The second result says what was left out,
// and why: a plugin, or the whole directory when others than the host's user may write there.
func Discover(dir string, chosen map[string]string) ([]Binary, []error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		entries, err = nil, nil
	} else if err == nil {
		err = guardedDir(dir)
	}
	if err != nil {
		return nil, []error{fmt.Errorf("the plugin directory %w", pathless(err))}
	}
	var (
		found []Binary
		left  []error
	)
	for _, entry := range entries {
		name := entry.Name()
		if _, ok := chosen[name]; ok || name[0] == '.' || entry.IsDir() {
			continue // a chosen one is listed below, with the file that the operator named
		}
		if !wire.ValidName(name) {
			left = append(left, fmt.Errorf("%s: a plugin's file name must match [a-z][a-z0-9-]*", name))
			continue
		}
		found = append(found, Binary{Instance: name, Path: filepath.Join(dir, name)})
	}
	for instance, file := range chosen {
		found = append(found, Binary{Instance: instance, Path: filepath.Join(dir, filepath.Base(file)), Chosen: true})
	}
	found = slices.DeleteFunc(found, func(b Binary) bool {
		err := executable(b.Path)
		if err != nil {
			left = append(left, fmt.Errorf("%s: %w", b.Instance, pathless(err)))
		}
		return err != nil
	})
	slices.SortFunc(found, func(a, b Binary) int { return strings.Compare(a.Instance, b.Instance) })
	return found, left
}

// pathless takes the call and the path out of a system's error: both are said beside it.
func pathless(err error) error {
	var at *fs.PathError
	if errors.As(err, &at) {
		return at.Err
	}
	return err
}
