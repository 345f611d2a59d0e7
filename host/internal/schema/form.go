package schema

import (
	"net/url"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// DecodeForm reads an application/x-www-form-urlencoded body as a JSON object: a field is a string, one that is repeated
// an array of strings in the order sent. Members stand in the order of their names. Its error is a *[SyntaxError].
func DecodeForm(body []byte) (*Document, error) {
	fields, err := url.ParseQuery(string(body))
	if err != nil {
		return nil, &SyntaxError{Reason: "the form holds a bad escape or a semicolon between fields"}
	}
	names := make([]string, 0, len(fields))
	values := 0
	for name := range fields {
		names = append(names, name)
		values += len(fields[name])
	}
	if values > MaxValues {
		return nil, &SyntaxError{Reason: "the form holds too many fields"}
	}
	slices.Sort(names)
	out := []byte{'{'}
	for i, name := range names {
		if i > 0 {
			out = append(out, ',')
		}
		if out, err = appendString(out, name); err != nil {
			return nil, notUTF8(body, name)
		}
		out = append(out, ':')
		if out, err = appendField(out, fields[name]); err != nil {
			return nil, notUTF8(body, name)
		}
	}
	return &Document{raw: append(out, '}')}, nil
}

func appendField(out []byte, values []string) ([]byte, error) {
	if len(values) == 1 {
		return appendString(out, values[0])
	}
	out = append(out, '[')
	for i, value := range values {
		if i > 0 {
			out = append(out, ',')
		}
		var err error
		if out, err = appendString(out, value); err != nil {
			return nil, err
		}
	}
	return append(out, ']'), nil
}

// appendString fails only on a text that is not valid UTF-8.
func appendString(out []byte, text string) ([]byte, error) {
	return jsontext.AppendQuote(out, text)
}

func notUTF8(body []byte, name string) *SyntaxError {
	e := &SyntaxError{Reason: "the form is not valid UTF-8"}
	if i := strings.Index(string(body), name); i >= 0 {
		e.Offset = int64(i)
	}
	return e
}
