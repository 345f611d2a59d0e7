package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// maxSecretBytes bounds what a file: reference reads.
const maxSecretBytes = 64 << 10

// references resolves env:NAME and file:PATH. A text is resolved once: what a reference yields is taken as it is, also
// when it looks like a reference, so that every value can be expressed.
type references struct {
	env map[string]string
}

// refuse is why a reference can't be resolved.
type refuse struct{ problem, mend string }

// isReference says whether text is meant to be one. file://... is a URL.
func isReference(text string) bool {
	return strings.HasPrefix(text, "env:") || strings.HasPrefix(text, "file:") && !strings.HasPrefix(text, "file://")
}

// resolve answers what text refers to, or text itself. A relative path begins at dir.
func (r references) resolve(text, dir string) (string, *refuse) {
	if !isReference(text) {
		return text, nil
	}
	if name, ok := strings.CutPrefix(text, "env:"); ok {
		return r.variable(name)
	}
	return readSecret(strings.TrimPrefix(text, "file:"), dir)
}

func (r references) variable(name string) (string, *refuse) {
	if !regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`).MatchString(name) {
		return "", &refuse{"what follows env: is no name of a variable", "write env:NAME, with letters, digits and underscores"}
	}
	switch value, ok := r.env[name]; {
	case !ok:
		return "", &refuse{fmt.Sprintf("the environment variable %s is not set", name), "set it for the host, or refer to another one"}
	case value == "":
		return "", &refuse{fmt.Sprintf("the environment variable %s is empty", name), "give it a value, or take the key out"}
	default:
		return value, nil
	}
}

// readSecret reads a file without the line end that editors leave behind.
func readSecret(path, dir string) (string, *refuse) {
	if path == "" {
		return "", &refuse{"file: names no file", "write file:PATH"}
	}
	full := absolute(path, dir)
	f, err := os.Open(full) //nolint:gosec // G304: the operator names the file.
	if err != nil {
		return "", &refuse{fmt.Sprintf("the file %s can't be read: %s", full, reason(err)), "name a file that the host's user can read"}
	}
	defer func() { _ = f.Close() }()
	if info, err := f.Stat(); err != nil || info.IsDir() {
		return "", &refuse{full + " is a folder", "name the file in it"}
	}
	data, err := readAll(f, maxSecretBytes)
	if err != nil {
		return "", &refuse{fmt.Sprintf("the file %s can't be read: %s", full, reason(err)), "name a file that holds the value alone"}
	}
	value := strings.TrimSuffix(strings.TrimSuffix(string(data), "\n"), "\r")
	if value == "" {
		return "", &refuse{fmt.Sprintf("the file %s is empty", full), "write the value into it, or take the key out"}
	}
	return value, nil
}

// reason is the core of an error of the file system, without the path that the message already has.
func reason(err error) string {
	var path *fs.PathError
	if errors.As(err, &path) {
		return path.Err.Error()
	}
	return err.Error()
}

// absolute makes path absolute, from dir on.
func absolute(path, dir string) string {
	if path == "" || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(dir, path)
}
