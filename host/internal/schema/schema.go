// Package schema reads request bodies as strict JSON and checks them against JSON Schema (2020-12).
//
// A body is decoded once, into a [Document]; a [Schema], compiled when a plugin is described, judges it, and the same
// Document answers lookups by JSON pointer (RFC 6901) for dedup and ordering keys. Numbers keep their text all the way.
//
// Decoding checks every rule of the syntax while it reads the tokens and builds nothing. The tree that the validator
// walks is made when a Schema asks for it: a way of judging that needs none can be put before it, in [Schema.Validate].
package schema

import (
	"bytes"
	"fmt"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// MaxFaults is how many faults of one document are reported.
const MaxFaults = 20

// Schema is a compiled JSON Schema, safe for concurrent use.
type Schema struct {
	compiled *jsonschema.Schema
}

// document is the address under which a schema is compiled. No loader knows it.
const document = "schema:///document"

// Compile compiles the JSON Schema in doc, by default of the dialect 2020-12. The name stands in errors. References to
// other documents are refused: what a plugin accepts is known without asking the network. As the dialect has it, "format"
// is a note and not checked.
func Compile(name string, doc []byte) (*Schema, error) {
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(doc))
	if err != nil {
		return nil, fmt.Errorf("schema of %s is no JSON: %w", name, err)
	}
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft2020)
	c.UseLoader(noLoader{})
	if err := c.AddResource(document, value); err != nil {
		return nil, fmt.Errorf("schema of %s: %w", name, err)
	}
	compiled, err := c.Compile(document)
	if err != nil {
		return nil, fmt.Errorf("schema of %s: %w", name, err)
	}
	return &Schema{compiled: compiled}, nil
}

// noLoader refuses every document that a schema points to. The dialects themselves are part of the library.
type noLoader struct{}

func (noLoader) Load(url string) (any, error) {
	return nil, fmt.Errorf("a schema must stand alone, %s is not fetched", url)
}

// Validate answers the places at which d does not satisfy the schema, ordered by pointer, [MaxFaults] at most. None: it
// does satisfy it.
func (s *Schema) Validate(d *Document) []Fault {
	root := d.tree()
	err := s.compiled.Validate(root)
	if err == nil {
		return nil
	}
	return faultsOf(err, root)
}
