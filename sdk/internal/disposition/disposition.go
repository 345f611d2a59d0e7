// Package disposition is the word by which an error tells how its job goes on. The root package and rest make such
// errors; the root package alone turns them into outcomes.
package disposition

import (
	"errors"
	"time"

	"bulkhead.dev/sdk/pluginv1"
)

// Disposition says how a job goes on after an error.
type Disposition struct {
	// Reject: never again; the job becomes a dead letter.
	Reject bool
	// After is the wait before the next attempt; 0: by policy.
	After time.Duration
	// Free: the attempt does not count.
	Free bool
	// Fault says whose fault it is; UNSPECIFIED counts as the plugin's.
	Fault pluginv1.Fault
}

// Of finds the disposition that err, or an error that it wraps, declares.
func Of(err error) (Disposition, bool) {
	var declared interface{ Disposition() Disposition }
	if errors.As(err, &declared) {
		return declared.Disposition(), true
	}
	return Disposition{}, false
}
