// Command bench measures every stage of the product beside its floor and prints one table of ratios. `make bench` runs
// it.
//
// The benchmarks stand beside the code that they measure, and in ./product what only the real binaries show; stages.go
// says which figure is set beside which floor. They are built first, then run in rounds: what is compared was measured
// seconds apart, under the same load. The table shows the median of the rounds. Nothing is written but that table, on
// standard output, and what is going on, on standard error.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"regexp"
	"syscall"
)

func main() {
	chosen := flag.String("stages", ".", "stages to measure, a regular expression")
	rounds := flag.Int("rounds", 3, "how often each is measured")
	flag.Parse()
	if err := run(*chosen, *rounds); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(pattern string, rounds int) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	match, err := regexp.Compile(pattern)
	if err != nil {
		return fmt.Errorf("stages: %w", err)
	}
	if rounds < 1 {
		return errors.New("rounds: at least one")
	}
	var chosen []stage
	names := ""
	for _, s := range stages() {
		names += " " + s.name
		if match.MatchString(s.name) {
			chosen = append(chosen, s)
		}
	}
	if len(chosen) == 0 {
		return fmt.Errorf("no stage matches %q; there are%s", pattern, names)
	}
	dir, err := os.MkdirTemp("", "bulkhead-bench")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	built, err := build(ctx, dir, chosen)
	if err != nil {
		return err
	}
	all, err := measure(ctx, built, chosen, rounds)
	if len(all) > 0 {
		err = errors.Join(err, printTable(os.Stdout, chosen, all))
	}
	return err
}
