package rest

import (
	"fmt"
	"maps"

	"bulkhead.dev/sdk/internal/runctx"
)

// roundTripper carries a call on. Unlike net/http's it answers a status that is not 2xx with an *Error, and its response
// holds the whole body: nothing is left to close.
type roundTripper func(*call) (*Response, error)

// chain puts the steps together, in the order of the package's doc.
func (c *Client) chain() roundTripper {
	next := roundTripper(c.send)
	for _, step := range []func(roundTripper) roundTripper{ // innermost first
		c.authorize, c.identify, newSlots(c).step, newLimit(c).step, newBreaker(c).step, c.lease, c.confine, c.journal, c.retry,
	} {
		next = step(next)
	}
	return next
}

// confine refuses a URL of another origin: a link that a vendor, or somebody in its name, put into an answer must not
// draw the credentials elsewhere.
func (c *Client) confine(next roundTripper) roundTripper {
	return func(k *call) (*Response, error) {
		if k.url.Scheme != c.base.Scheme || k.url.Host != c.base.Host || k.url.User != nil {
			return nil, c.fault(k, refused, fmt.Errorf("the URL is not of %s://%s", c.base.Scheme, c.base.Host))
		}
		return next(k)
	}
}

// lease refuses what a run may no longer do.
func (c *Client) lease(next roundTripper) roundTripper {
	return func(k *call) (*Response, error) {
		if err := runctx.Check(k.ctx); err != nil {
			return nil, c.ended(k, err)
		}
		return next(k)
	}
}

// identify says who calls and on whose behalf, so that a call can be followed from the gateway to the vendor's log.
func (c *Client) identify(next roundTripper) roundTripper {
	return func(k *call) (*Response, error) {
		header := c.config.Header.Clone()
		if header == nil {
			header = map[string][]string{}
		}
		header.Set("User-Agent", c.config.UserAgent)
		if k.run.Request != "" {
			header.Set("X-Request-Id", k.run.Request)
		}
		if k.run.Traceparent != "" {
			header.Set("Traceparent", k.run.Traceparent)
		}
		if k.request.ContentType != "" {
			header.Set("Content-Type", k.request.ContentType)
		}
		if k.request.IdempotencyKey != "" {
			header.Set(c.config.IdempotencyHeader, k.request.IdempotencyKey)
		}
		maps.Copy(header, k.request.Header)
		k.header = header
		return next(k)
	}
}

// ended is the error of a run that may not go on: no vendor's fault, so it is no *Error.
func (c *Client) ended(k *call, err error) error {
	return fmt.Errorf("%s: %s %s: %w", c.config.Name, k.request.Method, k.shown, err)
}
