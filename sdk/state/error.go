package state

import (
	"context"
	"errors"
	"fmt"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"bulkhead.dev/sdk/internal/disposition"
	"bulkhead.dev/sdk/pluginv1"
)

var (
	// ErrConflict says that a precondition of a write did not hold and nothing was written. The error is a *ConflictError,
	// which says which. Read again and decide anew.
	ErrConflict = errors.New("state: precondition failed")
	// ErrStale says that the host no longer lets this run write or read, because it ended, was taken over, or its process
	// was replaced. The handler should return; whatever it answers is not counted.
	ErrStale = errors.New("state: the run is over")
	// ErrBusy says that another run is about to create the same thing. The error is a *BusyError.
	ErrBusy = errors.New("state: another run is at it")
)

// ConflictError says which preconditions did not hold. It unwraps to ErrConflict.
type ConflictError struct {
	// Op is the call.
	Op string
	// Indexes of the writes of the batch whose preconditions failed, in order; {0} for a single write.
	Indexes []int
}

func (e *ConflictError) Error() string {
	return fmt.Sprintf("%s: %v (writes %v)", e.Op, ErrConflict, e.Indexes)
}

// Unwrap returns ErrConflict.
func (e *ConflictError) Unwrap() error { return ErrConflict }

// Error is a call that the host did not carry out. The gRPC code decides how the job goes on:
//
//	code                                            meaning                      the job
//	Aborted, Unauthenticated                        the run or process is over   retry, free (unwraps to ErrStale)
//	InvalidArgument, OutOfRange, Unimplemented,     asked wrongly or too much    reject, fault plugin
//	ResourceExhausted
//	all others (Unavailable, DeadlineExceeded, ...) the host is in trouble       retry by policy, fault host
//
// The context's own end and the end of the lease are no *Error: they come out as they are.
type Error struct {
	// Op is the call.
	Op string
	// Code is the host's.
	Code codes.Code
	// Err is the cause.
	Err error
}

func (e *Error) Error() string { return e.Op + ": " + e.Err.Error() }

// Unwrap returns the cause.
func (e *Error) Unwrap() []error {
	if e.stale() {
		return []error{ErrStale, e.Err}
	}
	return []error{e.Err}
}

func (e *Error) stale() bool { return e.Code == codes.Aborted || e.Code == codes.Unauthenticated }

// Disposition says how the job goes on: see Error.
func (e *Error) Disposition() disposition.Disposition {
	switch e.Code {
	case codes.Aborted, codes.Unauthenticated:
		return disposition.Disposition{Free: true, Fault: pluginv1.Fault_FAULT_HOST}
	case codes.InvalidArgument, codes.OutOfRange, codes.Unimplemented, codes.ResourceExhausted:
		return disposition.Disposition{Reject: true, Fault: pluginv1.Fault_FAULT_PLUGIN}
	default:
		return disposition.Disposition{Fault: pluginv1.Fault_FAULT_HOST}
	}
}

// failed gives the error of a call its meaning.
func failed(ctx context.Context, op string, err error) error {
	if ctx.Err() != nil { // the run's own end is not the host's fault, whatever gRPC makes of it
		return fmt.Errorf("%s: %w", op, context.Cause(ctx))
	}
	s, ok := status.FromError(err)
	if !ok { // refused before it went out: the lease has ended
		return fmt.Errorf("%s: %w", op, err)
	}
	return &Error{Op: op, Code: s.Code(), Err: err}
}

// malformed is an answer that breaks the contract.
func malformed(op, what string, got, want int) error {
	return &Error{Op: op, Code: codes.Internal, Err: fmt.Errorf("the host sent %d %s, want %d", got, what, want)}
}

// invalid is a call that can't go out as it is: the plugin's fault, at every attempt anew.
func invalid(op, format string, args ...any) error {
	return &Error{Op: op, Code: codes.InvalidArgument, Err: fmt.Errorf(format, args...)}
}
