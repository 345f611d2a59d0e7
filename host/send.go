package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"bulkhead.dev/host/internal/admin"
	"bulkhead.dev/host/internal/demo"
	"bulkhead.dev/host/internal/gateway"
	"bulkhead.dev/host/internal/queue"
)

const (
	// sendTime bounds the whole of a send.
	sendTime = 60 * time.Second
	// effectsQuiet is how long nothing more must happen at the sandbox before send is content.
	effectsQuiet = 2 * time.Second
	maxAnswer    = 16 << 20
)

type sendCommand struct {
	target
	Event string `arg:"" optional:"" help:"Name of the event; without it, all are listed."`
}

// Run sends the event and follows it to its end.
func (s sendCommand) Run(c *console) error {
	ctx, cancel := context.WithTimeout(c.ctx, sendTime)
	defer cancel()
	client, err := s.dial(c)
	if err != nil {
		return err
	}
	var (
		info   hostInfo
		events []demo.Event
	)
	if err := errors.Join(client.Get(ctx, "/alive", &info), client.Get(ctx, "/events", &events)); err != nil {
		return err
	}
	if i := slices.IndexFunc(events, func(e demo.Event) bool { return e.Name == s.Event }); i >= 0 {
		return (&sending{out: c.out, client: client, info: info}).send(ctx, events[i])
	}
	w := tabwriter.NewWriter(c.out, 0, 4, 2, ' ', 0)
	for _, event := range events {
		fmt.Fprintf(w, "%s\t%s\t%s %s\n", event.Name, event.Title, event.Method, event.Path)
	}
	if err := w.Flush(); err != nil || s.Event == "" {
		return err
	}
	return fmt.Errorf("there is no event %q; those above are there", s.Event)
}

// sending is one event on its way.
type sending struct {
	out    io.Writer
	client *admin.Client
	info   hostInfo
}

func (s *sending) send(ctx context.Context, event demo.Event) error {
	request, err := event.Request()
	if err != nil {
		return err
	}
	proof := signed{Method: request.Method, Path: request.Path, Header: request.Header, Body: request.Body}
	if err := s.client.Post(ctx, "/sign", proof, &proof); err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, request.Method, s.info.URL+request.Path, bytes.NewReader(request.Body))
	if err != nil {
		return err
	}
	req.Header = proof.Header
	fmt.Fprintf(s.out, "→ %s %s  (%s, %d bytes)\n", request.Method, request.Path, event.Title, len(request.Body))
	start := time.Now()
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }() // read to its bound below
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return err
	}
	requestID := resp.Header.Get("X-Request-Id")
	fmt.Fprintf(s.out, "← %s in %s, request %s\n%s\n", resp.Status, time.Since(start).Round(time.Millisecond), requestID, indent(body))
	if resp.StatusCode != event.Expect.Status {
		return fmt.Errorf("expected %d %s", event.Expect.Status, event.Expect.Text)
	}
	var accepted struct {
		JobID string `json:"job_id"`
	}
	if json.Unmarshal(body, &accepted) != nil || accepted.JobID == "" {
		return s.effects(ctx, requestID)
	}
	status, err := s.follow(ctx, accepted.JobID)
	if err != nil {
		return err
	}
	// A repeat did what it did under the request id of the first delivery.
	if err := s.effects(ctx, status.RequestID); err != nil {
		return err
	}
	if queue.State(status.State) != queue.StateDone {
		return fmt.Errorf("the job %s is %s", status.ID, status.State)
	}
	return nil
}

// follow prints each state of the job until it has ended.
func (s *sending) follow(ctx context.Context, id string) (gateway.JobStatus, error) {
	last := ""
	for {
		var status gateway.JobStatus
		if err := s.client.Get(ctx, "/jobs/"+id, &status); err != nil {
			return status, err
		}
		if line := fmt.Sprintf("job %s: %s %s", id, status.State, status.Reason); line != last {
			fmt.Fprintln(s.out, strings.TrimSpace(line))
			last = line
		}
		if queue.State(status.State).Ended() {
			if status.Error != nil {
				fmt.Fprintf(s.out, "  %s: %s\n", status.Error.Source, status.Error.Message)
			}
			return status, nil
		}
		if err := sleep(ctx, 50*time.Millisecond); err != nil {
			return status, fmt.Errorf("job %s is still %s", id, status.State)
		}
	}
}

// effect is something that was done at the sandbox.
type effect struct {
	Seq     int64  `json:"seq"`
	Vendor  string `json:"vendor"`
	Method  string `json:"method"`
	Path    string `json:"path"`
	Status  int    `json:"status"`
	Summary string `json:"summary"`
	URL     string `json:"url"`
}

// effects prints what the request did at the sandbox, until nothing more comes.
func (s *sending) effects(ctx context.Context, requestID string) error {
	if s.info.SandboxURL == "" {
		return nil
	}
	fmt.Fprintln(s.out, "at the vendors (sandbox):")
	seen, quiet := int64(0), time.Now()
	for time.Since(quiet) < effectsQuiet {
		var effects []effect
		if err := fetch(ctx, s.info.SandboxURL+"/effects?request_id="+url.QueryEscape(requestID), &effects); err != nil {
			return err
		}
		for _, e := range effects {
			if e.Seq <= seen {
				continue
			}
			seen, quiet = e.Seq, time.Now()
			fmt.Fprintf(s.out, "  %-12s %-5s %s %d  %s  %s\n", e.Vendor, e.Method, e.Path, e.Status, e.Summary, e.URL)
		}
		if err := sleep(ctx, 100*time.Millisecond); err != nil {
			return err
		}
	}
	if seen == 0 {
		fmt.Fprintln(s.out, "  nothing")
	}
	return nil
}

func fetch(ctx context.Context, address string, out any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }() // bounded below
	return json.NewDecoder(io.LimitReader(resp.Body, maxAnswer)).Decode(out)
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// indent lays JSON out for reading; anything else stays as it is.
func indent(body []byte) string {
	var b bytes.Buffer
	if json.Indent(&b, bytes.TrimSpace(body), "  ", "  ") != nil {
		return "  " + string(body)
	}
	return "  " + b.String()
}
