package sdk

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"bulkhead.dev/sdk/internal/conformance"
)

// conformanceExit is the exit status of the reserved job that ends the process.
const conformanceExit = 3

// conformanceHandler answers the handler of a reserved job type, or nil.
func conformanceHandler(jobType string) *handler {
	switch jobType {
	case conformance.Echo:
		return Answer(func(_ context.Context, job *Job, _ []byte) (*Response, error) {
			return &Response{Body: job.Data, ContentType: job.ContentType}, nil
		}).handler
	case conformance.Envelope:
		return Answer(describeJob).handler
	case conformance.Sleep, conformance.Stubborn:
		return Answer(conformanceSleep).handler
	case conformance.Respond, conformance.Large:
		return Answer(conformanceRespond).handler
	case conformance.Emit:
		return Handle(func(_ context.Context, job *Job, in conformance.Order) error {
			for i := range in.Count {
				job.Emit(conformance.Fact, in, WithKey(strconv.Itoa(i)), WithSubject(in.Text))
			}
			return nil
		}).handler
	case conformance.Panic, conformance.Retry, conformance.Later, conformance.Vendor, conformance.Reject, conformance.Exit:
		return Handle(conformanceFail).handler
	}
	return nil
}

func conformanceFail(_ context.Context, job *Job, in conformance.Order) error {
	err := errors.New(in.Text)
	switch job.Type {
	case conformance.Panic:
		panic(in.Text)
	case conformance.Exit:
		os.Exit(conformanceExit)
	case conformance.Later:
		return RetryAfter(time.Duration(in.Millis)*time.Millisecond, err)
	case conformance.Vendor:
		return Vendor(err)
	case conformance.Reject:
		return Reject(err)
	}
	return err
}

func conformanceSleep(ctx context.Context, job *Job, in conformance.Order) (json.RawMessage, error) {
	ended := ctx.Done()
	if job.Type == conformance.Stubborn {
		ended = nil
	}
	timer := time.NewTimer(time.Duration(in.Millis) * time.Millisecond)
	defer timer.Stop()
	select {
	case <-timer.C:
		return job.Data, nil
	case <-ended:
		return nil, context.Cause(ctx)
	}
}

func conformanceRespond(_ context.Context, job *Job, in conformance.Order) (*Response, error) {
	if job.Type == conformance.Large {
		return &Response{ContentType: "text/plain", Body: []byte(strings.Repeat("x", max(in.Count, 0)))}, nil
	}
	return &Response{
		Status: in.Count, Headers: map[string]string{http.CanonicalHeaderKey("X-Conformance"): in.Text},
		ContentType: "text/plain", Body: []byte(in.Text),
	}, nil
}

func describeJob(ctx context.Context, job *Job, _ []byte) (conformance.Seen, error) {
	_, deadline := ctx.Deadline()
	return conformance.Seen{
		ID: job.ID, Type: job.Type, Source: job.Source, Subject: job.Subject, RequestID: job.RequestID,
		EventID: job.EventID, Attempt: job.Attempt, Starts: job.Starts, Headers: job.Headers, PathParams: job.PathParams,
		Query: job.Query, Who: job.Principal.Who, Roles: job.Principal.Roles, Deadline: deadline, Data: string(job.Data),
	}, nil
}
