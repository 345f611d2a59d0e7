// Package demo lets the host show its main job with nothing configured: it starts the sandbox, a program that stands
// in for the systems that plugins speak with, and reads from it which settings plugins get and what can be sent. What
// all of that means only the sandbox knows.
package demo

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"time"

	"github.com/hashicorp/go-hclog"
)

const (
	startTime = 10 * time.Second
	endTime   = 3 * time.Second
	// Bounds of what the sandbox says of itself.
	maxReady    = 1 << 20
	maxDescribe = 16 << 20
)

// Sandbox is the running child process. Close it.
type Sandbox struct {
	// URL is where it can be looked at.
	URL string
	// Settings are the settings that it has for each plugin, new at each start.
	Settings map[string]json.RawMessage
	// Events are what can be sent, the most telling ones first.
	Events []Event

	cmd   *exec.Cmd
	stdin io.Closer
	done  chan struct{}
}

// Start runs the sandbox binary at path. It ends with the host, however the host ends: its standard input is a pipe that
// only the host holds open. ctx bounds the start alone.
func Start(ctx context.Context, path string, log hclog.Logger) (*Sandbox, error) {
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	s := &Sandbox{done: make(chan struct{})}
	var err error
	if s.Events, err = describe(ctx, path); err != nil {
		return nil, err
	}
	if err := s.serve(ctx, path, log.Named("sandbox")); err != nil {
		return nil, fmt.Errorf("sandbox serve: %w", err)
	}
	return s, nil
}

func environment() []string { return []string{"PATH=" + os.Getenv("PATH")} }

// describe asks what can be sent.
func describe(ctx context.Context, path string) ([]Event, error) {
	cmd := exec.CommandContext(ctx, path, "describe")
	var out, said limited
	out.room, said.room = maxDescribe, 1<<10
	cmd.Env, cmd.Stdout, cmd.Stderr, cmd.WaitDelay = environment(), &out, &said, endTime
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("sandbox describe: %w %s", err, bytes.TrimSpace(said.Bytes()))
	}
	var events []Event
	if err := json.Unmarshal(out.Bytes(), &events); err != nil {
		return nil, fmt.Errorf("sandbox describe: %w", err)
	}
	for _, event := range events {
		if err := event.check(); err != nil {
			return nil, fmt.Errorf("sandbox describe: %w", err)
		}
	}
	return events, nil
}

// limited keeps the first bytes that are written to it.
type limited struct {
	bytes.Buffer
	room int
}

func (l *limited) Write(p []byte) (int, error) {
	n := min(len(p), l.room)
	l.room -= n
	_, _ = l.Buffer.Write(p[:n]) // never fails (bytes.Buffer)
	return len(p), nil
}

// serve starts the process that stays, and waits for the line that says that it is ready.
func (s *Sandbox) serve(ctx context.Context, path string, log hclog.Logger) error {
	// The child outlives the start's context.
	s.cmd = exec.CommandContext(context.WithoutCancel(ctx), path, "serve")
	s.cmd.Env = environment()
	s.cmd.Stderr = log.StandardWriter(&hclog.StandardLoggerOptions{ForceLevel: hclog.Info})
	s.cmd.WaitDelay = endTime // for a descendant that holds stderr
	detach(s.cmd)
	stdin, err := s.cmd.StdinPipe()
	if err != nil {
		return err
	}
	stdout, err := s.cmd.StdoutPipe()
	if err != nil {
		return errors.Join(err, stdin.Close())
	}
	if err := s.cmd.Start(); err != nil {
		return err
	}
	s.stdin = stdin
	ready := make(chan error, 1)
	go func() {
		defer close(s.done)
		reader := bufio.NewReader(stdout)
		ready <- s.readReady(reader)
		_, _ = io.Copy(io.Discard, reader) // until it ends
		if err := s.cmd.Wait(); err != nil {
			log.Warn("the sandbox ended", "error", err)
		}
	}()
	select {
	case err = <-ready:
	case <-ctx.Done():
		err = errors.New("it did not say that it is ready in time")
	}
	if err != nil {
		return errors.Join(err, s.Close())
	}
	return nil
}

// readReady reads the one line that says where the sandbox is and what plugins need to reach it.
func (s *Sandbox) readReady(r io.Reader) error {
	var line struct {
		URL      string                     `json:"url"`
		Settings map[string]json.RawMessage `json:"settings"`
	}
	if err := json.NewDecoder(io.LimitReader(r, maxReady)).Decode(&line); err != nil {
		return fmt.Errorf("its first line: %w", err)
	}
	s.URL, s.Settings = line.URL, line.Settings
	return nil
}

// Close ends the sandbox and waits for it.
func (s *Sandbox) Close() error {
	_ = s.stdin.Close() // its end-of-file is the request to end
	timer := time.NewTimer(endTime)
	defer timer.Stop()
	select {
	case <-s.done:
		return nil
	case <-timer.C:
	}
	if err := s.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("sandbox: %w", err)
	}
	<-s.done
	return nil
}
