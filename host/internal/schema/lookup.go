package schema

import (
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// Lookup answers the text of the scalar at an RFC 6901 pointer: a string's value, a number exactly as it was written,
// true or false. It answers "" and false when nothing stands there, or an object, an array or null, and when pointer is
// none. The empty pointer is the whole document.
func (d *Document) Lookup(pointer string) (string, bool) {
	dec := decoder(d.raw, jsontext.AllowDuplicateNames(true))
	for pointer != "" {
		rest, ok := strings.CutPrefix(pointer, "/")
		if !ok {
			return "", false
		}
		step, _, more := strings.Cut(rest, "/")
		if pointer = ""; more {
			pointer = rest[len(step):]
		}
		if step, ok = unescape(step); !ok || !enter(dec, step) {
			return "", false
		}
	}
	token, err := dec.ReadToken()
	if err != nil {
		return "", false
	}
	switch token.Kind() {
	case '"', '0', 't', 'f':
		return token.String(), true
	default:
		return "", false
	}
}

// enter moves dec in front of the value that step leads to from the next one.
func enter(dec *jsontext.Decoder, step string) bool {
	token, err := dec.ReadToken()
	if err != nil {
		return false
	}
	switch token.Kind() {
	case '{':
		return enterMember(dec, step)
	case '[':
		return enterItem(dec, step)
	default:
		return false
	}
}

func enterMember(dec *jsontext.Decoder, name string) bool {
	for dec.PeekKind() == '"' {
		token, err := dec.ReadToken()
		if err != nil {
			return false
		}
		if token.String() == name {
			return true
		}
		if dec.SkipValue() != nil {
			return false
		}
	}
	return false
}

func enterItem(dec *jsontext.Decoder, step string) bool {
	index, err := strconv.ParseUint(step, 10, 31)
	if err != nil || strconv.FormatUint(index, 10) != step { // no leading zero, no sign
		return false
	}
	for ; index > 0 && dec.PeekKind() != ']'; index-- {
		if dec.SkipValue() != nil {
			return false
		}
	}
	return dec.PeekKind() != ']'
}

// unescape undoes ~0 and ~1; a tilde before anything else is a mistake.
func unescape(step string) (string, bool) {
	if !strings.Contains(step, "~") {
		return step, true
	}
	var b strings.Builder
	for i := 0; i < len(step); i++ {
		if step[i] != '~' {
			b.WriteByte(step[i])
			continue
		}
		if i++; i == len(step) {
			return "", false
		}
		switch step[i] {
		case '0':
			b.WriteByte('~')
		case '1':
			b.WriteByte('/')
		default:
			return "", false
		}
	}
	return b.String(), true
}

// escape is the reverse of unescape.
func escape(step string) string {
	return strings.NewReplacer("~", "~0", "/", "~1").Replace(step)
}

// pointerTo writes the path to a value as a pointer.
func pointerTo(path []string) string {
	var b strings.Builder
	for _, step := range path {
		b.WriteByte('/')
		b.WriteString(escape(step))
	}
	return b.String()
}
