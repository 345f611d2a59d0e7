// Package rest is the one HTTP client of plugins: every call to a vendor goes through it, and an error of it knows how
// the job goes on, so that a handler need only return it.
//
// A call passes a chain of small steps, in this order, outermost first (chain.go lists them):
//
//	retry     repeats what may be repeated after a short wait; carries a long wait out to the queue
//	journal   one log line an attempt, without headers, bodies or secrets
//	confine   refuses a URL of another origin than BaseURL's: credentials never leave for elsewhere
//	lease     refuses the call when the context or the process's lease has ended
//	breaker   answers "not now" while the vendor is down
//	limit     token buckets by scope, and the pauses that the vendor asked for
//	slots     bounds the calls that are under way at once
//	identify  X-Request-Id, traceparent, User-Agent and fixed headers
//	authorize the vendor's credentials
//	send      one attempt within its timeout; reads the whole body up to a bound; a status that is not 2xx is an *Error
//
// All waits count against the context. One that is longer than Config.MaxWait, or than the context lasts, is not waited
// for: the call ends with an error that brings the job back later and costs it no attempt (*NotNow, or an *Error whose
// Disposition says so). The table of what each answer means for the job stands at Error.
//
// What it does not do: follow redirects (a 3xx is an *Error: the base URL is wrong), keep cookies, use a proxy (a
// plugin's environment is empty and none is looked for), or stream bodies. TLS is 1.2 at least. Plain http:// is for
// loopback alone. The package knows no vendor; what is particular to one stands in the Config that its plugin gives.
package rest

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/hashicorp/go-hclog"
)

// Config is what a plugin says of a vendor. Only BaseURL is required.
type Config struct {
	// Name of the vendor in logs and errors; empty: the host of BaseURL.
	Name string
	// BaseURL is what paths are relative to: https, or http on loopback.
	BaseURL string
	// Auth adds the credentials; nil: none. See Basic, Bearer and Token.
	Auth Auth
	// UserAgent; empty: "bulkhead".
	UserAgent string
	// Header is sent with every call.
	Header http.Header

	// Rates are the vendor's limits, all of which a call must satisfy; empty: none.
	Rates []Rate
	// Pause names the Rate whose scope is held back after a 429, from what the answer says; nil or an answer of "": the
	// whole vendor is.
	Pause func(*Error) string
	// ResetHeaders are read when a 429 bears no Retry-After, such as "X-RateLimit-Reset": seconds, Unix seconds or an
	// RFC 3339 time. With a 503 they are not: vendors that send them with every answer do not mean the trouble.
	ResetHeaders []string
	// MaxWait is the longest wait inside a call, for a token, a slot or a repeat. 0: 5 s; negative: none.
	MaxWait time.Duration
	// Concurrency is how many calls may be under way at once. 0: 8.
	Concurrency int

	// Timeout of one attempt, with its body. 0: 15 s.
	Timeout time.Duration
	// MaxAttempts of one call, the first among them. 0: 3; 1: no repeat.
	MaxAttempts int
	// Backoff is the first wait before a repeat that the vendor set no time for, doubled each time, with jitter. 0: 500 ms.
	Backoff time.Duration
	// IdempotencyHeader is where Request.IdempotencyKey goes. Empty: "Idempotency-Key".
	IdempotencyHeader string
	// MaxResponseBytes bounds a body, after decompression. 0: 8 MiB.
	MaxResponseBytes int64

	// BreakAfter is the failures in a row that open the breaker. 0: 5; negative: no breaker.
	BreakAfter int
	// BreakFor is how long an open breaker refuses before it lets one call try. 0: 30 s.
	BreakFor time.Duration

	// Check looks at a 2xx for vendors that report errors with 200: an *Error with the Status that it stands for, or nil.
	Check func(*Response) error
	// Message finds the vendor's own words in an error's body. nil, or an answer of "": common JSON forms, else the text.
	Message func(body []byte) string

	// Secrets are cut out of URLs and messages in logs and errors, wherever they stand. Auth's own are known already.
	// Those of less than 4 bytes are left: they would make every text unreadable and hide nothing.
	Secrets []string
	// TLS may bring roots or a client certificate; it is cloned, and the minimum version raised to 1.2.
	TLS *tls.Config
	// Transport replaces the package's own, for tests. TLS is not looked at then.
	Transport http.RoundTripper
	// Logger gets one line an attempt at Debug, failures of the vendor at Warn; nil: nothing is logged.
	Logger hclog.Logger
}

// New checks the config and returns a client, which does no call yet. All faults are named at once. A plugin makes one
// for each vendor in Configure; Close it when another takes its place.
func New(config Config) (*Client, error) {
	base, err := baseURL(config.BaseURL)
	errs := []error{err}
	for i, r := range config.Rates {
		errs = append(errs, r.check(i))
	}
	if config.Concurrency < 0 || config.MaxAttempts < 0 || config.MaxResponseBytes < 0 || config.Timeout < 0 ||
		config.Backoff < 0 || config.BreakFor < 0 {
		errs = append(errs, errors.New("rest: a bound is negative"))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	config = withDefaults(config, base)
	c := &Client{config: config, base: base, hide: newRedactor(config), transport: config.Transport}
	if c.transport == nil {
		own := newTransport(config)
		c.transport, c.idle = own, own.CloseIdleConnections
	}
	c.do = c.chain()
	return c, nil
}

// Close lets go of idle connections. Calls under way end by themselves.
func (c *Client) Close() {
	if c.idle != nil {
		c.idle()
	}
}

// baseURL parses and checks the base of all calls.
func baseURL(raw string) (*url.URL, error) {
	u, err := url.Parse(raw)
	switch {
	case raw == "":
		return nil, errors.New("rest: the base URL is missing")
	case err != nil:
		return nil, errors.New("rest: the base URL is malformed") // its text may bear a secret
	case u.Host == "" || u.Opaque != "":
		return nil, errors.New("rest: the base URL needs a scheme and a host")
	case u.User != nil:
		return nil, errors.New("rest: the base URL must not bear credentials")
	case u.RawQuery != "" || u.Fragment != "":
		return nil, errors.New("rest: the base URL must not bear a query or fragment")
	case u.Scheme == "http" && !loopback(u.Hostname()):
		return nil, errors.New("rest: http:// is allowed on loopback alone, use https://")
	case u.Scheme != "https" && u.Scheme != "http":
		return nil, fmt.Errorf("rest: the base URL has the scheme %q, want https", u.Scheme)
	}
	return u, nil
}

func loopback(host string) bool {
	if host == "localhost" {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

func withDefaults(c Config, base *url.URL) Config {
	or(&c.Name, base.Hostname())
	or(&c.UserAgent, "bulkhead")
	or(&c.MaxWait, 5*time.Second)
	or(&c.Concurrency, 8)
	or(&c.Timeout, 15*time.Second)
	or(&c.MaxAttempts, 3)
	or(&c.Backoff, 500*time.Millisecond)
	or(&c.IdempotencyHeader, "Idempotency-Key")
	or(&c.MaxResponseBytes, 8<<20)
	or(&c.BreakAfter, 5)
	or(&c.BreakFor, 30*time.Second)
	if c.Logger == nil {
		c.Logger = hclog.NewNullLogger()
	}
	c.MaxWait = max(c.MaxWait, 0)
	return c
}

// or sets what was left out.
func or[T comparable](field *T, otherwise T) {
	var zero T
	if *field == zero {
		*field = otherwise
	}
}
