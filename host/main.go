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
	"time"

	"github.com/alecthomas/kong"

	"bulkhead.dev/host/internal/config"
)

// Exit codes of the command, beside 0. The help text says them too.
const (
	exitFailed = 1 // the command could not be carried out, or the host failed while it ran
	exitConfig = 2 // the configuration or the command line is at fault: trying again changes nothing
)

// echoTime is how long after the first signal a second one counts as the same.
const echoTime = time.Second

const description = `Bulkhead: one door for webhooks and calls, isolated plugins behind it.

Without a configuration it runs a demo that shows what it does.

Exit codes: 0 done; 1 it could not be done; 2 the configuration or the command line is at fault.`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// The first signal drains. A later one ends the process as it always does, but not the first one's echo: who sends to
	// the process and to its group, as timeout(1) does, means it once.
	context.AfterFunc(ctx, func() { time.AfterFunc(echoTime, stop) })
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
		fmt.Fprintln(errw, "host:", err)
		return exitFailed
	}
	executable, err := os.Executable()
	if err != nil {
		fmt.Fprintln(errw, "host:", err)
		return exitFailed
	}
	return command(ctx, config.Source{Environ: environ, Dir: dir, Executable: executable}, args, out, errw)
}

// command carries out one command line and returns its exit code.
func command(ctx context.Context, src config.Source, args []string, out, errw io.Writer) int {
	code, exited := 0, false
	parser, err := kong.New(&commands{}, kong.Name("host"), kong.Description(description),
		kong.Writers(out, errw), kong.Exit(func(c int) { code, exited = c, true }))
	if err != nil {
		fmt.Fprintln(errw, "host:", err)
		return exitFailed
	}
	parsed, err := parser.Parse(args)
	if exited { // --help
		return code
	}
	if err != nil {
		fmt.Fprintf(errw, "host: %v; see host --help\n", err)
		return exitConfig
	}
	err = parsed.Run(&console{ctx: ctx, out: out, err: errw, src: src})
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
