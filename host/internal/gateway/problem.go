package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"time"

	"bulkhead.dev/host/internal/queue"
	"bulkhead.dev/host/internal/schema"
	"bulkhead.dev/host/internal/verify"
)

// Problem is the body of every refusal (RFC 9457, application/problem+json).
type Problem struct {
	// Type names the kind of problem, a URI reference below the host's own documentation.
	Type string `json:"type"`
	// Title is the same for each problem of the type.
	Title string `json:"title"`
	// Status repeats the HTTP status.
	Status int `json:"status"`
	// Detail is about this occurrence; it holds no secret and no path of the machine.
	Detail string `json:"detail,omitempty"`
	// RequestID is the id under which everything about the call is found.
	RequestID string `json:"request_id"`
	// JobID and StatusURL tell where the result will be, when a job was made.
	JobID     string `json:"job_id,omitempty"`
	StatusURL string `json:"status_url,omitempty"`
	// Errors lists faults of the body, each with a JSON pointer to it.
	Errors []ProblemField `json:"errors,omitempty"`

	// retryAfter becomes the Retry-After header, in whole seconds.
	retryAfter time.Duration
	// allow becomes the Allow header of a 405.
	allow string
}

// ProblemField is one fault of the body.
type ProblemField struct {
	// Pointer is a JSON pointer (RFC 6901) into the body; empty: the whole.
	Pointer string `json:"pointer"`
	Detail  string `json:"detail"`
}

// Error makes a Problem usable as an error inside the gateway.
func (p *Problem) Error() string { return p.Title + ": " + p.Detail }

// problem builds one of the problems the host answers with; kind is the last part of its type.
func problem(status int, kind, title, detail string) *Problem {
	return &Problem{Type: "urn:bulkhead:problem:" + kind, Title: title, Status: status, Detail: detail}
}

// toProblem is the one mapping of errors to HTTP.
func toProblem(err error) *Problem {
	var (
		ready   *Problem
		refusal *verify.Refusal
		syntax  *schema.SyntaxError
		tooBig  *http.MaxBytesError
	)
	switch {
	case errors.As(err, &ready):
		return ready
	case errors.As(err, &refusal):
		return problem(http.StatusUnauthorized, "signature", "The call is not signed as this route demands", refusal.Error())
	case errors.As(err, &syntax):
		return problem(http.StatusBadRequest, "malformed", "The body can't be read", syntax.Error())
	case errors.As(err, &tooBig):
		return tooLarge(tooBig.Limit)
	case errors.Is(err, queue.ErrFull):
		p := problem(http.StatusTooManyRequests, "overloaded", "Too much work is waiting", "the domain's queue is full; try again later")
		p.retryAfter = 5 * time.Second
		return p
	case errors.Is(err, queue.ErrUnavailable):
		p := problem(http.StatusServiceUnavailable, "queue-unavailable", "The queue can't be reached", "nothing was accepted; try again")
		p.retryAfter = 5 * time.Second
		return p
	case errors.Is(err, queue.ErrClosed):
		p := problem(http.StatusServiceUnavailable, "stopping", "The host stops", "nothing was accepted; try again")
		p.retryAfter = 5 * time.Second
		return p
	case errors.Is(err, context.Canceled):
		return callerGone()
	case errors.Is(err, queue.ErrNotFound):
		return problem(http.StatusNotFound, "unknown-job", "No such job", "the job never was, or its record has ended")
	default:
		return problem(http.StatusInternalServerError, "internal", "The host failed", "see the host's log under this request id")
	}
}

func notFound() *Problem {
	return problem(http.StatusNotFound, "no-route", "There is no such route", "see /readyz for the plugins that are there")
}

// notReady answers for a route that takes no calls now, so that the vendor tries again.
func notReady(why string) *Problem {
	p := problem(http.StatusServiceUnavailable, "not-configured", "The plugin is not ready to take this call", why)
	p.retryAfter = 30 * time.Second
	return p
}

// statusCallerGone is what logs and metrics show of a caller who hung up, as common proxies have it. Nobody gets it.
const statusCallerGone = 499

func callerGone() *Problem {
	return problem(statusCallerGone, "caller-gone", "The caller hung up", "before there was an answer")
}

func tooLarge(limit int64) *Problem {
	return problem(http.StatusRequestEntityTooLarge, "too-large", "The body is too large",
		fmt.Sprintf("this route takes %d bytes at most", limit))
}

func invalid(faults []schema.Fault) *Problem {
	p := problem(http.StatusUnprocessableEntity, "invalid", "The body does not have the declared shape",
		"each fault is listed with a JSON pointer to it")
	for _, fault := range faults {
		p.Errors = append(p.Errors, ProblemField{Pointer: fault.Pointer, Detail: fault.Message})
	}
	return p
}

// refuse answers with the problem that err is.
func (g *Gateway) refuse(w http.ResponseWriter, r *http.Request, err error) {
	p := *toProblem(err)
	p.RequestID = identityOf(r).id
	fields := g.fields(r, "method", r.Method, "path", r.URL.Path, "status", p.Status, "problem", p.Type)
	if p.Status >= http.StatusInternalServerError {
		g.log.Error("refused", append(fields, "error", err)...)
	} else {
		g.log.Info("refused", append(fields, "detail", p.Detail)...)
	}
	h := w.Header()
	if p.retryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(int(math.Ceil(p.retryAfter.Seconds()))))
	}
	if p.allow != "" {
		h.Set("Allow", p.allow)
	}
	if p.Status == http.StatusUnauthorized && h.Get("Www-Authenticate") == "" {
		h.Set("Www-Authenticate", "Bearer")
	}
	writeJSON(w, p.Status, "application/problem+json", p)
}

// writeJSON answers with v; what the caller did not take is nobody's fault, so the write's error is dropped.
func writeJSON(w http.ResponseWriter, status int, contentType string, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", contentType)
	w.WriteHeader(status)
	_, _ = w.Write(append(body, '\n'))
}
