package sdk

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"

	"bulkhead.dev/sdk/internal/disposition"
	"bulkhead.dev/sdk/pluginv1"
	"bulkhead.dev/sdk/wire"

	"golang.org/x/net/http/httpguts"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
)

const (
	// maxReason bounds the text of a failure: it is kept with the job and shown.
	maxReason = 4 << 10
	// maxFaults bounds lists of faults.
	maxFaults = 20
)

// Response is the answer to the caller of a sync route, for handlers that need more than JSON with status 200. Make it
// the result type of Answer: Answer[T, *sdk.Response].
type Response struct {
	// Status; 0: 200.
	Status int
	// Headers by name.
	Headers map[string]string
	// ContentType of Body; empty: application/json.
	ContentType string
	// Body; empty: none.
	Body []byte
}

// ruled is an error that says how its job goes on.
type ruled struct {
	err  error
	rule disposition.Disposition
}

func (r *ruled) Error() string                        { return r.err.Error() }
func (r *ruled) Unwrap() error                        { return r.err }
func (r *ruled) Disposition() disposition.Disposition { return r.rule }

// Reject makes of err one after which the job is never tried again: it becomes a dead letter with err as its reason, and
// a waiting caller gets an error. nil stays nil.
func Reject(err error) error {
	return rule(err, func(d *disposition.Disposition) { d.Reject, d.After, d.Free = true, 0, false })
}

// RetryAfter makes of err one after which the job is tried again when d has passed, without costing an attempt: "not
// now", such as a vendor's 429. A d of 0 or less: by the policy's backoff. nil stays nil.
func RetryAfter(d time.Duration, err error) error {
	return rule(err, func(r *disposition.Disposition) { r.Reject, r.After, r.Free = false, max(d, 0), true })
}

// Vendor says that err is the vendor's fault and not the plugin's; it changes nothing else. nil stays nil.
func Vendor(err error) error {
	return rule(err, func(d *disposition.Disposition) { d.Fault = pluginv1.Fault_FAULT_VENDOR })
}

// rule lays one more statement over what err says already, so that Reject(Vendor(err)) says both.
func rule(err error, change func(*disposition.Disposition)) error {
	if err == nil {
		return nil
	}
	d, _ := disposition.Of(err)
	change(&d)
	return &ruled{err: err, rule: d}
}

// succeeded is the outcome of a handler that returned no error. What can't be sent is a fault that no repeat mends.
func succeeded(token string, result *Response, emits []*pluginv1.Emit) *pluginv1.Outcome {
	done := &pluginv1.Done{}
	if result != nil {
		if result.Status != 0 && (result.Status < http.StatusOK || result.Status > 599) {
			return rejected(token, fmt.Errorf("the answer's status %d is not between 200 and 599", result.Status))
		}
		for name, value := range result.Headers {
			if !validHeader(name, value) {
				return rejected(token, fmt.Errorf("the answer's header %q is not a valid header", valid(name)))
			}
		}
		if !utf8.ValidString(result.ContentType) {
			return rejected(token, errors.New("the answer's content type is not valid UTF-8"))
		}
		done = &pluginv1.Done{
			Data: result.Body, ContentType: result.ContentType, Status: clampInt32(result.Status), Headers: result.Headers,
		}
	}
	o := &pluginv1.Outcome{Token: token, Result: &pluginv1.Outcome_Done{Done: done}, Emits: emits}
	if size := proto.Size(o); size > wire.MaxOutcomeBytes {
		return rejected(token, fmt.Errorf("the result and the facts together are %d bytes; %d fit a message", size, wire.MaxOutcomeBytes))
	}
	return o
}

// failed is the outcome of err. ctx is the run's own context: when it has ended, the error tells of that and of nothing
// else, unless the handler ruled otherwise.
func failed(ctx context.Context, token string, err error) *pluginv1.Outcome {
	ended := ctx.Err()
	cause := context.Cause(ctx)
	d, ruled := disposition.Of(err)
	byContext := ended != nil && (errors.Is(err, ended) || errors.Is(err, cause))
	switch {
	case d.Reject && !byContext:
		return reject(token, err, d.Fault)
	case errors.Is(ended, context.DeadlineExceeded) && (byContext || !ruled):
		return retry(token, fmt.Errorf("the time of this attempt was over: %w", err), disposition.Disposition{Fault: d.Fault})
	case ended != nil && (byContext || !ruled):
		// The host took the run back (a cancel, the end of the lease, a stop): nobody failed.
		return retry(token, fmt.Errorf("interrupted: %w", err), disposition.Disposition{Free: true, Fault: pluginv1.Fault_FAULT_HOST})
	default:
		return retry(token, err, d)
	}
}

// rejected is the outcome of a fault of the plugin or of its payload that every attempt would meet again.
func rejected(token string, err error) *pluginv1.Outcome {
	return reject(token, err, pluginv1.Fault_FAULT_PLUGIN)
}

// postponed is the outcome of a job that this process can't do now for a reason that lies with the host.
func postponed(token string, err error) *pluginv1.Outcome {
	return retry(token, err, disposition.Disposition{Free: true, Fault: pluginv1.Fault_FAULT_HOST})
}

func reject(token string, err error, fault pluginv1.Fault) *pluginv1.Outcome {
	return &pluginv1.Outcome{Token: token, Result: &pluginv1.Outcome_Reject{Reject: &pluginv1.Reject{
		Reason: reason(err), Fault: faultOf(fault),
	}}}
}

func retry(token string, err error, d disposition.Disposition) *pluginv1.Outcome {
	m := &pluginv1.Retry{Reason: reason(err), Cost: pluginv1.Cost_COST_ATTEMPT, Fault: faultOf(d.Fault)}
	if d.Free {
		m.Cost = pluginv1.Cost_COST_NONE
	}
	if d.After > 0 {
		m.After = durationpb.New(d.After)
	}
	return &pluginv1.Outcome{Token: token, Result: &pluginv1.Outcome_Retry{Retry: m}}
}

func faultOf(f pluginv1.Fault) pluginv1.Fault {
	if f == pluginv1.Fault_FAULT_UNSPECIFIED {
		return pluginv1.Fault_FAULT_PLUGIN
	}
	return f
}

// reason is err as text that a message can carry: valid UTF-8, bounded, never empty.
func reason(err error) string {
	text := valid(err.Error())
	if text == "" {
		return fmt.Sprintf("an error of type %T without a text", err)
	}
	if len(text) <= maxReason {
		return text
	}
	const more = " [...]"
	cut := maxReason - len(more)
	for !utf8.RuneStart(text[cut]) {
		cut--
	}
	return text[:cut] + more
}

// validHeader says whether a header can be sent as it is (RFC 9110, section 5).
func validHeader(name, value string) bool {
	return httpguts.ValidHeaderFieldName(name) && httpguts.ValidHeaderFieldValue(value) && utf8.ValidString(value)
}

func valid(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }
