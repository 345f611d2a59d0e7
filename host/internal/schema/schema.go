// Package schema reads request bodies as strict JSON and checks them against JSON Schema (2020-12).
//
// A body is decoded once, into a [Document]; a [Schema], compiled when a plugin is described, judges it, and the same
// Document answers lookups by JSON pointer (RFC 6901) for dedup and ordering keys. Numbers keep their text all the way.
package schema

// MaxFaults is how many faults of one document are reported.
const MaxFaults = 20

// Fault is one place where a document does not satisfy its schema.
type Fault struct {
	// Pointer is where, as an RFC 6901 JSON pointer; empty: the whole document.
	Pointer string `json:"pointer"`
	// Message says what is wanted there, for people.
	Message string `json:"message"`
}

// Schema is a compiled JSON Schema, safe for concurrent use.
type Schema struct{}

// Compile compiles the JSON Schema in doc. The name stands in errors. References to other documents are refused: what a
// plugin accepts is known without asking the network.
func Compile(name string, doc []byte) (*Schema, error) { return &Schema{}, nil }

// Validate answers the first [MaxFaults] places, ordered by pointer, at which d does not satisfy the schema; none: it does.
func (s *Schema) Validate(d *Document) []Fault { return nil }

// SyntaxError says that a body is not strict JSON.
type SyntaxError struct {
	// Offset is the byte at which reading stopped.
	Offset int64
	// Pointer is the value that was being read; empty: the whole.
	Pointer string
	// Reason says what is wrong, for people.
	Reason string
}

func (e *SyntaxError) Error() string { return e.Reason }

// Document is a decoded body. It must not be used by several goroutines at once, and reads the body it was made from,
// which must not change.
type Document struct{}

// Decode reads body as one strict JSON value. Its error is a *[SyntaxError].
func Decode(body []byte) (*Document, error) { return &Document{}, nil }

// DecodeForm reads an application/x-www-form-urlencoded body as a JSON object: a field is a string, a repeated one an
// array of strings. Its error is a *[SyntaxError].
func DecodeForm(body []byte) (*Document, error) { return &Document{}, nil }

// Lookup answers the text of the scalar at an RFC 6901 pointer: a string's value, a number exactly as it was written,
// true or false. It answers "" and false when there is none, or an object, an array or null.
func (d *Document) Lookup(pointer string) (string, bool) { return "", false }

// JSON answers the document as JSON: the body itself, or what a form stands for.
func (d *Document) JSON() []byte { return nil }
