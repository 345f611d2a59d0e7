package rest

import (
	"context"
	"net/http"
	"net/url"

	"bulkhead.dev/sdk/internal/runctx"
)

// Client calls one vendor. It is safe for concurrent use; its limits and breaker are shared by all calls.
type Client struct {
	config    Config
	base      *url.URL
	hide      *redactor
	transport http.RoundTripper
	idle      func()
	do        roundTripper
}

// Request is one call.
type Request struct {
	// Method; empty: GET.
	Method string
	// Path below the base URL, escaped (see Path), without a query; or an absolute URL of the same origin, as vendors send
	// it in a link to the next page.
	Path string
	// Query is added.
	Query url.Values
	// Header is added; it wins over the client's own, but not over the credentials.
	Header http.Header
	// Body, and its type; it is kept whole because an attempt may be repeated. Empty: no body.
	Body        []byte
	ContentType string
	// IdempotencyKey goes out in Config.IdempotencyHeader and allows a repeat of any method. Take it from the job, such as
	// its id and a name for the step, so that the next attempt of the job has the same.
	IdempotencyKey string
	// Repeatable allows a repeat of a method that is not idempotent by itself, such as a search by POST.
	Repeatable bool
	// Subject is for Rate.Scope: who or what the vendor counts by, such as a channel.
	Subject string
}

// Response is a 2xx with its whole body.
type Response struct {
	Status int
	Header http.Header
	Body   []byte
}

// Do carries out a call. The error is an *Error, a *NotNow, or why the run may not act (the context's own error, or the
// end of the lease); whatever may be repeated was repeated already.
func (c *Client) Do(ctx context.Context, request Request) (*Response, error) {
	call, err := c.newCall(ctx, request)
	if err != nil {
		return nil, err
	}
	return c.do(call)
}

// call is one call on its way through the chain.
type call struct {
	ctx     context.Context
	request *Request
	url     *url.URL
	// shown is the URL without secrets, for logs and errors.
	shown string
	// run on whose behalf the call is made; zero outside a handler.
	run runctx.Run
	// header of the attempt under way; each attempt begins with a fresh one.
	header http.Header
	// attempt under way, from 1.
	attempt int
	// scopes that the call is counted by, one a Rate; "" where a Rate does not count it.
	scopes []string
}

// newCall checks a request and resolves its URL. Faults of it are the plugin's.
func (c *Client) newCall(ctx context.Context, request Request) (*call, error) {
	or(&request.Method, http.MethodGet)
	target, err := c.resolve(request.Path, request.Query)
	run, _ := runctx.From(ctx)
	if err != nil {
		return nil, &Error{Name: c.config.Name, Method: request.Method, URL: c.hide.text(c.base.String()),
			RequestID: run.Request, Err: err, kind: refused}
	}
	k := &call{ctx: ctx, request: &request, url: target, shown: c.hide.url(target), run: run}
	for _, r := range c.config.Rates {
		k.scopes = append(k.scopes, r.scope(&request))
	}
	return k, nil
}

// repeatable says whether a second attempt is harmless even if the first was carried out.
func (k *call) repeatable() bool {
	switch k.request.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodPut, http.MethodDelete:
		return true // RFC 9110, 9.2.2
	}
	return k.request.Repeatable || k.request.IdempotencyKey != ""
}
