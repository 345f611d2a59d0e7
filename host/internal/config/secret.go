package config

import (
	"fmt"
	"net/url"
	"strings"
)

const redacted = "[redacted]"

// Secret is a value that prints as [redacted], whatever the verb and whoever marshals it.
type Secret struct{ value string }

// NewSecret returns a Secret that holds value.
func NewSecret(value string) Secret { return Secret{value} }

// Reveal returns the value.
func (s Secret) Reveal() string { return s.value }

// IsZero says whether there is no value.
func (s Secret) IsZero() bool { return s.value == "" }

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

// URL is an address that may hold a password; it prints without it.
type URL struct{ value string }

// NewURL returns a URL that holds value.
func NewURL(value string) URL { return URL{value} }

// Reveal returns the address, its password with it.
func (u URL) Reveal() string { return u.value }

// IsZero says whether there is no address.
func (u URL) IsZero() bool { return u.value == "" }

// hasSecret says whether the address holds a password, in front of the host or in the query.
func (u URL) hasSecret() bool { return u.String() != u.value }

// String returns the address with every password blotted out.
func (u URL) String() string {
	parsed, err := url.Parse(u.value)
	if err != nil {
		return redacted
	}
	text := u.value
	if _, set := parsed.User.Password(); set {
		text = parsed.Redacted()
	}
	query := parsed.Query()
	for name, values := range query {
		if strings.Contains(strings.ToLower(name), "password") {
			for i := range values {
				values[i] = "xxxxx"
			}
			parsed.RawQuery = query.Encode()
			text = parsed.Redacted()
		}
	}
	return text
}

// GoString implements fmt.GoStringer.
func (u URL) GoString() string { return fmt.Sprintf("%q", u.String()) }

// Format implements fmt.Formatter.
func (u URL) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(u.String())) }

// MarshalText implements encoding.TextMarshaler.
func (u URL) MarshalText() ([]byte, error) { return []byte(u.String()), nil }

// Bytes is a size in bytes, written as a number or with KiB, MiB or GiB.
type Bytes int64
