// Package runctx carries what the SDK's parts must know of the run on whose behalf they are called: its token, its
// ids, and whether the process may still act for it. The root package puts it into a handler's context; state and
// rest take it out. It knows neither the contract nor a transport.
package runctx

import "context"

// Run is one attempt of one job, as seen by the SDK's clients.
type Run struct {
	// Token names the run in state calls.
	Token string
	// Job is the job's id.
	Job string
	// Request is the request id that the gateway made; it goes out with each call to a vendor.
	Request string
	// Traceparent is the W3C trace context, or empty.
	Traceparent string
	// Live answers nil while the process may act for this run, else why not (its lease has ended). It may be nil.
	Live func() error
}

type key struct{}

// With returns a context that carries run.
func With(ctx context.Context, run Run) context.Context {
	return context.WithValue(ctx, key{}, run)
}

// From returns the run that ctx carries; false outside a handler.
func From(ctx context.Context) (Run, bool) {
	run, ok := ctx.Value(key{}).(Run)
	return run, ok
}

// Check answers why a call on behalf of ctx must not go out: the context's own error, or the end of the lease. A
// context without a run may act as long as it lives.
func Check(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return context.Cause(ctx)
	}
	if run, ok := From(ctx); ok && run.Live != nil {
		return run.Live()
	}
	return nil
}
