package rest

import (
	"net/http"
	"time"
)

// ParseWait reads one header.
func ParseWait(text string, now time.Time) (time.Duration, bool) { return parseWait(text, now) }

// NewTransport is a client's own transport.
func NewTransport(config Config) *http.Transport { return newTransport(config) }

// MaxScopes bounds the buckets.
const MaxScopes = maxScopes

// Buckets lets n scopes of the first rate in, and answers how many buckets are kept.
func Buckets(c *Client, scopes []string) int {
	l := newLimit(c)
	for _, scope := range scopes {
		l.reserve(&call{request: &Request{}, scopes: []string{scope}}, time.Now())
	}
	return len(l.buckets)
}
