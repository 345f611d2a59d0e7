package sdk

import (
	"net/http"
	"time"

	"bulkhead.dev/sdk/pluginv1"
)

// defaultTolerance is how far a signed timestamp may be from the host's clock unless the recipe says otherwise.
const defaultTolerance = 5 * time.Minute

// Verification is the recipe by which the host proves that a call comes from the vendor, on the raw body and in constant
// time. HMAC, Basic and HeaderToken are the general forms; the presets name a vendor's own. Every key is the name of a
// setting that is marked as secret.
type Verification interface {
	recipe() *pluginv1.Verification
	// secrets are the settings that must be marked as secret, names those that must exist.
	secrets() (secrets, names []string)
}

// Hash is the hash of an HMAC; the zero value is SHA256.
type Hash int

// Hashes.
const (
	SHA256 Hash = iota
	SHA1        // only for vendors that offer nothing better
	SHA512
)

// Encoding is how bytes are written as text; the zero value is what is usual at that place.
type Encoding int

// Encodings.
const (
	_ Encoding = iota
	UTF8
	Hex
	Base64
)

// HMAC is a keyed hash over parts of the request (RFC 2104).
type HMAC struct {
	// Key is the setting that holds the secret.
	Key string
	// KeyEncoding is how the secret is written; zero: UTF8, its bytes as they are.
	KeyEncoding Encoding
	// Hash; zero: SHA256.
	Hash Hash
	// Header carries the signature.
	Header string
	// Prefix stands before the signature in the header, such as "sha256=".
	Prefix string
	// Encoding is how the signature is written; zero: Hex.
	Encoding Encoding
	// Payload is what is signed: text with {body} and {timestamp}; empty: "{body}".
	Payload string
	// TimestampHeader carries the time of signing in Unix seconds; empty: the vendor signs none.
	TimestampHeader string
	// Tolerance is how far the timestamp may be from the host's clock; 0: 5 minutes.
	Tolerance time.Duration
}

// HubSignature is a "sha256=<hex>" over the body in X-Hub-Signature (WebSub, section 7), as Jira's admin webhooks send it
// (https://developer.atlassian.com/cloud/jira/platform/webhooks/).
func HubSignature(key string) Verification {
	return HMAC{Key: key, Header: "X-Hub-Signature", Prefix: "sha256="}
}

// SlackSignature is Slack's version 0, good for five minutes
// (https://docs.slack.dev/authentication/verifying-requests-from-slack).
func SlackSignature(key string) Verification {
	return HMAC{
		Key: key, Header: "X-Slack-Signature", Prefix: "v0=", Payload: "v0:{timestamp}:{body}",
		TimestampHeader: "X-Slack-Request-Timestamp", Tolerance: defaultTolerance,
	}
}

// PeopleForce is the signature of PeopleForce's webhooks, a "sha256=<hex>" over the body
// (https://developer.peopleforce.io, Securing webhooks). It is sent only when the webhook has a secret.
func PeopleForce(key string) Verification {
	return HMAC{Key: key, Header: "X-PeopleForce-Signature", Prefix: "sha256="}
}

// PipedriveBasic is the HTTP Basic authentication of Pipedrive's webhooks, which sign nothing: take a long random
// password (https://pipedrive.readme.io/docs/guide-for-webhooks-v2).
func PipedriveBasic(userKey, passwordKey string) Verification { return Basic(userKey, passwordKey) }

// TelegramToken is the secret_token of Telegram's setWebhook (https://core.telegram.org/bots/api#setwebhook).
func TelegramToken(key string) Verification {
	return HeaderToken("X-Telegram-Bot-Api-Secret-Token", key)
}

// Basic is HTTP Basic authentication (RFC 7617); both arguments are names of settings, the second one a secret.
func Basic(userKey, passwordKey string) Verification {
	return basic{user: userKey, password: passwordKey}
}

// HeaderToken is a shared secret that stands in a header as it is.
func HeaderToken(header, key string) Verification { return token{header: header, key: key} }

// BearerToken is a shared secret in "Authorization: Bearer <secret>" (RFC 6750).
func BearerToken(key string) Verification {
	return token{header: "Authorization", key: key, prefix: "Bearer "}
}

type basic struct{ user, password string }

type token struct{ header, key, prefix string }

func (h HMAC) recipe() *pluginv1.Verification {
	m := &pluginv1.Hmac{
		Key: h.Key, Header: http.CanonicalHeaderKey(h.Header), Prefix: h.Prefix, Payload: h.Payload,
		TimestampHeader: http.CanonicalHeaderKey(h.TimestampHeader),
		Hash:            h.Hash.proto(), KeyEncoding: h.KeyEncoding.proto(pluginv1.Encoding_ENCODING_UTF8),
		Encoding: h.Encoding.proto(pluginv1.Encoding_ENCODING_HEX),
	}
	switch {
	case h.Tolerance != 0:
		m.Tolerance = duration(h.Tolerance)
	case h.TimestampHeader != "":
		m.Tolerance = duration(defaultTolerance)
	}
	if m.Payload == "" {
		m.Payload = "{body}"
	}
	return &pluginv1.Verification{Scheme: &pluginv1.Verification_Hmac{Hmac: m}}
}

func (h HMAC) secrets() (secrets, names []string) { return []string{h.Key}, nil }

func (b basic) recipe() *pluginv1.Verification {
	return &pluginv1.Verification{Scheme: &pluginv1.Verification_Basic{
		Basic: &pluginv1.Basic{User: b.user, Password: b.password},
	}}
}

func (b basic) secrets() (secrets, names []string) { return []string{b.password}, []string{b.user} }

func (t token) recipe() *pluginv1.Verification {
	return &pluginv1.Verification{Scheme: &pluginv1.Verification_Token{
		Token: &pluginv1.Token{Key: t.key, Header: http.CanonicalHeaderKey(t.header), Prefix: t.prefix},
	}}
}

func (t token) secrets() (secrets, names []string) { return []string{t.key}, nil }

func (h Hash) proto() pluginv1.Hash {
	switch h {
	case SHA256:
		return pluginv1.Hash_HASH_SHA256
	case SHA1:
		return pluginv1.Hash_HASH_SHA1
	case SHA512:
		return pluginv1.Hash_HASH_SHA512
	}
	return pluginv1.Hash_HASH_UNSPECIFIED
}

// proto answers UNSPECIFIED, which the manifest's check refuses, for a value that is none of the constants.
func (e Encoding) proto(usual pluginv1.Encoding) pluginv1.Encoding {
	switch e {
	case 0:
		return usual
	case UTF8:
		return pluginv1.Encoding_ENCODING_UTF8
	case Hex:
		return pluginv1.Encoding_ENCODING_HEX
	case Base64:
		return pluginv1.Encoding_ENCODING_BASE64
	}
	return pluginv1.Encoding_ENCODING_UNSPECIFIED
}
