package sdk

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"bulkhead.dev/sdk/pluginv1"

	"github.com/invopop/jsonschema"
)

// SettingError is one fault of the settings, shown to the operator beside the setting. FieldError makes it.
type SettingError struct {
	// Field is the key, with dots for what is nested; empty: the settings as a whole.
	Field string
	// Message says what is wrong and never what the value was.
	Message string
}

// Error is the field and the message.
func (e *SettingError) Error() string {
	if e.Field == "" {
		return e.Message
	}
	return e.Field + ": " + e.Message
}

// FieldError is an error of one setting, for the function given to Configure; several go together with errors.Join. The
// message is shown on pages and in logs: name no secret in it.
func FieldError(field, format string, args ...any) error {
	return &SettingError{Field: field, Message: fmt.Sprintf(format, args...)}
}

// fieldErrors takes err apart into what the host shows.
func fieldErrors(err error) []*pluginv1.FieldError {
	var list []*pluginv1.FieldError
	var walk func(err error)
	walk = func(err error) {
		if joined, ok := err.(interface{ Unwrap() []error }); ok {
			for _, e := range joined.Unwrap() {
				walk(e)
			}
			return
		}
		m := &pluginv1.FieldError{Message: reason(err)}
		var fault *SettingError
		if errors.As(err, &fault) {
			m.Field = valid(fault.Field)
			if err == error(fault) { //nolint:errorlint // whether it stands alone or inside a longer text
				m.Message = valid(fault.Message)
			}
		}
		if len(list) < maxFaults {
			list = append(list, m)
		}
	}
	walk(err)
	return list
}

// setting is one field of a settings struct, by its tags.
type setting struct {
	key         string // with dots for what is nested
	name        string
	typ         reflect.Type
	index       []int
	required    bool
	secret      bool
	fallback    string // the tag default
	hasFallback bool
	description string
	enum        []string
	nested      []setting // of a struct
}

// settingsSchema derives the JSON Schema of settings of type t (nil: none) and lists them, or says which tags are wrong.
func settingsSchema(t reflect.Type) ([]byte, []setting, error) {
	list, err := settingsOf(t)
	if err != nil {
		return nil, nil, err
	}
	root, err := settingsObject(list)
	if err != nil {
		return nil, nil, err
	}
	root.Version = jsonschema.Version
	raw, err := json.Marshal(root)
	return raw, list, err
}

func settingsOf(t reflect.Type) ([]setting, error) {
	if t == nil {
		return nil, nil
	}
	if t.Kind() != reflect.Struct || isLeaf(t) {
		return nil, fmt.Errorf("%s is not a struct", t)
	}
	if recursive(t, nil) {
		return nil, fmt.Errorf("%s holds itself", t)
	}
	return settingsWithin(t, "")
}

func settingsWithin(t reflect.Type, prefix string) ([]setting, error) {
	var list []setting
	var faults []error
	for _, f := range fieldsOf(t) {
		s := setting{
			key: prefix + f.name, name: f.name, typ: f.typ, index: f.index, description: f.tag.Get("description"),
		}
		if err := s.readTags(f.tag); err != nil {
			faults = append(faults, fmt.Errorf("field %s: %w", s.key, err))
		}
		if f.typ.Kind() == reflect.Struct && !isLeaf(f.typ) {
			var err error
			if s.nested, err = settingsWithin(f.typ, s.key+"."); err != nil {
				faults = append(faults, err)
			}
		}
		list = append(list, s)
	}
	return list, errors.Join(faults...)
}

func (s *setting) readTags(tag reflect.StructTag) error {
	if flags, ok := tag.Lookup("setting"); ok {
		for flag := range strings.SplitSeq(flags, ",") {
			switch flag {
			case "required":
				s.required = true
			case "secret":
				s.secret = true
			default:
				return fmt.Errorf(`%q in the tag "setting" is neither required nor secret`, flag)
			}
		}
	}
	if values, ok := tag.Lookup("enum"); ok {
		if s.typ.Kind() != reflect.String {
			return errors.New(`the tag "enum" is for text`)
		}
		s.enum = strings.Split(values, ",")
	}
	if s.fallback, s.hasFallback = tag.Lookup("default"); !s.hasFallback {
		return nil
	}
	switch {
	case s.required:
		return errors.New("a required setting has no default")
	case s.secret:
		return errors.New("a secret has no default")
	}
	if err := s.decode(s.fallbackJSON(), reflect.New(s.typ).Elem()); err != nil {
		return fmt.Errorf("the default: %w", err)
	}
	return nil
}

// fallbackJSON is the default as the setting would be written: text for all that can be, else the tag is JSON itself.
func (s *setting) fallbackJSON() json.RawMessage {
	if !isLeaf(deref(s.typ)) {
		return json.RawMessage(s.fallback)
	}
	raw, err := json.Marshal(s.fallback)
	if err != nil { // text always marshals
		return nil
	}
	return raw
}

func settingsObject(list []setting) (*jsonschema.Schema, error) {
	o := &jsonschema.Schema{
		Type: "object", Properties: jsonschema.NewProperties(), AdditionalProperties: jsonschema.FalseSchema,
	}
	var faults []error
	for _, s := range list {
		property, err := s.schema()
		if err != nil {
			faults = append(faults, fmt.Errorf("field %s: %w", s.key, err))
			continue
		}
		property.Description, property.WriteOnly = s.description, s.secret
		for _, value := range s.enum {
			property.Enum = append(property.Enum, value)
		}
		if s.needed() {
			o.Required = append(o.Required, s.name)
		}
		if s.required && property.Type == "string" {
			property.MinLength = new(uint64(1))
		}
		o.Properties.Set(s.name, property)
	}
	return o, errors.Join(faults...)
}

func (s *setting) schema() (*jsonschema.Schema, error) {
	t := deref(s.typ)
	switch {
	case s.nested != nil:
		return settingsObject(s.nested)
	case t == reflect.TypeFor[time.Duration]():
		p := &jsonschema.Schema{Type: "string", Pattern: `^([0-9]+(\.[0-9]+)?(ns|us|ms|s|m|h))+$`}
		if s.hasFallback {
			p.Default = s.fallback
		}
		return p, nil
	}
	if at := taggedWithin(t); at != "" {
		return nil, fmt.Errorf("the tags of %s have no effect inside a list or map", at)
	}
	p, err := inlinedSchema(t)
	if err != nil {
		return nil, err
	}
	switch {
	case !s.hasFallback:
	case p.Type == "string":
		p.Default = s.fallback
	default: // number, integer, boolean, and the JSON of lists and objects
		p.Default = json.RawMessage(s.fallback)
	}
	return p, nil
}

// taggedWithin answers a field that stands in a list or map and has a tag which is not read there, or nothing.
func taggedWithin(t reflect.Type) string {
	switch t = deref(t); t.Kind() {
	case reflect.Slice, reflect.Array, reflect.Map:
		return taggedWithin(t.Elem())
	case reflect.Struct:
		if isLeaf(t) || mapped(t) != nil {
			return ""
		}
		for _, f := range fieldsOf(t) {
			for _, key := range []string{"setting", "default", "enum"} {
				if _, ok := f.tag.Lookup(key); ok {
					return t.String() + "." + f.name
				}
			}
			if at := taggedWithin(f.typ); at != "" {
				return at
			}
		}
	}
	return ""
}

// needed says whether the settings are incomplete without this one.
func (s *setting) needed() bool {
	return s.required || slices.ContainsFunc(s.nested, func(in setting) bool { return in.needed() })
}

// decodeSettings reads the settings object into the struct that into points to. Faults are SettingErrors, joined.
func decodeSettings(raw []byte, into any) error {
	target := reflect.ValueOf(into).Elem()
	list, err := settingsOf(target.Type())
	if err != nil {
		return FieldError("", "the plugin's settings are declared wrongly: %v", err)
	}
	if len(raw) == 0 {
		raw = []byte("{}")
	}
	return errors.Join(bounded(decodeSettingsObject(raw, "", list, target))...)
}

func bounded(faults []error) []error { return faults[:min(len(faults), maxFaults)] }

func decodeSettingsObject(raw []byte, at string, list []setting, target reflect.Value) (faults []error) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(raw, &members); err != nil || members == nil {
		return []error{FieldError(at, "is not an object with settings")}
	}
	prefix := ""
	if at != "" {
		prefix = at + "."
	}
	known := map[string]bool{}
	for _, s := range list {
		known[s.name] = true
		faults = append(faults, s.take(members[s.name], fieldAt(target, s.index))...)
	}
	for _, name := range slices.Sorted(maps.Keys(members)) {
		if !known[name] {
			faults = append(faults, FieldError(prefix+name, "is unknown; the settings here are: %s", names(list)))
		}
	}
	return faults
}

// take reads one setting, or its default where it is missing. null counts as missing.
func (s *setting) take(raw json.RawMessage, target reflect.Value) []error {
	missing := len(raw) == 0 || string(raw) == "null"
	switch {
	case s.nested != nil && missing:
		if s.required {
			return []error{FieldError(s.key, "is required")}
		}
		return decodeSettingsObject([]byte("{}"), s.key, s.nested, target)
	case s.nested != nil:
		return decodeSettingsObject(raw, s.key, s.nested, target)
	case missing && s.hasFallback:
		raw = s.fallbackJSON()
	case missing && s.required:
		return []error{FieldError(s.key, "is required")}
	case missing:
		return nil
	}
	if err := s.decode(raw, target); err != nil {
		return []error{FieldError(s.key, "%v", err)}
	}
	if s.required && isEmpty(target) {
		return []error{FieldError(s.key, "is required and must not be empty")}
	}
	return nil
}

func isEmpty(v reflect.Value) bool {
	for v.Kind() == reflect.Pointer {
		if v.IsNil() {
			return true
		}
		v = v.Elem()
	}
	switch v.Kind() {
	case reflect.String, reflect.Slice, reflect.Map:
		return v.Len() == 0
	}
	return false
}

func names(list []setting) string {
	all := make([]string, len(list))
	for i, s := range list {
		all[i] = s.name
	}
	slices.Sort(all)
	return listed(all)
}
