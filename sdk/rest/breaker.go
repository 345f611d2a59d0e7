package rest

import (
	"errors"
	"sync/atomic"
	"time"

	"github.com/sony/gobreaker/v2"
)

// halfOpenWait is when to come again while another call tries whether the vendor is back.
const halfOpenWait = time.Second

// breaker keeps calls from a vendor that is down: they would wait for its timeout, one slot each, and delay its return.
// What counts as a failure says the table at Error.
type breaker struct {
	client *Client
	cb     *gobreaker.CircuitBreaker[*Response]
	opened atomic.Int64 // Unix nanoseconds
}

func newBreaker(c *Client) *breaker {
	b := &breaker{client: c}
	b.cb = gobreaker.NewCircuitBreaker[*Response](gobreaker.Settings{
		Name:        c.config.Name,
		MaxRequests: 1,
		Timeout:     c.config.BreakFor,
		ReadyToTrip: func(counts gobreaker.Counts) bool {
			return int64(counts.ConsecutiveFailures) >= int64(c.config.BreakAfter)
		},
		OnStateChange: func(_ string, from, to gobreaker.State) {
			if to == gobreaker.StateOpen {
				b.opened.Store(time.Now().UnixNano())
			}
			c.config.Logger.Warn("breaker", "vendor", c.config.Name, "from", from.String(), "to", to.String())
		},
		IsSuccessful: func(err error) bool { return err == nil || sortOf(err) != down },
		IsExcluded: func(err error) bool { // it says nothing of the vendor's health
			return err != nil && (sortOf(err) == unsorted || sortOf(err) == busy)
		},
	})
	return b
}

// sortOf is the kind of an *Error; unsorted for others.
func sortOf(err error) kind {
	var failure *Error
	if errors.As(err, &failure) {
		return failure.sort()
	}
	return unsorted
}

func (b *breaker) step(next roundTripper) roundTripper {
	if b.client.config.BreakAfter < 0 {
		return next
	}
	return func(k *call) (*Response, error) {
		response, err := b.cb.Execute(func() (*Response, error) { return next(k) })
		switch {
		case errors.Is(err, gobreaker.ErrOpenState):
			left := b.client.config.BreakFor - time.Since(time.Unix(0, b.opened.Load()))
			return nil, b.client.notNow(k, max(left, halfOpenWait), "the breaker is open: %s failed %d times in a row",
				b.client.config.Name, b.client.config.BreakAfter)
		case errors.Is(err, gobreaker.ErrTooManyRequests):
			return nil, b.client.notNow(k, halfOpenWait, "the breaker lets one call try whether %s is back", b.client.config.Name)
		}
		return response, err
	}
}
