// Package demo lets the host show its main job with nothing configured: it starts the sandbox, a program that stands
// in for the systems that plugins speak with, and reads from it which settings plugins get and what can be sent. What
// all of that means only the sandbox knows.
package demo

import (
	"bufio"
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

// Event is something that can be sent to the host, and what then happens.
type Event struct {
	Name        string            `json:"name"`
	Title       string            `json:"title"`
	Instance    string            `json:"instance"`
	Method      string            `json:"method"`
	Path        string            `json:"path"`
	Headers     map[string]string `json:"headers"`
	ContentType string            `json:"content_type"`
	// Body is JSON as it is sent, or a JSON string with the raw body.
	Body    json.RawMessage `json:"body"`
	Expect  Expect          `json:"expect"`
	Effects json.RawMessage `json:"effects"`
}

// Expect is the answer to an Event.
type Expect struct {
	Status int    `json:"status"`
	Text   string `json:"text"`
}

const (
	startTime = 10 * time.Second
	endTime   = 3 * time.Second
	maxReady  = 1 << 20
)

// Sandbox is the running child process. Close it.
type Sandbox struct {
	// URL is where it can be looked at.
	URL string
	// Settings are the settings that it has for each plugin.
	Settings map[string]json.RawMessage
	// Events are what can be sent.
	Events []Event

	cmd   *exec.Cmd
	stdin io.Closer
	done  chan struct{}
}

// Start runs the sandbox binary at path. Its secrets are made anew at each start. It ends with the host, however the
// host ends: its standard input is a pipe that only the host holds open.
func Start(ctx context.Context, path string, log hclog.Logger) (*Sandbox, error) {
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	described, err := exec.CommandContext(ctx, path, "describe").Output()
	if err != nil {
		return nil, fmt.Errorf("sandbox describe: %w", err)
	}
	s := &Sandbox{done: make(chan struct{})}
	if err := json.Unmarshal(described, &s.Events); err != nil {
		return nil, fmt.Errorf("sandbox describe: %w", err)
	}
	// The child outlives the start's context.
	s.cmd = exec.CommandContext(context.WithoutCancel(ctx), path, "serve")
	s.cmd.Env = []string{"PATH=" + os.Getenv("PATH")}
	s.cmd.Stderr = log.Named("sandbox").StandardWriter(&hclog.StandardLoggerOptions{ForceLevel: hclog.Info})
	detach(s.cmd)
	if s.stdin, err = s.cmd.StdinPipe(); err != nil {
		return nil, fmt.Errorf("sandbox: %w", err)
	}
	stdout, err := s.cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("sandbox: %w", err)
	}
	if err := s.cmd.Start(); err != nil {
		return nil, fmt.Errorf("sandbox: %w", err)
	}
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
		return nil, errors.Join(fmt.Errorf("sandbox: %w", err), s.Close())
	}
	return s, nil
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

// Find returns the event of that name.
func (s *Sandbox) Find(name string) (Event, bool) {
	for _, event := range s.Events {
		if event.Name == name {
			return event, true
		}
	}
	return Event{}, false
}
