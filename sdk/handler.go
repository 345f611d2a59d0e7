package sdk

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"reflect"
	"runtime/debug"
	"strings"

	"bulkhead.dev/sdk/internal/conformance"
	"bulkhead.dev/sdk/internal/disposition"
	"bulkhead.dev/sdk/pluginv1"

	"github.com/hashicorp/go-hclog"
)

// Handler is a typed function made into one that the SDK can call; Handle and Answer make it.
type Handler struct{ *handler }

type handler struct {
	payload reflect.Type
	answers bool // has a result, so it may serve a sync route
	run     func(ctx context.Context, job *Job) (*Response, error)
}

// Handle wraps a function that does a job. T is the type of its payload: the JSON Schema that the host checks is
// derived from it. A field is optional when it is a pointer or has omitempty or omitzero in its tag; members that T
// does not know are allowed, and a json.RawMessage takes anything. As T itself json.RawMessage takes any JSON, and []byte whatever
// body comes. The fields of a form, and of the query of a GET, are the members of an object. They are texts: where the Go
// field is none, the text is read as JSON, a number as well as the whole object that some vendors put into one field.
func Handle[T any](fn func(ctx context.Context, job *Job, in T) error) Handler {
	return Handler{&handler{
		payload: reflect.TypeFor[T](),
		run: func(ctx context.Context, job *Job) (*Response, error) {
			var in T
			if err := decodePayload(job, &in); err != nil {
				return nil, err
			}
			return nil, fn(ctx, job, in)
		},
	}}
}

// Answer wraps a function that does a job and has a result, which the caller of a sync route gets and the job's status
// shows. R is marshalled as JSON; a Response or *Response is taken as it is. T is as with Handle.
func Answer[T, R any](fn func(ctx context.Context, job *Job, in T) (R, error)) Handler {
	return Handler{&handler{
		payload: reflect.TypeFor[T](),
		answers: true,
		run: func(ctx context.Context, job *Job) (*Response, error) {
			var in T
			if err := decodePayload(job, &in); err != nil {
				return nil, err
			}
			out, err := fn(ctx, job, in)
			if err != nil {
				return nil, err
			}
			return response(out)
		},
	}}
}

func response(out any) (*Response, error) {
	switch r := out.(type) {
	case *Response:
		return r, nil
	case Response:
		return &r, nil
	}
	body, err := json.Marshal(out)
	if err != nil {
		return nil, Reject(fmt.Errorf("the result: %w", err))
	}
	return &Response{Body: body}, nil
}

// The seam to the runtime (serve.go): manifest, configure and run.

// configure takes the settings; no error means that the domain handles jobs from now on.
func (d *Domain) configure(ctx context.Context, req *pluginv1.ConfigureRequest, host *Host) (faults []*pluginv1.FieldError) {
	if host.Log == nil {
		host.Log = hclog.NewNullLogger()
	}
	d.setHost(nil, host.Log)
	defer func() {
		if p := recover(); p != nil {
			host.Log.Error("configure panicked", "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			faults = fieldErrors(fmt.Errorf("the plugin panicked while it was configured: %v", p))
		}
	}()
	apply := d.Configure.apply
	if apply == nil {
		apply = func(_ context.Context, raw []byte, _ *Host) error { return decodeSettings(raw, &struct{}{}) }
	}
	if err := apply(ctx, req.GetSettings(), host); err != nil {
		return fieldErrors(err)
	}
	d.setHost(host, host.Log)
	return nil
}

// run does one attempt. It always answers: a panic, a payload that does not fit and an unknown type are outcomes too.
// ctx carries a runctx.Run and ends with the run's deadline, a cancel, the lease or the process: that is the worker's
// matter.
func (d *Domain) run(ctx context.Context, run *pluginv1.Run) (out *pluginv1.Outcome) {
	token, jobType := run.GetToken(), run.GetJob().GetType()
	built, err := d.assemble()
	if err != nil {
		return postponed(token, fmt.Errorf("the plugin's manifest is at fault: %w", err))
	}
	host, log := d.configured()
	h, facts := built.handlers[jobType].handler, d.Facts
	switch {
	case strings.HasPrefix(jobType, conformance.Prefix) && os.Getenv(conformance.Env) != "":
		// The suite knows no settings of the plugin, so the reserved jobs need none.
		h, facts = conformanceHandler(jobType), []string{conformance.Fact}
	case host == nil:
		return postponed(token, errors.New("the plugin is not configured"))
	}
	if h == nil {
		return rejected(token, fmt.Errorf("the plugin has no handler for jobs of type %q", jobType))
	}

	job := newJob(run, facts, log)
	job.texts = built.handlers[jobType].texts
	defer func() {
		if p := recover(); p != nil {
			job.Log.Error("the handler panicked", "type", job.Type, "attempt", job.Attempt,
				"panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			out = retry(token, fmt.Errorf("panic: %v", p), disposition.Disposition{})
		}
	}()
	result, err := h.run(ctx, job)
	emits, faulty := job.emitted()
	switch {
	case faulty != nil:
		return rejected(token, errors.Join(faulty, err))
	case err != nil:
		return failed(ctx, token, err)
	}
	return succeeded(token, result, emits)
}

// configured answers the host, nil while there is none, and a logger in any case.
func (d *Domain) configured() (*Host, hclog.Logger) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	if d.log == nil {
		return d.host, hclog.New(&hclog.LoggerOptions{JSONFormat: true, Output: os.Stderr})
	}
	return d.host, d.log
}

func (d *Domain) setHost(host *Host, log hclog.Logger) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.host, d.log = host, log
}
