package schema

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// Bounds of a document, beside its length. They are far from what a sender means and near enough to keep the cost of a
// byte that was sent within reason: arithmetic on 1e999999 takes milliseconds, a fault takes 300 bytes.
const (
	// MaxDepth is how deeply objects and arrays may stand in each other.
	MaxDepth = 64
	// MaxValues is how many values a document may hold, names of members not counted.
	MaxValues = 500_000
	// MaxNumberLen is how many characters a number may have, and maxExponent how large its exponent may be. Every
	// finite float64 and every 1024-bit integer fits.
	MaxNumberLen = 400
	maxExponent  = 400
)

// SyntaxError says that a body is not strict JSON.
type SyntaxError struct {
	// Offset is the byte at or after which reading stopped.
	Offset int64
	// Pointer is the value that was being read; empty: the whole.
	Pointer string
	// Reason says what is wrong, for people.
	Reason string
}

func (e *SyntaxError) Error() string {
	if e.Pointer == "" {
		return fmt.Sprintf("%s (at byte %d)", e.Reason, e.Offset)
	}
	return fmt.Sprintf("%s (in %q, at byte %d)", e.Reason, e.Pointer, e.Offset)
}

// Document is a decoded body. It must not be used by several goroutines at once. It reads the bytes that it was made
// from, which must not change.
type Document struct {
	raw   []byte
	root  any
	built bool
}

// JSON answers the document as JSON: the body itself, or what a form stands for.
func (d *Document) JSON() []byte { return d.raw }

// Decode reads body as strict JSON (RFC 8259): valid UTF-8, exactly one value, no name twice in an object, within the
// bounds of this package. Its error is a *[SyntaxError]. An escaped half of a surrogate pair is let in, because senders
// cut texts in the middle of an emoji; it reads as U+FFFD.
func Decode(body []byte) (*Document, error) {
	if i := invalidUTF8(body); i >= 0 {
		return nil, &SyntaxError{Offset: int64(i), Reason: "the body is not valid UTF-8"}
	}
	if err := check(body); err != nil {
		return nil, err
	}
	return &Document{raw: body}, nil
}

func invalidUTF8(body []byte) int {
	if utf8.Valid(body) {
		return -1
	}
	i := 0
	for i < len(body) {
		r, n := utf8.DecodeRune(body[i:])
		if r == utf8.RuneError && n == 1 {
			break
		}
		i += n
	}
	return i
}

// decoder reads body without copying it.
func decoder(body []byte, opts ...jsontext.Options) *jsontext.Decoder {
	return jsontext.NewDecoder(bytes.NewBuffer(body), append(opts, jsontext.AllowInvalidUTF8(true))...)
}

// check reads every token of body once.
func check(body []byte) error {
	dec := decoder(body)
	for values := 1; ; values++ {
		if values > MaxValues {
			return stop(dec, "the body holds more than %d values", MaxValues)
		}
		if err := checkNext(dec); err != nil {
			return syntaxError(err, body)
		}
		if dec.StackDepth() == 0 {
			break
		}
	}
	if _, err := dec.ReadToken(); err == nil {
		return stop(dec, "something follows the JSON value")
	} else if !errors.Is(err, io.EOF) {
		return &SyntaxError{Offset: dec.InputOffset(), Reason: "something follows the JSON value"}
	}
	return nil
}

// checkNext reads the next token, a name together with what follows it.
func checkNext(dec *jsontext.Decoder) error {
	kind := dec.PeekKind()
	if kind == '0' {
		offset := dec.InputOffset()
		number, err := dec.ReadValue()
		if err == nil && !inRange(number) {
			return &SyntaxError{Offset: offset, Pointer: string(dec.StackPointer()), Reason: "the number is out of range"}
		}
		return err
	}
	if _, err := dec.ReadToken(); err != nil {
		return err
	}
	if dec.StackDepth() > MaxDepth {
		return stop(dec, "the body nests deeper than %d levels", MaxDepth)
	}
	return nil
}

func stop(dec *jsontext.Decoder, format string, args ...any) *SyntaxError {
	return &SyntaxError{
		Offset:  dec.InputOffset(),
		Pointer: string(dec.StackPointer()),
		Reason:  fmt.Sprintf(format, args...),
	}
}

// inRange says whether the bounds hold for a number that is known to be well-formed.
func inRange(number []byte) bool {
	if len(number) > MaxNumberLen {
		return false
	}
	i := bytes.IndexAny(number, "eE")
	if i < 0 {
		return true
	}
	exponent, err := strconv.Atoi(string(number[i+1:]))
	return err == nil && -maxExponent <= exponent && exponent <= maxExponent
}

// syntaxError words what the reader of the tokens found.
func syntaxError(err error, body []byte) *SyntaxError {
	var (
		ours   *SyntaxError
		theirs *jsontext.SyntacticError
	)
	switch {
	case errors.As(err, &ours):
		return ours
	case errors.As(err, &theirs) && errors.Is(err, jsontext.ErrDuplicateName):
		return &SyntaxError{Offset: theirs.ByteOffset, Pointer: string(theirs.JSONPointer), Reason: "the name occurs twice in its object"}
	case errors.Is(err, io.ErrUnexpectedEOF):
		return &SyntaxError{Offset: int64(len(body)), Reason: "the body ends in the middle of a value"}
	case errors.As(err, &theirs):
		return &SyntaxError{Offset: theirs.ByteOffset, Pointer: string(theirs.JSONPointer), Reason: theirs.Err.Error()}
	default: // io.EOF: nothing but blanks
		return &SyntaxError{Offset: int64(len(body)), Reason: "the body is empty"}
	}
}

// tree answers the document as the validator wants it: map[string]any, []any, string, json.Number, bool or nil.
func (d *Document) tree() any {
	if !d.built {
		dec := decoder(d.raw, jsontext.AllowDuplicateNames(true)) // there are none: Decode has looked
		d.root, d.built = build(dec), true
	}
	return d.root
}

// build makes the next value. The text was checked before, so that no token can fail, and MaxDepth bounds the recursion.
func build(dec *jsontext.Decoder) any {
	token, err := dec.ReadToken()
	if err != nil {
		return nil
	}
	switch token.Kind() {
	case '{':
		object := map[string]any{}
		for dec.PeekKind() != '}' {
			name, err := dec.ReadToken()
			if err != nil {
				return nil
			}
			object[name.String()] = build(dec)
		}
		_, _ = dec.ReadToken()
		return object
	case '[':
		array := []any{}
		for dec.PeekKind() != ']' {
			array = append(array, build(dec))
		}
		_, _ = dec.ReadToken()
		return array
	case '"':
		return token.String()
	case '0':
		return json.Number(token.String())
	case 't':
		return true
	case 'f':
		return false
	default:
		return nil
	}
}
