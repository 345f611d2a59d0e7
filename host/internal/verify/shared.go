package verify

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"golang.org/x/net/http/httpguts"

	"bulkhead.dev/sdk/pluginv1"
)

// digest stands for a shared secret, so that comparing takes the same time for every length.
type digest [sha256.Size]byte

func digestOf(secret string) digest { return sha256.Sum256([]byte(secret)) }

func (d digest) is(given string) bool {
	other := digestOf(given)
	return subtle.ConstantTimeCompare(d[:], other[:]) == 1
}

// token is a shared secret that stands in a header as it is.
type token struct {
	header string
	prefix string
	plain  string // for sign
	want   digest
}

func compileToken(r *pluginv1.Token, secret func(string) (string, bool)) (*token, error) {
	if !httpguts.ValidHeaderFieldName(r.GetHeader()) {
		return nil, fmt.Errorf("token: %q is no header name", r.GetHeader())
	}
	value, err := need(secret, r.GetKey())
	if err != nil {
		return nil, err
	}
	full := r.GetPrefix() + value
	// net/http strips blanks from both ends of a field and refuses control characters: such a secret can't arrive.
	if !httpguts.ValidHeaderFieldValue(full) || strings.Trim(full, " \t") != full {
		return nil, &KeyError{Key: r.GetKey(), Reason: "holds characters that can't stand in a header (look for blanks or a line end)"}
	}
	return &token{header: r.GetHeader(), prefix: r.GetPrefix(), plain: value, want: digestOf(value)}, nil
}

func (t *token) check(header http.Header, _ []byte, _ time.Time) *Refusal {
	value, refusal := single(header, t.header)
	if refusal != nil {
		return refusal
	}
	given, ok := strings.CutPrefix(value, t.prefix)
	if !ok {
		return refuse(StepMalformed, "header %s does not begin with %q", t.header, t.prefix)
	}
	if !t.want.is(given) {
		return refuse(StepMismatch, "header %s does not hold the secret of this route", t.header)
	}
	return nil
}

func (t *token) sign(header http.Header, _ []byte, _ time.Time) {
	header.Set(t.header, t.prefix+t.plain)
}

// basic is HTTP Basic authentication (RFC 7617), in UTF-8.
type basic struct {
	credentials    string // for sign, encoded
	user, password digest
}

const authorization = "Authorization"

func compileBasic(r *pluginv1.Basic, secret func(string) (string, bool)) (*basic, error) {
	user, userErr := need(secret, r.GetUser())
	password, passwordErr := need(secret, r.GetPassword())
	if userErr == nil && strings.Contains(user, ":") {
		userErr = &KeyError{Key: r.GetUser(), Reason: "holds a colon, which a user name can't (RFC 7617)"}
	}
	if err := errors.Join(userErr, passwordErr); err != nil {
		return nil, err
	}
	return &basic{
		credentials: base64.StdEncoding.EncodeToString([]byte(user + ":" + password)),
		user:        digestOf(user),
		password:    digestOf(password),
	}, nil
}

func (b *basic) check(header http.Header, _ []byte, _ time.Time) *Refusal {
	value, refusal := single(header, authorization)
	if refusal != nil {
		return refusal
	}
	// The name of an authentication scheme is case-insensitive (RFC 9110, 11.1).
	scheme, text, ok := strings.Cut(value, " ")
	if !ok || !strings.EqualFold(scheme, "Basic") {
		return refuse(StepMalformed, "header %s is not of the scheme Basic", authorization)
	}
	plain, err := base64.StdEncoding.Strict().DecodeString(text)
	user, password, ok := strings.Cut(string(plain), ":")
	if err != nil || strings.ContainsAny(text, "\r\n") || !ok {
		return refuse(StepMalformed, "header %s holds no user and password in base64", authorization)
	}
	// Both are always compared: the time does not tell which one was wrong.
	userOK, passwordOK := b.user.is(user), b.password.is(password)
	if !userOK || !passwordOK {
		return refuse(StepMismatch, "header %s does not hold user and password of this route", authorization)
	}
	return nil
}

func (b *basic) sign(header http.Header, _ []byte, _ time.Time) {
	header.Set(authorization, "Basic "+b.credentials)
}
