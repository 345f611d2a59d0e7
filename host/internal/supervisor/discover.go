package supervisor

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sort"

	"bulkhead.dev/sdk/wire"
)

// Binary is an executable file of the plugin directory, under the instance that it serves.
type Binary struct {
	Instance string
	Path     string
}

// Discover lists the instances to run: each executable of dir under its own name, and each configured instance that
// names its binary. A missing directory is empty. The second result says what was left out, and why.
func Discover(dir string, binaries map[string]string) ([]Binary, []error) {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, []error{fmt.Errorf("read the plugin directory: %w", err)}
	}
	var (
		found []Binary
		left  []error
	)
	for _, entry := range entries {
		name := entry.Name()
		if name[0] == '.' || entry.IsDir() {
			continue
		}
		if _, configured := binaries[name]; configured {
			continue // listed below, with the binary that the operator chose
		}
		if !wire.ValidName(name) {
			left = append(left, fmt.Errorf("%s: a plugin's file name must match [a-z][a-z0-9-]*", name))
			continue
		}
		found = append(found, Binary{Instance: name, Path: filepath.Join(dir, name)})
	}
	for instance, file := range binaries {
		found = append(found, Binary{Instance: instance, Path: filepath.Join(dir, filepath.Base(file))})
	}
	runnable := found[:0]
	for _, b := range found {
		if err := executable(b.Path); err != nil {
			left = append(left, fmt.Errorf("%s: %w", b.Instance, err))
			continue
		}
		runnable = append(runnable, b)
	}
	sort.Slice(runnable, func(i, j int) bool { return runnable[i].Instance < runnable[j].Instance })
	return runnable, left
}

// executable refuses what may not be run: whoever may write a plugin is the host's user in all but name.
func executable(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	switch mode := info.Mode(); {
	case !mode.IsRegular():
		return errors.New("is no regular file")
	case mode.Perm()&0o111 == 0:
		return errors.New("is not executable; chmod +x it")
	case mode.Perm()&0o022 != 0:
		return errors.New("is writable by others; chmod go-w it")
	}
	return nil
}
