// Command sandbox stands in for the vendors that Bulkhead's plugins speak with, for the demo and the end-to-end tests.
//
//	sandbox serve      answers as Jira, Slack, Pipedrive and PeopleForce on one loopback port
//	sandbox describe   prints, as JSON, the events that can be sent to a host and what comes of them
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"
)

type commands struct {
	Serve    serve    `cmd:"" help:"Answer as the vendors on one loopback port, until stdin is at its end or a signal comes."`
	Describe describe `cmd:"" help:"Print the events that can be sent to a host, as JSON."`
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:])
	stop()
	os.Exit(code)
}

// run carries out one command line: 0 done, 1 failed, 2 not understood.
func run(ctx context.Context, args []string) int {
	var cmds commands
	parser, err := kong.New(&cmds, kong.Name("sandbox"), kong.UsageOnError(),
		kong.Description("Stand-ins of the vendors' APIs for Bulkhead's demo and end-to-end tests."), kong.BindTo(ctx, (*context.Context)(nil)))
	if err != nil {
		fmt.Fprintln(os.Stderr, "sandbox:", err)
		return 1
	}
	command, err := parser.Parse(args)
	if err != nil {
		fmt.Fprintln(os.Stderr, "sandbox:", err)
		return 2
	}
	if err := command.Run(&streams{in: os.Stdin, out: os.Stdout}); err != nil {
		fmt.Fprintln(os.Stderr, "sandbox:", err)
		return 1
	}
	return 0
}
