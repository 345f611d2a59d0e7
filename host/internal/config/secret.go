package config

import (
	"fmt"
	"strings"
)

const redacted = "[redacted]"

// Secret is a value that prints as [redacted], whatever the verb and whoever marshals it. It keeps the value behind a
// pointer, because fmt does not ask unexported fields of other types how they want to be printed.
type Secret struct{ value *string }

// NewSecret returns a Secret that holds value.
func NewSecret(value string) Secret { return Secret{&value} }

// Reveal returns the value.
func (s Secret) Reveal() string { return reveal(s.value) }

// IsZero says whether there is no value.
func (s Secret) IsZero() bool { return s.Reveal() == "" }

// String returns "[redacted]", or "" where there is no value.
func (s Secret) String() string {
	if s.IsZero() {
		return ""
	}
	return redacted
}

// GoString implements fmt.GoStringer.
func (s Secret) GoString() string { return fmt.Sprintf("%q", s.String()) }

// Format implements fmt.Formatter, so that %x and %d tell nothing either.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(s.String())) }

// MarshalText implements encoding.TextMarshaler.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// URL is an address that may hold passwords; it prints without them.
type URL struct{ value *string }

// NewURL returns a URL that holds value.
func NewURL(value string) URL { return URL{&value} }

// Reveal returns the address, its passwords with it.
func (u URL) Reveal() string { return reveal(u.value) }

// IsZero says whether there is no address.
func (u URL) IsZero() bool { return u.Reveal() == "" }

// String returns the address with every password blotted out.
func (u URL) String() string {
	text, _ := blot(u.Reveal())
	return text
}

// GoString implements fmt.GoStringer.
func (u URL) GoString() string { return fmt.Sprintf("%q", u.String()) }

// Format implements fmt.Formatter.
func (u URL) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(u.String())) }

// MarshalText implements encoding.TextMarshaler.
func (u URL) MarshalText() ([]byte, error) { return []byte(u.String()), nil }

func reveal(value *string) string {
	if value == nil {
		return ""
	}
	return *value
}

// blot replaces the passwords of an address, before the host and in the query, and says whether there were any. It works
// on the text, because addresses of several hosts are no URLs to net/url, and blots too much rather than too little.
func blot(address string) (string, bool) {
	const blotted = "xxxxx"
	found := false
	address, query, hasQuery := strings.Cut(address, "?")
	if strings.Contains(query, "@") && !strings.Contains(address, "@") { // a question mark in a password, perhaps
		scheme, _, _ := strings.Cut(address, "://")
		return scheme + "://" + blotted, true
	}
	scheme, rest, ok := strings.Cut(address, "://")
	if !ok {
		scheme, rest = "", address
	}
	if at := strings.LastIndex(rest, "@"); at >= 0 {
		if user, password, set := strings.Cut(rest[:at], ":"); set && password != "" {
			rest, found = user+":"+blotted+rest[at:], true
		}
	}
	if ok {
		rest = scheme + "://" + rest
	}
	if !hasQuery {
		return rest, found
	}
	pairs := strings.Split(query, "&")
	for i, pair := range pairs {
		if name, value, _ := strings.Cut(pair, "="); strings.Contains(strings.ToLower(name), "pass") && value != "" {
			pairs[i], found = name+"="+blotted, true
		}
	}
	return rest + "?" + strings.Join(pairs, "&"), found
}
