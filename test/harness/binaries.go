// Package harness runs the product as its users do: real binaries, real processes, real HTTP, and a real redis-server
// where a test asks for one. It looks at nothing but what the product shows outside.
package harness

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
)

// Binaries are the built programs.
type Binaries struct {
	// Host and Sandbox are paths.
	Host, Sandbox string
	// Plugins is a directory with the plugins of the product and the probe.
	Plugins string

	dir string
}

// built is made once a test process.
type built struct {
	once sync.Once
	bin  *Binaries
	err  error
}

// Builder builds the binaries when they are first asked for. The zero value is ready.
type Builder struct{ built built }

// Binaries returns the built programs; Remove them at the end.
func (b *Builder) Binaries() (*Binaries, error) {
	b.built.once.Do(func() { b.built.bin, b.built.err = build() })
	return b.built.bin, b.built.err
}

// Remove deletes what was built.
func (b *Builder) Remove() error {
	if b.built.bin == nil {
		return nil
	}
	return os.RemoveAll(b.built.bin.dir)
}

// build compiles everything into a directory of its own, so that a test never runs what was left from before. The build
// cache makes it cheap.
func build() (*Binaries, error) {
	dir, err := os.MkdirTemp("", "bulkhead-bin")
	if err != nil {
		return nil, err
	}
	bin := &Binaries{
		Host: filepath.Join(dir, "host"), Sandbox: filepath.Join(dir, "sandbox"),
		Plugins: filepath.Join(dir, "plugins"), dir: dir,
	}
	targets := map[string]string{bin.Host: "bulkhead.dev/host", bin.Sandbox: "bulkhead.dev/sandbox"}
	for _, name := range []string{"jira", "slack", "pipedrive", "peopleforce"} {
		targets[filepath.Join(bin.Plugins, name)] = "bulkhead.dev/plugins/" + name
	}
	targets[filepath.Join(bin.Plugins, "probe")] = "bulkhead.dev/test/probe"
	for out, pkg := range targets {
		cmd := exec.Command("go", "build", "-o", out, pkg) //nolint:noctx // bounded by the test's own time
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")    // as make plugins builds them
		if text, err := cmd.CombinedOutput(); err != nil {
			return nil, fmt.Errorf("build %s: %w\n%s", pkg, err, text)
		}
	}
	return bin, nil
}
