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
	// Note is kept in the state and answered.
	Note string `json:"note,omitempty"`
}

type answer struct {
	Note    string `json:"note"`
	Attempt int    `json:"attempt"`
	Starts  int    `json:"starts"`
	PID     int    `json:"pid"`
}

type probe struct{ notes state.KV[string] }

func main() {
	p := &probe{}
	sdk.Serve(&sdk.Domain{
		Name: "probe", Version: "1.0.0",
		Configure: sdk.Configure(func(_ context.Context, _ settings, host *sdk.Host) error {
			p.notes = state.KVOf[string](host.State, "note/")
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
		if err := p.notes.Put(ctx, job.ID, in.Note); err != nil {
			return answer{}, err
		}
	}
	note, _, err := p.notes.Get(ctx, job.ID)
	return answer{Note: note, Attempt: job.Attempt, Starts: job.Starts, PID: os.Getpid()}, err
}
