package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// figure names one measured value: a benchmark and a unit.
type figure struct{ bench, unit string }

// round holds the figures of one round.
type round map[figure]float64

const (
	// stageTime bounds one stage of one round.
	stageTime = 2 * time.Minute
	// stopTime is what a stage gets to end its processes in order.
	stopTime = 15 * time.Second
)

// measure runs each stage once a round. A stage that fails is told in the error; the others go on.
func measure(ctx context.Context, programs map[string]program, chosen []stage, rounds int) ([]round, error) {
	var all []round
	var errs []error
	for n := range rounds {
		r := round{}
		for _, s := range chosen {
			if ctx.Err() != nil {
				return all, errors.Join(append(errs, context.Cause(ctx))...)
			}
			began := time.Now()
			if err := s.run(ctx, programs[s.pkg], r); err != nil {
				errs = append(errs, fmt.Errorf("%s, round %d: %w", s.name, n+1, err))
			}
			progress("round %d of %d: %s took %.1f s", n+1, rounds, s.name, time.Since(began).Seconds())
		}
		all = append(all, r)
	}
	return all, errors.Join(errs...)
}

// run runs a stage and adds its figures.
func (s stage) run(ctx context.Context, p program, into round) error {
	ctx, cancel := context.WithTimeout(ctx, stageTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, p.path, "-test.run", "^$", "-test.bench", "^Benchmark"+s.bench+"$", // #nosec G204 -- built here
		"-test.benchtime", strconv.Itoa(s.times)+"x", "-test.timeout", stageTime.String())
	cmd.Dir = p.dir
	cmd.Env = append(os.Environ(), binariesEnv+"="+dirOf(p.path))
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = stopTime
	var problem strings.Builder
	cmd.Stderr = &problem
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	var rest []string
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		if name, values, ok := parse(lines.Text()); ok {
			for unit, value := range values {
				into[figure{name, unit}] = value
			}
			continue
		}
		rest = append(rest, lines.Text())
	}
	if err := cmd.Wait(); err != nil {
		return fmt.Errorf("%w\n%s%s", err, strings.Join(rest[max(0, len(rest)-40):], "\n"), &problem)
	}
	return lines.Err()
}

func dirOf(path string) string { return path[:strings.LastIndexByte(path, os.PathSeparator)] }

// parse reads a line of a benchmark's result: its name with -GOMAXPROCS, the number of operations, then values each
// with its unit (https://go.dev/design/14313-benchmark-format).
func parse(line string) (name string, values map[string]float64, ok bool) {
	fields := strings.Fields(line)
	if len(fields) < 4 || len(fields)%2 != 0 {
		return "", nil, false
	}
	name, ok = strings.CutPrefix(fields[0], "Benchmark")
	if !ok {
		return "", nil, false
	}
	name = strings.TrimSuffix(name, "-"+strconv.Itoa(runtime.GOMAXPROCS(0)))
	values = map[string]float64{}
	for i := 2; i < len(fields); i += 2 {
		value, err := strconv.ParseFloat(fields[i], 64)
		if err != nil {
			return "", nil, false
		}
		values[fields[i+1]] = value
	}
	return name, values, true
}
