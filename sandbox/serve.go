package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"time"

	"bulkhead.dev/sandbox/internal/creds"
	"bulkhead.dev/sandbox/internal/door"
	"bulkhead.dev/sandbox/internal/scene"
)

// farewell is how long calls that are being answered may take when the sandbox ends.
const farewell = 2 * time.Second

type streams struct {
	in  io.Reader
	out io.Writer
}

// settings is the flag that fixes what is random otherwise.
type settings struct {
	Settings string `help:"JSON file of the form of the ready line's \"settings\" whose values replace the random ones; - reads one JSON value from stdin." placeholder:"FILE"`
}

func (s settings) read(in io.Reader) (creds.Settings, io.Reader, error) {
	set := creds.Random()
	if s.Settings == "" {
		return set, in, nil
	}
	if s.Settings == "-" {
		// The decoder may read past the value; what it holds is given back, so that the end is still found.
		dec := json.NewDecoder(in)
		var one json.RawMessage
		if err := dec.Decode(&one); err != nil {
			return set, in, fmt.Errorf("settings on stdin: %w", err)
		}
		set, err := set.Override(one)
		return set, io.MultiReader(dec.Buffered(), in), err
	}
	raw, err := os.ReadFile(s.Settings)
	if err != nil {
		return set, in, fmt.Errorf("settings: %w", err)
	}
	set, err = set.Override(raw)
	return set, in, err
}

type serve struct {
	Listen string `help:"Loopback address to listen on; port 0 takes a free one." default:"127.0.0.1:0"`
	settings
}

// ready is the one line on stdout.
type ready struct {
	URL      string         `json:"url"`
	Settings creds.Settings `json:"settings"`
}

// Run serves until ctx ends or the end of stdin.
func (c *serve) Run(ctx context.Context, std *streams) error {
	host, _, err := net.SplitHostPort(c.Listen)
	if ip := net.ParseIP(host); err != nil || (host != "localhost" && (ip == nil || !ip.IsLoopback())) {
		return fmt.Errorf("--listen %s: a loopback address with a port, such as 127.0.0.1:0: the sandbox has no other guard", c.Listen)
	}
	set, in, err := c.read(std.in)
	if err != nil {
		return err
	}
	ctx, end := context.WithCancel(ctx)
	defer end()
	var lc net.ListenConfig
	ln, err := lc.Listen(ctx, "tcp", c.Listen)
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	url := "http://" + ln.Addr().String()
	set = set.At(url)
	srv := &http.Server{
		Handler:           door.New(set, url, time.Now),
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       2 * time.Minute, // longer than the longest wait, which ends itself
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		BaseContext:       func(net.Listener) context.Context { return ctx }, // waits and hangs end with the sandbox
	}
	served := make(chan error, 1)
	go func() { served <- srv.Serve(ln) }() // waited for below
	if err := json.NewEncoder(std.out).Encode(ready{url, set}); err != nil {
		_ = srv.Close()
		<-served //nolint:errcheck // after Close it says nothing new
		return fmt.Errorf("ready line: %w", err)
	}
	// Stdin is a lifeline: who started the sandbox holds the other end. A read of it can't be called off, so this
	// goroutine may outlive Run when a signal came first; it ends with the process.
	lifeline := make(chan struct{})
	go func() {
		defer close(lifeline)
		_, _ = io.Copy(io.Discard, in) // an error is an end, too
	}()
	select {
	case <-lifeline:
	case <-ctx.Done():
	case err := <-served:
		return fmt.Errorf("serve: %w", err)
	}
	end()
	bye, cancel := context.WithTimeout(context.WithoutCancel(ctx), farewell)
	defer cancel()
	if err := srv.Shutdown(bye); err != nil {
		_ = srv.Close() // they had their time
	}
	if err := <-served; !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve: %w", err)
	}
	return nil
}

type describe struct {
	settings
}

// Run prints the events.
func (c *describe) Run(std *streams) error {
	set, _, err := c.read(std.in)
	if err != nil {
		return err
	}
	raw, err := scene.Describe(set, time.Now())
	if err != nil {
		return err
	}
	if _, err := std.out.Write(raw); err != nil {
		return fmt.Errorf("write: %w", err)
	}
	return nil
}
