package rest

import (
	"net/http"
	"time"
)

// ParseWait and NewTransport are tested by themselves.
var (
	ParseWait    = parseWait
	NewTransport = func(config Config) *http.Transport { return newTransport(config) }
)

// MaxScopes and Buckets show that the buckets are bounded.
const MaxScopes = maxScopes

// Buckets lets n scopes of the first rate in, and answers how many buckets are kept.
func Buckets(c *Client, scopes []string) int {
	l := newLimit(c)
	for _, scope := range scopes {
		l.reserve(&call{request: &Request{}, scopes: []string{scope}}, time.Now())
	}
	return len(l.buckets)
}
