package rest

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/url"
)

// Option changes the request of a JSON call.
type Option func(*Request)

// Query sets parameters of the query; others stay.
func Query(query url.Values) Option {
	return func(r *Request) {
		all := url.Values{}
		maps.Copy(all, r.Query) // the caller's own map stays as it is
		maps.Copy(all, query)
		r.Query = all
	}
}

// Header sets a header.
func Header(name, value string) Option {
	return func(r *Request) {
		if r.Header == nil {
			r.Header = http.Header{}
		}
		r.Header.Set(name, value)
	}
}

// IdempotencyKey sets Request.IdempotencyKey.
func IdempotencyKey(key string) Option { return func(r *Request) { r.IdempotencyKey = key } }

// Repeatable sets Request.Repeatable.
func Repeatable() Option { return func(r *Request) { r.Repeatable = true } }

// Subject sets Request.Subject.
func Subject(subject string) Option { return func(r *Request) { r.Subject = subject } }

// GetJSON gets a JSON value into out.
func (c *Client) GetJSON(ctx context.Context, path string, query url.Values, out any, options ...Option) error {
	return c.DoJSON(ctx, Request{Method: http.MethodGet, Path: path, Query: query}, nil, out, options...)
}

// PostJSON posts in as JSON and decodes the answer into out. in nil: no body; out nil: the answer's body is not looked at.
// A POST is repeated only after an answer that it was not carried out (429, or no connection), unless an option says that
// a repeat is harmless. The next attempt of the job may repeat it all the same: see state.Links.Ensure.
func (c *Client) PostJSON(ctx context.Context, path string, in, out any, options ...Option) error {
	return c.DoJSON(ctx, Request{Method: http.MethodPost, Path: path}, in, out, options...)
}

// PutJSON puts in as JSON, as PostJSON does; it may be repeated.
func (c *Client) PutJSON(ctx context.Context, path string, in, out any, options ...Option) error {
	return c.DoJSON(ctx, Request{Method: http.MethodPut, Path: path}, in, out, options...)
}

// PatchJSON patches with in as JSON, as PostJSON does. A patch that only sets fields may be marked Repeatable.
func (c *Client) PatchJSON(ctx context.Context, path string, in, out any, options ...Option) error {
	return c.DoJSON(ctx, Request{Method: http.MethodPatch, Path: path}, in, out, options...)
}

// DeleteJSON deletes; out, which may be nil, takes the answer. It may be repeated: a 404 can mean that the first attempt
// was carried out.
func (c *Client) DeleteJSON(ctx context.Context, path string, out any, options ...Option) error {
	return c.DoJSON(ctx, Request{Method: http.MethodDelete, Path: path}, nil, out, options...)
}

// DoJSON carries out a request whose body, unless in is nil, is in as JSON, and decodes the answer into out. Fields that
// out does not have are passed over. An answer that is no JSON is the vendor's fault, one that does not fit out the
// plugin's. A 204 leaves out as it is.
func (c *Client) DoJSON(ctx context.Context, request Request, in, out any, options ...Option) error {
	for _, option := range options {
		option(&request)
	}
	request.Header = request.Header.Clone()
	if request.Header == nil {
		request.Header = http.Header{}
	}
	if request.Header.Get("Accept") == "" {
		request.Header.Set("Accept", "application/json")
	}
	k, err := c.newCall(ctx, request)
	if err != nil {
		return err
	}
	if in != nil {
		if k.request.Body, err = json.Marshal(in); err != nil {
			return c.fault(k, refused, err)
		}
		or(&k.request.ContentType, "application/json")
	}
	response, err := c.do(k)
	if err != nil || out == nil || response.Status == http.StatusNoContent {
		return err
	}
	if err := json.Unmarshal(response.Body, out); err != nil {
		e := c.fault(k, down, err)
		e.Status, e.Header, e.Body = response.Status, response.Header, clip(response.Body)
		var mismatch *json.UnmarshalTypeError
		switch {
		case len(response.Body) == 0:
			e.Err = io.ErrUnexpectedEOF
		case errors.As(err, &mismatch), json.Valid(response.Body):
			e.kind = refused
		}
		return e
	}
	return nil
}
