// Package verify carries out the recipes by which a route proves that a call comes from its vendor.
//
// A recipe ([pluginv1.Verification]) is data that a plugin declares. It is compiled once, with the secrets that it names,
// and then applied to the header and the raw body of each request, before anything is parsed. The package knows ways of
// proving, never vendors; it keeps no state, so repeats are the queue's matter.
//
// Every comparison with a secret takes the same time whatever the caller sent, and no refusal says what was expected.
package verify

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"bulkhead.dev/sdk/pluginv1"
)

// Step names the check at which a call was refused.
type Step string

// The steps, in the order in which they are taken.
const (
	// StepMissing: the header that must carry the proof is absent or empty.
	StepMissing Step = "missing"
	// StepRepeated: it occurs more than once, so that two readers might believe different ones.
	StepRepeated Step = "repeated"
	// StepMalformed: it is not written as the recipe says.
	StepMalformed Step = "malformed"
	// StepStale: the time of signing is too far from the host's clock.
	StepStale Step = "stale"
	// StepMismatch: the proof is well-formed and wrong.
	StepMismatch Step = "mismatch"
)

// Refusal says why a call was not believed. It holds neither a secret nor an expected value and can be logged.
type Refusal struct {
	Step   Step
	Detail string
}

func (r *Refusal) Error() string {
	return fmt.Sprintf("verification %s: %s", r.Step, r.Detail)
}

func refuse(step Step, format string, args ...any) *Refusal {
	return &Refusal{Step: step, Detail: fmt.Sprintf(format, args...)}
}

// KeyError says that a setting which the recipe needs is absent or unusable. It never holds the setting's value.
type KeyError struct {
	// Key is the settings key.
	Key string
	// Reason says what is wrong with it.
	Reason string
}

func (e *KeyError) Error() string {
	return fmt.Sprintf("setting %q %s", e.Key, e.Reason)
}

// scheme is one way of proving. check answers nil or the refusal; sign writes into the header what check accepts.
type scheme interface {
	check(header http.Header, body []byte, now time.Time) *Refusal
	sign(header http.Header, body []byte, now time.Time)
}

// Verifier is a compiled recipe, safe for concurrent use.
type Verifier struct {
	scheme scheme
}

// Compile builds a Verifier from the recipe and the settings that it names, as secret answers them. Settings that are
// absent, empty or not encoded as the recipe says are reported as a [KeyError] each, all at once; any other error is a
// recipe that nobody could carry out. An empty secret counts as absent: with one, anybody could sign.
func Compile(recipe *pluginv1.Verification, secret func(key string) (string, bool)) (*Verifier, error) {
	var (
		s   scheme
		err error
	)
	switch r := recipe.GetScheme().(type) {
	case *pluginv1.Verification_Hmac:
		s, err = compileHMAC(r.Hmac, secret)
	case *pluginv1.Verification_Basic:
		s, err = compileBasic(r.Basic, secret)
	case *pluginv1.Verification_Token:
		s, err = compileToken(r.Token, secret)
	default:
		err = errors.New("verification names no scheme")
	}
	if err != nil {
		return nil, err
	}
	return &Verifier{scheme: s}, nil
}

// Verify answers nil when header and body carry a valid proof at the time now, else a *[Refusal]. The body must be the
// bytes as they came.
func (v *Verifier) Verify(header http.Header, body []byte, now time.Time) error {
	if r := v.scheme.check(header, body, now); r != nil {
		return r
	}
	return nil
}

// Sign writes the proof into header, in place of any that is there: the recipe the other way round, for sending oneself
// a call.
func (v *Verifier) Sign(header http.Header, body []byte, now time.Time) {
	v.scheme.sign(header, body, now)
}

// single returns the one value of a header field.
func single(header http.Header, name string) (string, *Refusal) {
	switch values := header.Values(name); {
	case len(values) > 1:
		return "", refuse(StepRepeated, "header %s occurs %d times", name, len(values))
	case len(values) == 0 || values[0] == "":
		return "", refuse(StepMissing, "header %s is missing", name)
	default:
		return values[0], nil
	}
}

// need returns the value of a setting that must not be empty.
func need(secret func(string) (string, bool), key string) (string, error) {
	if key == "" {
		return "", errors.New("verification names no settings key")
	}
	if value, ok := secret(key); ok && value != "" {
		return value, nil
	}
	return "", &KeyError{Key: key, Reason: "is missing"}
}
