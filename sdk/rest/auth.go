package rest

import (
	"context"
	"encoding/base64"
	"net/http"
)

// Auth adds a vendor's credentials to the headers of one attempt. An implementation of a plugin's own may fetch a token
// first; it must heed ctx and be safe for concurrent use.
type Auth interface {
	Authorize(ctx context.Context, header http.Header) error
}

// Basic is HTTP Basic authentication (RFC 7617).
func Basic(user, password string) Auth {
	pair := base64.StdEncoding.EncodeToString([]byte(user + ":" + password))
	return fixed{name: "Authorization", value: "Basic " + pair, hide: []string{password, pair}}
}

// Bearer is a bearer token (RFC 6750).
func Bearer(token string) Auth {
	return fixed{name: "Authorization", value: "Bearer " + token, hide: []string{token}}
}

// Token is a token that stands in a header as it is, such as X-Api-Key.
func Token(header, token string) Auth {
	return fixed{name: header, value: token, hide: []string{token}}
}

// fixed is a header that does not change.
type fixed struct {
	name, value string
	hide        []string
}

func (f fixed) Authorize(_ context.Context, header http.Header) error {
	header.Set(f.name, f.value)
	return nil
}

// secrets are what redaction must know of.
func (f fixed) secrets() []string { return f.hide }

// authorize adds the credentials last, so that nothing else can change them.
func (c *Client) authorize(next roundTripper) roundTripper {
	if c.config.Auth == nil {
		return next
	}
	return func(k *call) (*Response, error) {
		if err := c.config.Auth.Authorize(k.ctx, k.header); err != nil {
			if k.ctx.Err() != nil {
				return nil, c.ended(k, context.Cause(k.ctx))
			}
			return nil, c.fault(k, denied, err)
		}
		return next(k)
	}
}
