package rest

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"bulkhead.dev/sdk/internal/disposition"
	"bulkhead.dev/sdk/pluginv1"
)

// Error is a call that the vendor did not carry out, or whose answer is of no use. It decides by this table:
//
//	what                                         repeated inside the call    breaker    the job
//	429; 503 with Retry-After                    after a short wait (1)      -          retry then, free, fault vendor
//	5xx, 408, 421, 425; no connection, timeout,  if repeatable (2)           failure    retry by policy, fault vendor
//	cut off, no JSON where JSON was asked for
//	401, 402, 403, 407; Auth failed (3)          no                          answered   retry by policy, fault vendor
//	409, 412, 423 (4)                            no                          answered   retry by policy, fault vendor
//	3xx and other 4xx (5); too large; JSON that  no                          answered   reject, fault plugin
//	does not fit; a request that can't be made
//
// (1) Within Config.MaxWait; 429 with any method, since it says that nothing was done. A long wait becomes After.
// (2) Idempotent methods, an idempotency key, Request.Repeatable, or when no connection came about.
// (3) Settings that were good may stop being so: a token expires, a right is withdrawn, an account is not paid. An
// operator mends that at the vendor's, and the retries of the policy give the time; after them the dead letter can be
// replayed.
// (4) Somebody else changed the thing meanwhile: the next attempt reads it anew.
// (5) The same request will get the same answer.
//
// A handler that knows better wraps it: sdk.Reject, sdk.RetryAfter.
type Error struct {
	// Name of the vendor.
	Name string
	// Method and URL of the call; secrets are cut out of the URL.
	Method, URL string
	// Status of the answer; 0: there was none.
	Status int
	// Message is the vendor's own words, bounded, secrets cut out; may be empty.
	Message string
	// Header of the answer; may be nil.
	Header http.Header
	// Body is the beginning of the answer's, 16 KiB at most, as it came. It may hold personal data or secrets: decode it,
	// don't log it.
	Body []byte
	// RetryAfter is how long the vendor wants to be left alone; 0: it did not say. At most 24 h.
	RetryAfter time.Duration
	// RequestID is the gateway's id of the request that led to the call; it went out as X-Request-Id.
	RequestID string
	// Attempts of the call that were made.
	Attempts int
	// Err is the cause where it is not the status.
	Err error

	kind   kind
	unsent bool
}

// maxErrorBody bounds Error.Body.
const maxErrorBody = 16 << 10

// pauseUnsaid is when a job comes back after a 429 that names no time.
const pauseUnsaid = 10 * time.Second

func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s %s", e.Name, e.Method, e.URL)
	if e.Status != 0 {
		fmt.Fprintf(&b, ": %d %s", e.Status, http.StatusText(e.Status))
	}
	if e.Message != "" {
		b.WriteString(": " + e.Message)
	}
	if e.Err != nil {
		b.WriteString(": " + e.Err.Error())
	}
	if e.RetryAfter > 0 {
		fmt.Fprintf(&b, " (again in %s)", e.RetryAfter.Round(time.Second))
	}
	return b.String()
}

// Unwrap returns the cause, or nil.
func (e *Error) Unwrap() error { return e.Err }

// Disposition says how the job goes on: see Error.
func (e *Error) Disposition() disposition.Disposition {
	d := disposition.Disposition{Fault: pluginv1.Fault_FAULT_VENDOR}
	switch e.sort() {
	case busy:
		d.Free, d.After = true, e.RetryAfter
		or(&d.After, pauseUnsaid)
	case refused:
		d.Reject, d.Fault = true, pluginv1.Fault_FAULT_PLUGIN
	default: // by policy
	}
	return d
}

// kind is a row of the table.
type kind int

const (
	unsorted kind = iota
	busy
	down
	denied
	conflict
	refused
)

// sort finds the row. An error that a Check made has no kind of its own.
func (e *Error) sort() kind {
	if e.kind != unsorted {
		return e.kind
	}
	switch e.Status {
	case http.StatusTooManyRequests:
		return busy
	case http.StatusServiceUnavailable:
		if e.RetryAfter > 0 {
			return busy
		}
		return down
	case 0, http.StatusRequestTimeout, http.StatusMisdirectedRequest, http.StatusTooEarly:
		return down
	case http.StatusUnauthorized, http.StatusPaymentRequired, http.StatusForbidden, http.StatusProxyAuthRequired:
		return denied
	case http.StatusConflict, http.StatusPreconditionFailed, http.StatusLocked:
		return conflict
	}
	if e.Status >= http.StatusInternalServerError {
		return down
	}
	return refused
}

// NotNow is a call that did not go out because it would have had to wait too long. The job comes back after After and
// the attempt does not count.
type NotNow struct {
	// Name of the vendor.
	Name string
	// Method and URL of the call; secrets are cut out of the URL.
	Method, URL string
	// Reason, such as "the breaker is open".
	Reason string
	// After is how long to wait.
	After time.Duration
}

func (e *NotNow) Error() string {
	return fmt.Sprintf("%s: %s %s: not now: %s (again in %s)", e.Name, e.Method, e.URL, e.Reason, e.After.Round(time.Millisecond))
}

// Disposition brings the job back, free of cost.
func (e *NotNow) Disposition() disposition.Disposition {
	return disposition.Disposition{After: e.After, Free: true, Fault: pluginv1.Fault_FAULT_VENDOR}
}

// fault makes an error of the call.
func (c *Client) fault(k *call, kind kind, err error) *Error {
	return &Error{Name: c.config.Name, Method: k.request.Method, URL: k.shown, RequestID: k.run.Request,
		Attempts: k.attempt, Err: err, kind: kind}
}

func (c *Client) notNow(k *call, after time.Duration, format string, args ...any) *NotNow {
	return &NotNow{Name: c.config.Name, Method: k.request.Method, URL: k.shown, After: after,
		Reason: fmt.Sprintf(format, args...)}
}
