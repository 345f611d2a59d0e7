package rest

import (
	"errors"
	"time"

	"github.com/cenkalti/backoff/v5"
)

// retry repeats an attempt that may be repeated, after a wait that the call can afford. What it gives up is returned as
// it is: its disposition brings the job back.
func (c *Client) retry(next roundTripper) roundTripper {
	return func(k *call) (*Response, error) {
		pace := &backoff.ExponentialBackOff{InitialInterval: c.config.Backoff, Multiplier: 2, RandomizationFactor: 0.5,
			MaxInterval: max(c.config.Backoff, c.config.MaxWait)}
		pace.Reset()
		for {
			k.attempt++
			response, err := next(k)
			failure := asError(err)
			if failure == nil {
				return response, err
			}
			failure.Attempts = k.attempt
			if k.attempt >= c.config.MaxAttempts || !again(k, failure) {
				return nil, err
			}
			wait := failure.RetryAfter
			if wait <= 0 {
				wait = min(pace.NextBackOff(), max(c.config.MaxWait, time.Nanosecond))
			}
			if !fits(k.ctx, wait, c.config.MaxWait) {
				return nil, err
			}
			if sleep(k.ctx, wait) != nil {
				return nil, err // what the vendor said tells more than the end of the wait
			}
		}
	}
}

// again says whether another attempt can help and can do no harm.
func again(k *call, failure *Error) bool {
	switch failure.sort() {
	case busy:
		return failure.Status == 429 || k.repeatable()
	case down:
		return failure.unsent || k.repeatable()
	default:
		return false
	}
}

// asError is the *Error that err is or wraps; nil if there is none.
func asError(err error) *Error {
	var failure *Error
	if errors.As(err, &failure) {
		return failure
	}
	return nil
}
