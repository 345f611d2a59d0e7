package schema_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"bulkhead.dev/host/internal/schema"
)

func compile(tb testing.TB, doc string) *schema.Schema {
	tb.Helper()
	s, err := schema.Compile("acme/events", []byte(doc))
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

func decode(tb testing.TB, body string) *schema.Document {
	tb.Helper()
	d, err := schema.Decode([]byte(body))
	if err != nil {
		tb.Fatal(err)
	}
	return d
}

func TestValidate(t *testing.T) {
	t.Parallel()
	type faults = []schema.Fault
	for name, tt := range map[string]struct {
		schema, body string
		want         faults
	}{
		"fits":          {`{"type":"object"}`, `{}`, nil},
		"nothing fits":  {`false`, `{}`, faults{{"", "must not be there"}}},
		"type":          {`{"type":"object"}`, `[]`, faults{{"", "must be an object, is an array"}}},
		"types":         {`{"type":["string","null"]}`, `1`, faults{{"", "must be null or a string, is a number"}}},
		"integer":       {`{"type":"integer"}`, `1.5`, faults{{"", "must be an integer, is a number"}}},
		"whole float":   {`{"type":"integer"}`, `1.0`, nil},
		"big integer":   {`{"type":"integer","maximum":9007199254740992}`, `9007199254740993`, faults{{"", "must be at most 9007199254740992"}}},
		"exact decimal": {`{"multipleOf":0.1}`, `0.30`, nil},
		"no multiple":   {`{"multipleOf":0.1}`, `0.35`, faults{{"", "must be a multiple of 0.1"}}},
		"bounds": {`{"items":{"minimum":1,"exclusiveMaximum":2.5}}`, `[0,1,2.5]`,
			faults{{"/0", "must be at least 1"}, {"/2", "must be less than 2.5"}}},
		"required": {`{"required":["id","at"]}`, `{}`,
			faults{{"", `lacks the member "at"`}, {"", `lacks the member "id"`}}},
		"unknown": {`{"properties":{"a":true},"additionalProperties":false}`, `{"z":1,"b":2,"a":3}`,
			faults{{"", `has a member "b", which is not known`}, {"", `has a member "z", which is not known`}}},
		"unevaluated": {`{"allOf":[{"properties":{"a":true}}],"unevaluatedProperties":false}`, `{"a":1,"b":2}`,
			faults{{"/b", "must not be there"}}},
		"pointer is escaped": {`{"additionalProperties":{"type":"string"}}`, `{"a/b~c":1}`,
			faults{{"/a~1b~0c", "must be a string, is a number"}}},
		"reference": {`{"$defs":{"n":{"type":"number"}},"properties":{"a":{"$ref":"#/$defs/n"}}}`, `{"a":"x"}`,
			faults{{"/a", "must be a number, is a string"}}},
		"recursive": {`{"$defs":{"n":{"properties":{"next":{"$ref":"#/$defs/n"},"v":{"type":"number"}}}},"$ref":"#/$defs/n"}`,
			`{"next":{"next":{"v":""}}}`, faults{{"/next/next/v", "must be a number, is a string"}}},
		"nullable, other type": {`{"anyOf":[{"type":"string","maxLength":2},{"type":"null"}]}`, `5`,
			faults{{"", "must be a string or null, is a number"}}},
		"nullable, right type": {`{"anyOf":[{"type":"string","maxLength":2},{"type":"null"}]}`, `"long"`,
			faults{{"", "must have at most 2 characters, has 4"}}},
		"nullable reference": {`{"$defs":{"u":{"type":"object","required":["id"]}},"oneOf":[{"$ref":"#/$defs/u"},{"type":"null"}]}`, `{}`,
			faults{{"", `lacks the member "id"`}}},
		"no branch": {`{"anyOf":[{"required":["a"]},{"required":["b"]}]}`, `{}`,
			faults{{"", "fits none of the 2 forms that are allowed"}}},
		"two branches": {`{"oneOf":[{"required":["a"]},{"required":["b"]}]}`, `{"a":1,"b":1}`,
			faults{{"", "fits more than one of the forms that exclude each other"}}},
		"excluded":      {`{"not":{"required":["a"]}}`, `{"a":1}`, faults{{"", "has a form that is excluded"}}},
		"const":         {`{"const":{"a":1}}`, `{}`, faults{{"", `must be {"a":1}`}}},
		"enum":          {`{"enum":["a",1,null]}`, `"b"`, faults{{"", `must be one of "a", 1, null`}}},
		"enum by value": {`{"enum":[100]}`, `1e2`, nil},
		"pattern":       {`{"pattern":"^[a-z]+$"}`, `"A"`, faults{{"", `must match the pattern "^[a-z]+$"`}}},
		"length counts": {`{"maxLength":2,"minLength":1}`, `"漢字"`, nil},
		"too short":     {`{"minLength":1}`, `""`, faults{{"", "must have at least 1 characters, has 0"}}},
		"items": {`{"minItems":3,"uniqueItems":true}`, `[1,1.0]`,
			faults{{"", "must have at least 3 items, has 2"}, {"", "must not hold an item twice, items 0 and 1 are equal"}}},
		"contains":       {`{"contains":{"type":"string"}}`, `[1]`, faults{{"", "must hold an item of a certain form, holds none"}}},
		"dependent":      {`{"dependentRequired":{"a":["b"]}}`, `{"a":1}`, faults{{"", `has "a" and must therefore have "b"`}}},
		"member count":   {`{"maxProperties":1}`, `{"a":1,"b":2}`, faults{{"", "must have at most 1 members, has 2"}}},
		"format is note": {`{"format":"date-time"}`, `"yesterday"`, nil},
		"member names": {`{"properties":{"m":{"propertyNames":{"pattern":"^[a-z]+$"}}}}`, `{"a":1,"m":{"A":1,"ok":2},"z":3}`,
			faults{{"/m", `has a member "A", whose name does not satisfy the schema`}}},
		"if then": {`{"if":{"required":["a"]},"then":{"required":["b"]}}`, `{"a":1}`, faults{{"", `lacks the member "b"`}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, doc := compile(t, tt.schema), decode(t, tt.body)
			for range 3 { // maps are walked in another order each time
				if diff := cmp.Diff(tt.want, s.Validate(doc)); diff != "" {
					t.Error(diff)
				}
			}
		})
	}
}

func TestValidateIsBounded(t *testing.T) {
	t.Parallel()
	members := make([]string, 5000)
	for i := range members {
		members[i] = fmt.Sprintf(`"m%04d":%d`, i, i)
	}
	doc := decode(t, "{"+strings.Join(members, ",")+"}")
	for name, s := range map[string]string{
		"each member wrong": `{"additionalProperties":{"type":"string"}}`,
		"none known":        `{"additionalProperties":false}`,
		"long pattern":      `{"additionalProperties":{"const":"` + strings.Repeat("x", 10_000) + `"}}`,
	} {
		faults := compile(t, s).Validate(doc)
		if len(faults) != schema.MaxFaults {
			t.Errorf("%s: %d faults, want %d", name, len(faults), schema.MaxFaults)
		}
		for i, f := range faults {
			if len(f.Message) > 200 {
				t.Errorf("%s: a message of %d bytes", name, len(f.Message))
			}
			if !strings.Contains(f.Pointer+f.Message, fmt.Sprintf("m%04d", i)) {
				t.Errorf("%s: fault %d is %v: not in order", name, i, f)
			}
		}
	}
}

func TestCompileRefuses(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ doc, want string }{
		"no JSON":          {`{`, "is no JSON"},
		"nothing":          {``, "is no JSON"},
		"two values":       {`{} {}`, "is no JSON"},
		"no schema":        {`[]`, "acme/events"},
		"unknown type":     {`{"type":"text"}`, "acme/events"},
		"bad pattern":      {`{"pattern":"("}`, "acme/events"},
		"remote":           {`{"$ref":"https://schemas.example/x.json"}`, "a schema must stand alone"},
		"remote, relative": {`{"$ref":"other.json"}`, "a schema must stand alone"},
		"file":             {`{"$ref":"file:///etc/hostname"}`, "a schema must stand alone"},
		"remote dialect":   {`{"$schema":"https://schemas.example/dialect"}`, "a schema must stand alone"},
		"dangling":         {`{"$ref":"#/$defs/none"}`, "acme/events"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := schema.Compile("acme/events", []byte(tt.doc))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Compile = %v, want it to hold %q", err, tt.want)
			}
		})
	}
}

func TestCompileAcceptsDialects(t *testing.T) {
	t.Parallel()
	for _, dialect := range []string{
		"https://json-schema.org/draft/2020-12/schema", "https://json-schema.org/draft/2019-09/schema", "http://json-schema.org/draft-07/schema#",
	} {
		s := compile(t, fmt.Sprintf(`{"$schema":%q,"$id":"https://acme.example/s","type":"object"}`, dialect))
		if faults := s.Validate(decode(t, `1`)); len(faults) != 1 {
			t.Errorf("%s: faults = %v", dialect, faults)
		}
	}
}

// event is a made-up webhook of 2 KB and the schema that an author's types would give.
func event(tb testing.TB) (body []byte, s *schema.Schema) {
	tb.Helper()
	type person struct {
		ID     string `json:"id"`
		Name   string `json:"name"`
		Active bool   `json:"active"`
	}
	type change struct {
		Field string `json:"field"`
		From  string `json:"from"`
		To    string `json:"to"`
	}
	var changes []change
	for i := range 12 {
		changes = append(changes, change{Field: fmt.Sprintf("field_%d", i), From: "the value before", To: "the value that stands now"})
	}
	body, err := json.Marshal(map[string]any{
		"event": "widget.updated", "timestamp": 1753428000123, "id": "e-7c1f",
		"actor":   person{"u-1", "Ada Example", true},
		"widget":  map[string]any{"id": 10042, "key": "ACME-42", "title": "A widget that turns", "labels": []string{"red", "round", "new"}, "owner": person{"u-2", "Bob Example", true}, "weight": 12.5},
		"changes": changes,
		"note":    strings.Repeat("A line of a comment that somebody typed. ", 14),
	})
	if err != nil {
		tb.Fatal(err)
	}
	return body, compile(tb, `{
		"$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object", "required": ["event", "timestamp", "widget"],
		"$defs": {
			"person": {"type": "object", "required": ["id"], "properties": {"id": {"type": "string"}, "name": {"type": "string"}, "active": {"type": "boolean"}}},
			"change": {"type": "object", "properties": {"field": {"type": "string"}, "from": {"type": "string"}, "to": {"type": "string"}}}
		},
		"properties": {
			"event": {"type": "string"}, "timestamp": {"type": "integer"}, "id": {"type": "string"}, "actor": {"$ref": "#/$defs/person"}, "note": {"type": "string"},
			"widget": {"type": "object", "required": ["id", "key"], "properties": {
				"id": {"type": "integer"}, "key": {"type": "string", "minLength": 1}, "title": {"type": "string"}, "weight": {"type": "number"},
				"labels": {"type": "array", "items": {"type": "string"}}, "owner": {"$ref": "#/$defs/person"}}},
			"changes": {"type": "array", "items": {"$ref": "#/$defs/change"}}
		}}`)
}

func TestEventFits(t *testing.T) {
	t.Parallel()
	body, s := event(t)
	if faults := s.Validate(decode(t, string(body))); faults != nil {
		t.Error(faults)
	}
}

func BenchmarkEvent(b *testing.B) {
	body, s := event(b)
	run := func(name string, f func() bool) {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				if !f() {
					b.Fatal("refused")
				}
			}
		})
	}
	run("json.Valid", func() bool { return json.Valid(body) })
	run("json.Unmarshal", func() bool { var v any; return json.Unmarshal(body, &v) == nil })
	run("Decode", func() bool { _, err := schema.Decode(body); return err == nil })
	run("Decode+Validate", func() bool {
		d, err := schema.Decode(body)
		return err == nil && s.Validate(d) == nil
	})
	run("Decode+Lookup", func() bool {
		d, err := schema.Decode(body)
		if err != nil {
			return false
		}
		_, ok := d.Lookup("/widget/id")
		return ok
	})
}
