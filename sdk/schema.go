package sdk

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/invopop/jsonschema"
)

// payloadSchema derives the JSON Schema (2020-12) of a payload, or nothing for a type that takes any body. It says no
// more than what the Go decoder insists on: vendors add members, leave out what is optional and write null there.
//
//   - A member is required unless its field is a pointer or has omitempty or omitzero; `jsonschema:"required"` makes it so
//     in any case. A required member is not null.
//   - An optional member, a slice, a map and whatever holds a pointer may be null.
//   - A type with a method UnmarshalJSON takes anything, unless it has a method JSONSchema too; one with UnmarshalText
//     takes a string.
//   - The tags jsonschema and jsonschema_description of github.com/invopop/jsonschema say more (enum, minLength ...).
func payloadSchema(t reflect.Type) ([]byte, error) {
	if t = deref(t); t.Kind() == reflect.Interface || t == reflect.TypeFor[[]byte]() || t == reflect.TypeFor[json.RawMessage]() {
		return nil, nil
	}
	schema, err := reflectSchema(t)
	if err != nil {
		return nil, err
	}
	return json.Marshal(schema)
}

// textSchema derives the schema of a payload that comes as an object of texts, from a form or a query: the members that
// are required, and what Go takes as text. The rest is seen when the text is read.
func textSchema(t reflect.Type) ([]byte, error) {
	t = deref(t)
	if t.Kind() != reflect.Struct || mapped(t) != nil || hasSchema(t) {
		return nil, nil
	}
	schema, err := reflectSchema(t)
	if err != nil {
		return nil, err
	}
	if name, ok := strings.CutPrefix(schema.Ref, reference("")); ok {
		schema = schema.Definitions[name]
	}
	schema.Version, schema.Definitions = jsonschema.Version, nil
	for _, f := range fieldsOf(t) {
		if inner := deref(f.typ); hasSchema(inner) || inner.Kind() != reflect.String && !isText(inner) {
			schema.Properties.Set(f.name, &jsonschema.Schema{})
		}
	}
	return json.Marshal(schema)
}

// reflectSchema derives the schema of a payload and corrects it by what Go's decoder does with null and with fields left
// out.
func reflectSchema(t reflect.Type) (*jsonschema.Schema, error) {
	names := naming{}
	schema, err := reflected(t, &jsonschema.Reflector{
		Anonymous: true, AllowAdditionalProperties: true, ExpandedStruct: true, Namer: names.of, Mapper: mapped,
	})
	if err != nil {
		return nil, err
	}
	c := corrector{seen: map[*jsonschema.Schema]bool{}, definitions: schema.Definitions}
	c.correct(schema, t)
	for typ, name := range names {
		if definition := schema.Definitions[name]; definition != nil {
			c.correct(definition, typ)
		}
	}
	if name, ok := names[t]; ok && c.refersTo(name) {
		// The library takes the root out of the definitions although a recursive type refers to it.
		root := *schema
		root.Version, root.Definitions = "", nil
		definitions := schema.Definitions
		definitions[name] = &root
		schema = &jsonschema.Schema{Version: jsonschema.Version, Ref: reference(name), Definitions: definitions}
	}
	return schema, nil
}

// inlinedSchema derives the schema of a value inside the settings: no member is required there, none may be unknown, and
// there are no references, for they could not reach the root from inside.
func inlinedSchema(t reflect.Type) (*jsonschema.Schema, error) {
	schema, err := reflected(t, &jsonschema.Reflector{
		Anonymous: true, DoNotReference: true, RequiredFromJSONSchemaTags: true, Mapper: mapped,
	})
	if err != nil {
		return nil, err
	}
	schema.Version = ""
	return schema, nil
}

// reflected guards against the library, which panics on a type that JSON can't hold, such as a channel.
func reflected(t reflect.Type, r *jsonschema.Reflector) (schema *jsonschema.Schema, err error) {
	defer func() {
		if p := recover(); p != nil {
			schema, err = nil, fmt.Errorf("%s has no JSON Schema: %v", t, p)
		}
	}()
	return r.ReflectFromType(t), nil
}

// naming gives each Go type a name of its own that can stand in a reference: two packages may use the same one, and the
// name of a generic type holds slashes.
type naming map[reflect.Type]string

func (n naming) of(t reflect.Type) string {
	if t.Name() == "" {
		return ""
	}
	if name, ok := n[t]; ok {
		return name
	}
	base := strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r == '_' {
			return r
		}
		return '_'
	}, t.Name())
	name := base
	for i := 2; n.taken(name); i++ {
		name = base + strconv.Itoa(i)
	}
	n[t] = name
	return name
}

func (n naming) taken(name string) bool {
	for _, other := range n {
		if other == name {
			return true
		}
	}
	return false
}

func reference(name string) string { return "#/$defs/" + name }

// mapped answers the schema of types whose shape in JSON is not that of their fields.
func mapped(t reflect.Type) *jsonschema.Schema {
	if t == reflect.TypeFor[json.RawMessage]() || t == reflect.TypeFor[time.Time]() || hasSchema(t) {
		return nil
	}
	switch {
	case isText(t):
		return &jsonschema.Schema{Type: "string"}
	case reflect.PointerTo(t).Implements(reflect.TypeFor[json.Unmarshaler]()):
		return &jsonschema.Schema{}
	case t == reflect.TypeFor[json.Number]():
		return &jsonschema.Schema{Type: "number"}
	case t.Kind() >= reflect.Uint && t.Kind() <= reflect.Uint64:
		return &jsonschema.Schema{Type: "integer", Minimum: "0"}
	}
	return nil
}

func hasSchema(t reflect.Type) bool {
	return t.Implements(reflect.TypeFor[interface{ JSONSchema() *jsonschema.Schema }]())
}

// corrector walks a schema beside the Go type that it was made from.
type corrector struct {
	seen        map[*jsonschema.Schema]bool
	definitions jsonschema.Definitions
	references  []string
}

func (c *corrector) correct(s *jsonschema.Schema, t reflect.Type) {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if s == nil || c.seen[s] {
		return
	}
	c.seen[s] = true
	if s.Ref != "" {
		c.references = append(c.references, s.Ref)
		return
	}
	if hasSchema(t) || mapped(t) != nil {
		return
	}
	switch {
	case t.Kind() == reflect.Struct && s.Properties != nil:
		c.object(s, t)
	case (t.Kind() == reflect.Slice || t.Kind() == reflect.Array) && s.Items != nil:
		c.correct(s.Items, t.Elem())
		s.Items = nullIf(isNilable(t.Elem()), s.Items)
	case t.Kind() == reflect.Map && s.AdditionalProperties != nil && len(s.PatternProperties) == 0:
		c.correct(s.AdditionalProperties, t.Elem())
		s.AdditionalProperties = nullIf(isNilable(t.Elem()), s.AdditionalProperties)
	}
}

func (c *corrector) object(s *jsonschema.Schema, t reflect.Type) {
	for _, f := range fieldsOf(t) {
		property, ok := s.Properties.Get(f.name)
		if !ok {
			continue
		}
		c.correct(property, f.typ)
		if f.optional && !f.required {
			s.Required = slices.DeleteFunc(s.Required, func(name string) bool { return name == f.name })
		}
		s.Properties.Set(f.name, nullIf(!f.required && (f.optional || isNilable(f.typ)), property))
	}
}

func (c *corrector) refersTo(name string) bool { return slices.Contains(c.references, reference(name)) }

func isNilable(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Map:
		return true
	}
	return false
}

// nullIf lets s take null too. The library's Type holds one name only, so the list goes in as an extra keyword.
func nullIf(nullable bool, s *jsonschema.Schema) *jsonschema.Schema {
	switch {
	case !nullable || s.Const != nil:
		return s
	case s.Ref != "" || len(s.OneOf) > 0 || len(s.AnyOf) > 0 || len(s.AllOf) > 0 || s.Not != nil:
		return &jsonschema.Schema{
			Description: s.Description, AnyOf: []*jsonschema.Schema{without(s), {Type: "null"}},
		}
	case s.Type == "":
		return s // takes anything already
	}
	if len(s.Enum) > 0 {
		s.Enum = append(s.Enum, nil)
	}
	if s.Extras == nil {
		s.Extras = map[string]any{}
	}
	s.Extras["type"], s.Type = []string{s.Type, "null"}, ""
	return s
}

// without is s less its description, which has moved out.
func without(s *jsonschema.Schema) *jsonschema.Schema {
	inner := *s
	inner.Description = ""
	return &inner
}

// field is one member of an object as encoding/json sees it.
type field struct {
	name     string
	typ      reflect.Type
	tag      reflect.StructTag
	index    []int
	optional bool // pointer, omitempty or omitzero
	required bool // by its jsonschema tag
}

// fieldsOf lists the members of a struct, those of embedded structs among them.
func fieldsOf(t reflect.Type) []field { return appendFields(nil, t, nil, nil) }

func appendFields(fields []field, t reflect.Type, index []int, within []reflect.Type) []field {
	for i := range t.NumField() {
		f := t.Field(i)
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name == "-" && options == "" {
			continue
		}
		at := append(slices.Clone(index), i)
		inner := f.Type
		if inner.Kind() == reflect.Pointer {
			inner = inner.Elem()
		}
		if f.Anonymous && name == "" && inner.Kind() == reflect.Struct && mapped(inner) == nil {
			if !slices.Contains(within, inner) {
				fields = appendFields(fields, inner, at, append(slices.Clone(within), inner))
			}
			continue
		}
		if !f.IsExported() {
			continue
		}
		if name == "" {
			name = f.Name
		}
		flags := strings.Split(options, ",")
		fields = append(fields, field{
			name: name, typ: f.Type, tag: f.Tag, index: at,
			optional: f.Type.Kind() == reflect.Pointer || slices.Contains(flags, "omitempty") || slices.Contains(flags, "omitzero"),
			required: slices.Contains(strings.Split(f.Tag.Get("jsonschema"), ","), "required"),
		})
	}
	return fields
}
