package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// binariesEnv tells ./product where the product's programs are.
const binariesEnv = "BULKHEAD_BENCH_BINARIES"

// program is a package's benchmarks, built.
type program struct{ path, dir string }

// build compiles what the stages need into dir, and returns the programs by package.
func build(ctx context.Context, dir string, chosen []stage) (map[string]program, error) {
	if slices.ContainsFunc(chosen, func(s stage) bool { return s.product }) {
		if err := buildProduct(ctx, dir); err != nil {
			return nil, err
		}
	}
	programs := map[string]program{}
	for _, s := range chosen {
		if _, done := programs[s.pkg]; done {
			continue
		}
		progress("building the benchmarks of %s", s.pkg)
		path := filepath.Join(dir, fmt.Sprintf("%d.test", len(programs)))
		if _, err := goCommand(ctx, "test", "-c", "-o", path, s.pkg); err != nil {
			return nil, err
		}
		where, err := goCommand(ctx, "list", "-f", "{{.Dir}}", s.pkg)
		if err != nil {
			return nil, err
		}
		programs[s.pkg] = program{path: path, dir: strings.TrimSpace(where)}
	}
	return programs, nil
}

// buildProduct compiles the host, the sandbox, every plugin of the workspace and the example.
func buildProduct(ctx context.Context, dir string) error {
	progress("building the product")
	modules, err := goCommand(ctx, "list", "-m")
	if err != nil {
		return err
	}
	plugins := []string{"build", "-o", filepath.Join(dir, "plugins") + "/", "bulkhead.dev/examples/echo"}
	for module := range strings.FieldsSeq(modules) {
		if strings.HasPrefix(module, "bulkhead.dev/plugins/") {
			plugins = append(plugins, module)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "plugins"), 0o700); err != nil {
		return err
	}
	if _, err := goCommand(ctx, "build", "-o", dir+"/", "bulkhead.dev/host", "bulkhead.dev/sandbox"); err != nil {
		return err
	}
	_, err = goCommand(ctx, plugins...)
	return err
}

// goCommand runs the go command and returns what it printed.
func goCommand(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "go", args...) // #nosec G204 -- arguments of ours
	var problem strings.Builder
	cmd.Stderr = &problem
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("go %s: %w\n%s", strings.Join(args, " "), err, &problem)
	}
	return string(out), nil
}

func progress(format string, args ...any) { fmt.Fprintf(os.Stderr, "bench: "+format+"\n", args...) }
