package sdk

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"bulkhead.dev/sdk/pluginv1"

	"github.com/hashicorp/go-hclog"
)

// maxEmits bounds the facts of one job; one that has more to say emits a fact that others page through.
const maxEmits = 1000

// Job is what a handler is told of its job besides the payload. It is good until the handler returns.
type Job struct {
	// ID is the same at every attempt: <instance>-<ULID>, or <instance>-<hash> where the event has an identity of its own.
	ID string
	// Type is the type that the route or subscription gave it.
	Type string
	// Source is webhook:<path>, interactive:<path> or job:<id of the job that emitted the fact>.
	Source string
	// Subject is the value of the ordering key, or empty.
	Subject string
	// RequestID is the id under which the gateway, the logs and the calls to vendors know the request.
	RequestID string
	// EventID is the vendor's own id of the delivery, or empty.
	EventID string
	// Fact is the type of the fact that the job was made from, or empty.
	Fact string
	// Query is the raw query string of the request.
	Query string
	// Time is when the host accepted it.
	Time time.Time
	// Deadline is when the context of this attempt ends; zero: it does not end by itself.
	Deadline time.Time
	// Attempt counts the attempts that counted, this one among them; begins with 1. Starts counts all.
	Attempt, Starts int
	// Headers are those that the route declared, by canonical name.
	Headers map[string]string
	// PathParams are the segments of the path that the route has in braces.
	PathParams map[string]string
	// Principal is who called, on routes for people; else its fields are empty.
	Principal Principal
	// Reply: a caller waits for the result.
	Reply bool
	// Traceparent is the W3C trace context, or empty.
	Traceparent string
	// ContentType and Data are the payload as it came.
	ContentType string
	Data        []byte
	// Log says with each line which job and request it is about.
	Log hclog.Logger

	mu     sync.Mutex
	facts  []string // that may be emitted
	texts  bool     // Data is, or was, a form or a query
	emits  []*pluginv1.Emit
	faults []error
}

// Principal is a person or program that the host has logged in.
type Principal struct {
	// Who is the name, such as an e-mail address.
	Who string
	// Roles are those that the host's configuration gives them.
	Roles []string
}

// EmitOption says more about one fact.
type EmitOption func(*pluginv1.Emit)

// WithKey gives the fact an identity within its job, so that a repeat of the job emits the same fact however many stand
// before it. Without it the fact's index counts. No two facts of a job may have the same key.
func WithKey(key string) EmitOption { return func(e *pluginv1.Emit) { e.Key = key } }

// WithSubject names what the fact is about; subscribers that declare no order of their own handle the facts of one
// subject one after another.
func WithSubject(subject string) EmitOption { return func(e *pluginv1.Emit) { e.Subject = subject } }

// Emit hands out a fact for other domains; data is marshalled as JSON at once. It goes out together with the job's
// success, and not at all when the handler returns an error or panics: that attempt is repeated or given up.
//
// The type must be one of Domain.Facts. Whatever is wrong with a fact ends the job as rejected with a reason, whatever
// the handler returns, for it is a fault of the plugin that no repeat mends. Emit may be called from several goroutines
// that end before the handler does.
func (j *Job) Emit(fact string, data any, options ...EmitOption) {
	e := &pluginv1.Emit{Type: fact}
	for _, option := range options {
		option(e)
	}
	raw, err := json.Marshal(data)
	j.mu.Lock()
	defer j.mu.Unlock()
	switch {
	case err != nil:
		err = fmt.Errorf("fact %s: %w", fact, err)
	case !slices.Contains(j.facts, fact):
		err = fmt.Errorf("fact %q is not among the facts that the domain declares (%s)", fact, listed(j.facts))
	case e.Key != "" && slices.ContainsFunc(j.emits, func(o *pluginv1.Emit) bool { return o.GetKey() == e.GetKey() }):
		err = fmt.Errorf("fact %s: the key %q was used before in this job", fact, e.GetKey())
	case len(j.emits) == maxEmits:
		err = fmt.Errorf("more than %d facts", maxEmits)
	}
	if err != nil {
		if len(j.faults) < maxFaults {
			j.faults = append(j.faults, err)
		}
		return
	}
	e.Data, e.Key, e.Subject = raw, valid(e.GetKey()), valid(e.GetSubject())
	j.emits = append(j.emits, e)
}

// emitted answers the facts, or what was wrong with them.
func (j *Job) emitted() ([]*pluginv1.Emit, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Clone(j.emits), errors.Join(j.faults...)
}

// newJob turns the contract's run into what handlers see.
func newJob(run *pluginv1.Run, facts []string, log hclog.Logger) *Job {
	m := run.GetJob()
	j := &Job{
		ID: m.GetId(), Type: m.GetType(), Source: m.GetSource(), Subject: m.GetSubject(), RequestID: m.GetRequestId(),
		EventID: m.GetEventId(), Fact: m.GetFact(), Query: m.GetQuery(), Attempt: int(run.GetAttempt()),
		Starts: int(run.GetStarts()), Headers: maps.Clone(m.GetHeaders()), PathParams: maps.Clone(m.GetPathParams()),
		Principal: Principal{Who: m.GetPrincipal().GetWho(), Roles: m.GetPrincipal().GetRoles()},
		Reply:     m.GetReply(), Traceparent: m.GetTraceparent(), ContentType: m.GetDatacontenttype(), Data: m.GetData(),
		Log:   log.With("job", m.GetId(), "request_id", m.GetRequestId(), "run", run.GetToken()),
		facts: facts,
	}
	if t := m.GetTime(); t != nil {
		j.Time = t.AsTime()
	}
	if t := run.GetDeadline(); t != nil {
		j.Deadline = t.AsTime()
	}
	return j
}

func listed(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}
