// Command host is Bulkhead's one door: it takes every call, queues it, and has the domains' plugins work on it.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"

	"bulkhead.dev/host/internal/config"
)

// Exit codes of the command, beside 0. The help text says them too.
const (
	exitFailed = 1 // the command could not be carried out, or the host failed while it ran
	exitConfig = 2 // the configuration or the command line is at fault: trying again changes nothing
)

const description = `Bulkhead: one door for webhooks and calls, isolated plugins behind it.

Without a configuration it runs a demo that shows what it does.

Exit codes: 0 done; 1 it could not be done; 2 the configuration or the command line is at fault.`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // the first signal drains; from then on the second ends the process as it always does
	code := run(ctx, os.Args[1:], os.Environ(), os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// console is what a command reads and writes.
type console struct {
	ctx      context.Context //nolint:containedctx // kong hands one value to a command's Run
	out, err io.Writer
	src      config.Source
}

// run is main without the process: it returns the exit code.
func run(ctx context.Context, args, environ []string, out, errw io.Writer) int {
	dir, err := os.Getwd()
	if err != nil {
		fmt.Fprintln(errw, err)
		return exitFailed
	}
	executable, err := os.Executable()
	if err != nil {
		fmt.Fprintln(errw, err)
		return exitFailed
	}
	code := 0
	exited := false
	parser, err := kong.New(&commands{}, kong.Name("host"), kong.UsageOnError(),
		kong.Description(description),
		kong.Writers(out, errw), kong.Exit(func(c int) { code, exited = c, true }))
	if err != nil {
		fmt.Fprintln(errw, err)
		return exitFailed
	}
	parsed, err := parser.Parse(args)
	if exited {
		return code
	}
	if err != nil {
		fmt.Fprintln(errw, "host:", err)
		return exitConfig
	}
	err = parsed.Run(&console{ctx: ctx, out: out, err: errw, src: config.Source{Environ: environ, Dir: dir, Executable: executable}})
	var faults config.Faults
	switch {
	case err == nil:
		return 0
	case errors.As(err, &faults):
		plural := "s"
		if len(faults) == 1 {
			plural = ""
		}
		fmt.Fprintf(errw, "host: the configuration has %d fault%s:\n%v\n", len(faults), plural, faults)
		return exitConfig
	default:
		fmt.Fprintln(errw, "host:", err)
		return exitFailed
	}
}
