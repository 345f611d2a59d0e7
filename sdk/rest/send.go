package rest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

// errTimeout is the end of one attempt by Config.Timeout, told apart from the end of the context.
var errTimeout = errors.New("no whole answer in time")

// send makes one attempt and reads the whole answer.
func (c *Client) send(k *call) (*Response, error) {
	ctx, end := context.WithTimeoutCause(k.ctx, c.config.Timeout, errTimeout)
	defer end()
	request, err := http.NewRequestWithContext(ctx, k.request.Method, k.url.String(), nil)
	if err != nil {
		return nil, c.fault(k, refused, errors.New("the request is malformed")) // its text may bear a secret
	}
	request.Header = k.header
	if len(k.request.Body) > 0 {
		body := k.request.Body
		request.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
		request.Body, _ = request.GetBody() // this one has no error
		request.ContentLength = int64(len(body))
	}
	answer, err := c.transport.RoundTrip(request)
	if err != nil {
		return nil, c.broken(k, err, context.Cause(ctx))
	}
	defer func() { _ = answer.Body.Close() }() // the body was read as far as it is wanted
	if answer.StatusCode < 200 || answer.StatusCode > 299 {
		return nil, c.unwelcome(k, answer)
	}
	body, err := io.ReadAll(io.LimitReader(answer.Body, c.config.MaxResponseBytes+1))
	if err != nil {
		return nil, c.broken(k, err, context.Cause(ctx))
	}
	if int64(len(body)) > c.config.MaxResponseBytes {
		e := c.fault(k, refused, fmt.Errorf("the answer is larger than %d bytes", c.config.MaxResponseBytes))
		e.Status, e.Header = answer.StatusCode, answer.Header
		return nil, e
	}
	response := &Response{Status: answer.StatusCode, Header: answer.Header, Body: body}
	if c.config.Check != nil {
		if err := c.config.Check(response); err != nil {
			return nil, c.checked(k, response, err)
		}
	}
	return response, nil
}

// broken is an attempt without a whole answer; ended is why its context ended, if it did.
func (c *Client) broken(k *call, err, ended error) error {
	switch {
	case errors.Is(context.Cause(k.ctx), context.DeadlineExceeded):
		err = context.DeadlineExceeded // the run's time is up because the vendor did not answer: its fault
	case k.ctx.Err() != nil:
		return c.ended(k, context.Cause(k.ctx))
	case ended != nil:
		err = ended
	default:
		err = &transportError{text: c.hide.text(err.Error()), cause: err}
	}
	e := c.fault(k, down, err)
	var dial *net.OpError
	e.unsent = errors.As(err, &dial) && dial.Op == "dial"
	return e
}

// unwelcome is an answer whose status is not 2xx.
func (c *Client) unwelcome(k *call, answer *http.Response) error {
	e := c.fault(k, unsorted, nil)
	e.Body, _ = io.ReadAll(io.LimitReader(answer.Body, maxErrorBody)) // the status says enough without it
	e.Status, e.Header = answer.StatusCode, answer.Header
	e.Message = c.message(e.Body)
	e.RetryAfter = c.asked(e)
	return e
}

// checked completes the error of a Config.Check.
func (c *Client) checked(k *call, response *Response, err error) error {
	e := asError(err)
	if e == nil {
		e = &Error{Status: response.Status, Err: err, kind: refused}
	}
	e.Name, e.Method, e.URL, e.RequestID, e.Attempts = c.config.Name, k.request.Method, k.shown, k.run.Request, k.attempt
	e.Header, e.Body = response.Header, clip(response.Body)
	e.Message = oneLine(c.hide.text(e.Message))
	or(&e.RetryAfter, c.asked(e))
	return e
}

// asked is how long the vendor wants to be left alone; statuses other than 429 and 503 have no say in it.
func (c *Client) asked(e *Error) time.Duration {
	if e.Status != http.StatusTooManyRequests && e.Status != http.StatusServiceUnavailable {
		return 0
	}
	others := c.config.ResetHeaders
	if e.Status == http.StatusServiceUnavailable {
		others = nil // see Config.ResetHeaders
	}
	return retryAfter(e.Header, others, time.Now())
}

// transportError is an error of net/http without the secrets that its text may bear.
type transportError struct {
	text  string
	cause error
}

func (e *transportError) Error() string { return e.text }

// Unwrap returns the cause.
func (e *transportError) Unwrap() error { return e.cause }
