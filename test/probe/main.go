// Command probe is the plugin of the end-to-end tests: each job says what the plugin is to do.
package main

import (
	"context"
	"errors"
	"os"
	"time"

	"bulkhead.dev/sdk"
	"bulkhead.dev/sdk/state"
)

type settings struct {
	Secret string `json:"secret" setting:"required,secret" description:"signs the events (X-Hub-Signature)"`
}

// order is what a job asks for.
type order struct {
	ID    string `json:"id,omitempty"`
	Key   string `json:"key,omitempty"`
	Sleep int    `json:"sleep_ms,omitempty" jsonschema:"minimum=0"`
	// Fail makes that many attempts fail.
	Fail int `json:"fail,omitempty"`
	// Reject ends the job for good.
	Reject bool `json:"reject,omitempty"`
	// Die ends the process in the middle of the job, at the given number of starts.
	Die int `json:"die,omitempty"`
	// Note is kept in the state, as a value, a cursor and a link, and answered.
	Note string `json:"note,omitempty"`
}

type answer struct {
	Note    string `json:"note"`
	Cursor  string `json:"cursor"`
	Link    string `json:"link"`
	Attempt int    `json:"attempt"`
	Starts  int    `json:"starts"`
	PID     int    `json:"pid"`
}

type probe struct {
	notes state.KV[string]
	last  state.Cursor[string]
	links state.Links
}

func main() {
	p := &probe{}
	sdk.Serve(&sdk.Domain{
		Name: "probe", Version: "1.0.0",
		Configure: sdk.Configure(func(_ context.Context, _ settings, host *sdk.Host) error {
			p.notes = state.KVOf[string](host.State, "note/")
			p.last, p.links = state.CursorOf[string](host.State, "last"), host.State.Links("note")
			return nil
		}),
		Policy: sdk.Policy{Concurrency: 64, MaxAttempts: 5, Backoff: 10 * time.Millisecond, MaxBackoff: 50 * time.Millisecond},
		Routes: []sdk.Route{
			{Path: "events", Verify: sdk.HubSignature("secret"), Dedup: []sdk.Source{sdk.Pointer("/id")}, Order: "/key", Handle: sdk.Answer(p.do)},
			{Path: "ask", Sync: true, Handle: sdk.Answer(p.do)},
			{Path: "hurry", Sync: true, Deadline: 500 * time.Millisecond, Handle: sdk.Answer(p.do)},
		},
	})
}

func (p *probe) do(ctx context.Context, job *sdk.Job, in order) (answer, error) {
	if in.Die >= job.Starts {
		os.Exit(7)
	}
	if in.Sleep > 0 {
		timer := time.NewTimer(time.Duration(in.Sleep) * time.Millisecond)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
			job.Log.Info("the run was ended", "cause", context.Cause(ctx))
			return answer{}, ctx.Err()
		}
	}
	if in.Reject {
		return answer{}, sdk.Reject(errors.New("asked to reject"))
	}
	if job.Attempt <= in.Fail {
		return answer{}, errors.New("asked to fail")
	}
	if in.Note != "" {
		err := errors.Join(p.notes.Put(ctx, job.ID, in.Note), p.last.Set(ctx, in.Note), p.links.Put(ctx, job.ID, in.Note, ""))
		if err != nil {
			return answer{}, err
		}
	}
	note, _, noteErr := p.notes.Get(ctx, job.ID)
	last, _, lastErr := p.last.Get(ctx)
	link, _, linkErr := p.links.Get(ctx, job.ID)
	return answer{
		Note: note, Cursor: last, Link: link.Target, Attempt: job.Attempt, Starts: job.Starts, PID: os.Getpid(),
	}, errors.Join(noteErr, lastErr, linkErr)
}
