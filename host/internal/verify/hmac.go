package verify

import (
	"crypto/hmac"
	"crypto/sha1" //nolint:gosec // HMAC-SHA1 is still what some vendors sign with; its use here does not rest on collisions.
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"net/http"
	"strconv"
	"strings"
	"time"

	"golang.org/x/net/http/httpguts"

	"bulkhead.dev/sdk/pluginv1"
)

// signature is a keyed hash over parts of the request (RFC 2104) that stands in a header.
type signature struct {
	hash     func() hash.Hash
	size     int
	keys     [][]byte // the first signs, any verifies
	header   string
	prefix   string
	encoding pluginv1.Encoding
	payload  []part
	// Of the time of signing; empty when the vendor signs none.
	timestampHeader string
	tolerance       time.Duration
}

// part is a piece of what is signed: a literal, or what stands for it in the request.
type part struct {
	kind    partKind
	literal string
}

type partKind int

const (
	literal partKind = iota
	bodyPart
	timestampPart
)

func compileHMAC(r *pluginv1.Hmac, secret func(string) (string, bool)) (*signature, error) {
	s := &signature{
		header:          r.GetHeader(),
		prefix:          r.GetPrefix(),
		encoding:        r.GetEncoding(),
		timestampHeader: r.GetTimestampHeader(),
		tolerance:       r.GetTolerance().AsDuration(),
	}
	var err error
	if s.hash, s.size, err = hashOf(r.GetHash()); err != nil {
		return nil, err
	}
	if !httpguts.ValidHeaderFieldName(s.header) {
		return nil, fmt.Errorf("hmac: %q is no header name", s.header)
	}
	if s.encoding != pluginv1.Encoding_ENCODING_HEX && s.encoding != pluginv1.Encoding_ENCODING_BASE64 {
		return nil, fmt.Errorf("hmac: a signature is written as hex or base64, not %v", s.encoding)
	}
	if s.payload, err = parsePayload(r.GetPayload()); err != nil {
		return nil, err
	}
	if err := s.checkTimestamp(); err != nil {
		return nil, err
	}
	text, err := need(secret, r.GetKey())
	if err != nil {
		return nil, err
	}
	key, err := decodeKey(text, r.GetKeyEncoding())
	if err != nil {
		return nil, &KeyError{Key: r.GetKey(), Reason: err.Error()}
	}
	s.keys = [][]byte{key}
	return s, nil
}

// checkTimestamp refuses recipes whose timestamp protects nothing: one that is not signed, or has no tolerance.
func (s *signature) checkTimestamp() error {
	signed := false
	for _, p := range s.payload {
		signed = signed || p.kind == timestampPart
	}
	switch {
	case s.timestampHeader == "" && signed:
		return errors.New("hmac: the payload has {timestamp}, but no timestamp header is named")
	case s.timestampHeader == "":
		return nil
	case !httpguts.ValidHeaderFieldName(s.timestampHeader):
		return fmt.Errorf("hmac: %q is no header name", s.timestampHeader)
	case http.CanonicalHeaderKey(s.timestampHeader) == http.CanonicalHeaderKey(s.header):
		return errors.New("hmac: timestamp and signature can't share a header")
	case !signed:
		return errors.New("hmac: a timestamp header is named, but the payload does not have {timestamp}")
	case s.tolerance <= 0:
		return errors.New("hmac: a timestamp needs a tolerance above zero")
	}
	return nil
}

func (s *signature) check(header http.Header, body []byte, now time.Time) *Refusal {
	value, refusal := single(header, s.header)
	if refusal != nil {
		return refusal
	}
	var timestamp string
	if s.timestampHeader != "" {
		if timestamp, refusal = s.fresh(header, now); refusal != nil {
			return refusal
		}
	}
	text, ok := strings.CutPrefix(value, s.prefix)
	if !ok {
		return refuse(StepMalformed, "header %s does not begin with %q", s.header, s.prefix)
	}
	given, ok := decodeSignature(text, s.encoding, s.size)
	if !ok {
		return refuse(StepMalformed, "header %s holds no %d bytes in %s", s.header, s.size, encodingName(s.encoding))
	}
	match := false
	for _, key := range s.keys { // all of them, so that the time does not tell which one matched
		if hmac.Equal(s.sum(key, body, timestamp), given) {
			match = true
		}
	}
	if !match {
		return refuse(StepMismatch, "header %s does not sign this body with the secret of this route", s.header)
	}
	return nil
}

// fresh returns the text of the timestamp, which is what is signed, when it is near enough to now.
func (s *signature) fresh(header http.Header, now time.Time) (string, *Refusal) {
	text, refusal := single(header, s.timestampHeader)
	if refusal != nil {
		return "", refusal
	}
	seconds, err := strconv.ParseInt(text, 10, 64)
	// A negative or absurd number would overflow the difference; ten digits last until 2286, twelve for ever.
	if err != nil || seconds < 0 || len(text) > 12 || text[0] == '+' {
		return "", refuse(StepMalformed, "header %s holds no Unix seconds", s.timestampHeader)
	}
	if off := now.Sub(time.Unix(seconds, 0)); off > s.tolerance || off < -s.tolerance {
		return "", refuse(StepStale, "header %s is %v from the host's clock, %v are tolerated",
			s.timestampHeader, off.Round(time.Second), s.tolerance)
	}
	return text, nil
}

func (s *signature) sign(header http.Header, body []byte, now time.Time) {
	var timestamp string
	if s.timestampHeader != "" {
		timestamp = strconv.FormatInt(now.Unix(), 10)
		header.Set(s.timestampHeader, timestamp)
	}
	sum := s.sum(s.keys[0], body, timestamp)
	text := hex.EncodeToString(sum)
	if s.encoding == pluginv1.Encoding_ENCODING_BASE64 {
		text = base64.StdEncoding.EncodeToString(sum)
	}
	header.Set(s.header, s.prefix+text)
}

// sum is the keyed hash of the payload. Writing to a hash never fails.
func (s *signature) sum(key, body []byte, timestamp string) []byte {
	mac := hmac.New(s.hash, key)
	for _, p := range s.payload {
		switch p.kind {
		case bodyPart:
			mac.Write(body)
		case timestampPart:
			mac.Write([]byte(timestamp))
		default:
			mac.Write([]byte(p.literal))
		}
	}
	return mac.Sum(nil)
}

// parsePayload cuts a template into its parts. A brace that opens no known placeholder is a mistake, not a literal, and
// what does not hold the body signs nothing.
func parsePayload(template string) ([]part, error) {
	if template == "" {
		return []part{{kind: bodyPart}}, nil
	}
	var (
		parts []part
		body  bool
	)
	for rest := template; rest != ""; {
		switch {
		case strings.HasPrefix(rest, "{body}"):
			parts, rest, body = append(parts, part{kind: bodyPart}), rest[len("{body}"):], true
		case strings.HasPrefix(rest, "{timestamp}"):
			parts, rest = append(parts, part{kind: timestampPart}), rest[len("{timestamp}"):]
		case rest[0] == '{' || rest[0] == '}':
			return nil, fmt.Errorf("hmac: payload %q: only {body} and {timestamp} stand in braces", template)
		default:
			end := strings.IndexAny(rest, "{}")
			if end < 0 {
				end = len(rest)
			}
			parts, rest = append(parts, part{literal: rest[:end]}), rest[end:]
		}
	}
	if !body {
		return nil, fmt.Errorf("hmac: payload %q does not have {body}", template)
	}
	return parts, nil
}

func hashOf(h pluginv1.Hash) (func() hash.Hash, int, error) {
	switch h {
	case pluginv1.Hash_HASH_SHA1:
		return sha1.New, sha1.Size, nil
	case pluginv1.Hash_HASH_SHA256:
		return sha256.New, sha256.Size, nil
	case pluginv1.Hash_HASH_SHA512:
		return sha512.New, sha512.Size, nil
	default:
		return nil, 0, fmt.Errorf("hmac: unknown hash %v", h)
	}
}

// decodeKey turns the written secret into the key's bytes. Its errors follow the name of the setting.
func decodeKey(text string, encoding pluginv1.Encoding) ([]byte, error) {
	switch encoding {
	case pluginv1.Encoding_ENCODING_UTF8:
		return []byte(text), nil
	case pluginv1.Encoding_ENCODING_HEX:
		if key, err := hex.DecodeString(text); err == nil {
			return key, nil
		}
		return nil, errors.New("is not written in hex")
	case pluginv1.Encoding_ENCODING_BASE64:
		if key, err := base64.StdEncoding.DecodeString(text); err == nil && len(key) > 0 {
			return key, nil
		}
		return nil, errors.New("is not written in base64 (the standard alphabet, with padding)")
	default:
		return nil, fmt.Errorf("can't be read: unknown encoding %v", encoding)
	}
}

// decodeSignature reads a signature of size bytes. Hex may be in capitals, as some platforms print it, but not mixed;
// base64 is the standard alphabet with padding and nothing else: no line ends, no stray bits.
func decodeSignature(text string, encoding pluginv1.Encoding, size int) ([]byte, bool) {
	if encoding == pluginv1.Encoding_ENCODING_HEX {
		if len(text) != hex.EncodedLen(size) || text != strings.ToLower(text) && text != strings.ToUpper(text) {
			return nil, false
		}
		sum, err := hex.DecodeString(text)
		return sum, err == nil
	}
	if len(text) != base64.StdEncoding.EncodedLen(size) {
		return nil, false
	}
	sum, err := base64.StdEncoding.Strict().DecodeString(text)
	return sum, err == nil && len(sum) == size
}

func encodingName(e pluginv1.Encoding) string {
	if e == pluginv1.Encoding_ENCODING_BASE64 {
		return "base64"
	}
	return "hex"
}
