package schema_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"bulkhead.dev/host/internal/schema"
)

func TestDecodeRefuses(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		body string
		want schema.SyntaxError // of Reason only a part
	}{
		"nothing":             {"", schema.SyntaxError{Reason: "empty"}},
		"blanks":              {" \n\t", schema.SyntaxError{Offset: 3, Reason: "empty"}},
		"two values":          {`{} {}`, schema.SyntaxError{Offset: 4, Reason: "something follows"}},
		"rubbish after":       {`{}x`, schema.SyntaxError{Offset: 2, Reason: "something follows"}},
		"cut short":           {`{"a":[1,`, schema.SyntaxError{Offset: 8, Reason: "ends in the middle"}},
		"cut in a string":     {`{"a":"x`, schema.SyntaxError{Offset: 7, Reason: "ends in the middle"}},
		"cut in a literal":    {`tru`, schema.SyntaxError{Offset: 3, Reason: "ends in the middle"}},
		"invalid UTF-8":       {"{\"a\":\"\xff\"}", schema.SyntaxError{Offset: 6, Reason: "UTF-8"}},
		"byte order mark":     {"\xef\xbb\xbf{}", schema.SyntaxError{Reason: "invalid character"}},
		"name twice":          {`{"a":{"b":1,"b":2}}`, schema.SyntaxError{Offset: 12, Pointer: "/a/b", Reason: "twice"}},
		"name twice, escaped": {`{"b":1,"\u0062":2}`, schema.SyntaxError{Offset: 7, Pointer: "/b", Reason: "twice"}},
		"single quotes":       {`{'a':1}`, schema.SyntaxError{Offset: 1, Reason: "invalid character"}},
		"comment":             {`{/**/}`, schema.SyntaxError{Offset: 1, Reason: "invalid character"}},
		"trailing comma":      {`[1,]`, schema.SyntaxError{Offset: 2, Reason: "invalid character"}},
		"leading zero":        {`[01]`, schema.SyntaxError{Offset: 2, Reason: "invalid character"}},
		"NaN":                 {`NaN`, schema.SyntaxError{Reason: "invalid character"}},
		"control character":   {"\"a\nb\"", schema.SyntaxError{Offset: 2, Reason: "invalid character"}},
		"bad escape":          {`"\x"`, schema.SyntaxError{Offset: 1, Reason: "invalid escape"}},
		"huge exponent":       {`{"n":1e999999}`, schema.SyntaxError{Offset: 4, Pointer: "/n", Reason: "out of range"}},
		"tiny exponent":       {`1E-401`, schema.SyntaxError{Reason: "out of range"}},
		"endless exponent":    {`1e99999999999999999999`, schema.SyntaxError{Reason: "out of range"}},
		"long number":         {strings.Repeat("9", 401), schema.SyntaxError{Reason: "out of range"}},
		"too deep": {strings.Repeat("[", 65) + strings.Repeat("]", 65),
			schema.SyntaxError{Offset: 65, Pointer: strings.Repeat("/0", 64), Reason: "deeper than 64"}},
		"too many": {"[" + strings.Repeat("1,", schema.MaxValues) + "1]",
			schema.SyntaxError{Reason: "more than 500000 values"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			doc, err := schema.Decode([]byte(tt.body))
			var got *schema.SyntaxError
			if doc != nil || !errors.As(err, &got) {
				t.Fatalf("Decode = %v, %v; want a SyntaxError", doc, err)
			}
			if !strings.Contains(got.Reason, tt.want.Reason) {
				t.Errorf("reason = %q, want it to hold %q", got.Reason, tt.want.Reason)
			}
			if name == "too many" { // where exactly does not matter
				return
			}
			if got.Offset != tt.want.Offset || got.Pointer != tt.want.Pointer {
				t.Errorf("at byte %d in %q, want %d in %q (%s)", got.Offset, got.Pointer, tt.want.Offset, tt.want.Pointer, got.Reason)
			}
		})
	}
}

func TestDecodeAccepts(t *testing.T) {
	t.Parallel()
	for _, body := range []string{
		`{}`, `[]`, ` null `, `0`, `-0.0`, `"x"`, `true`, `{"":{"":[]}}`, `1e400`, `{"a":1,"A":2}`,
		strings.Repeat("[", 64) + strings.Repeat("]", 64),
		strings.Repeat("9", 400),
		`"\ud83d"`,     // half an emoji, as a sender cuts it
		`"a\u0000b"`,   // legal, if unloved
		`"\u2028 é 漢"`, // beyond ASCII
	} {
		if _, err := schema.Decode([]byte(body)); err != nil {
			t.Errorf("Decode(%.40s) = %v", body, err)
		}
	}
}

const orders = `{
	"id": "o-1", "big": 9007199254740993, "exact": 1.10, "exp": 1E2, "yes": true, "no": false, "none": null, "empty": "",
	"a/b": {"m~n": "odd"}, "": "nameless", "items": [{"sku": "x"}, {"sku": "y"}, [7]], "half": "\ud83d!", "\u00e9": "accent"
}`

func TestLookup(t *testing.T) {
	t.Parallel()
	doc, err := schema.Decode([]byte(orders))
	if err != nil {
		t.Fatal(err)
	}
	for pointer, want := range map[string]string{
		"/id": "o-1", "/big": "9007199254740993", "/exact": "1.10", "/exp": "1E2", "/yes": "true", "/no": "false",
		"/empty": "", "/a~1b/m~0n": "odd", "/": "nameless", "/items/0/sku": "x", "/items/1/sku": "y", "/items/2/0": "7",
		"/half": "\ufffd!", "/é": "accent",
	} {
		if got, ok := doc.Lookup(pointer); !ok || got != want {
			t.Errorf("Lookup(%q) = %q, %v; want %q", pointer, got, ok, want)
		}
	}
	for _, pointer := range []string{
		"", "/none", "/absent", "/items", "/items/0", "/items/3", "/items/00", "/items/+1", "/items/-", "/items/-1", "/items/x",
		"/items/99999999999999999999", "/id/x", "id", "/a~1b/m~n", "/a~2b", "/a~", "/none/x", "//",
	} {
		if got, ok := doc.Lookup(pointer); ok || got != "" {
			t.Errorf("Lookup(%q) = %q, %v; want nothing", pointer, got, ok)
		}
	}
	if scalar, err := schema.Decode([]byte(`"whole"`)); err != nil {
		t.Error(err)
	} else if got, ok := scalar.Lookup(""); !ok || got != "whole" {
		t.Errorf(`Lookup("") = %q, %v`, got, ok)
	}
}

func TestDecodeForm(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]string{
		"":                                `{}`,
		"b=2&a=1":                         `{"a":"1","b":"2"}`,
		"a=1&a=2&a":                       `{"a":["1","2",""]}`,
		"text=a+b%20%26%20%C3%A9":         `{"text":"a b & é"}`,
		"payload=%7B%22k%22%3A%22v%22%7D": `{"payload":"{\"k\":\"v\"}"}`,
	} {
		doc, err := schema.DecodeForm([]byte(body))
		if err != nil {
			t.Errorf("DecodeForm(%q) = %v", body, err)
			continue
		}
		if diff := cmp.Diff(want, string(doc.JSON())); diff != "" {
			t.Errorf("DecodeForm(%q): %s", body, diff)
		}
	}
	for _, body := range []string{"a=%zz", "a=1;b=2", "a=%ff", "%ff=1", "\xff"} {
		_, err := schema.DecodeForm([]byte(body))
		if syntax := new(schema.SyntaxError); !errors.As(err, &syntax) {
			t.Errorf("DecodeForm(%q) = %v, want a SyntaxError", body, err)
		}
	}
}

// FuzzDecode holds Decode against encoding/json: what is let in, that reads too.
func FuzzDecode(f *testing.F) {
	for _, seed := range []string{orders, `{"a":1,"a":2}`, `[1e400,1e401]`, `"\ud83d"`, "\xff", ``, `{}{}`} {
		f.Add([]byte(seed))
	}
	anything := compile(f, `true`)
	f.Fuzz(func(t *testing.T, body []byte) {
		doc, err := schema.Decode(body)
		if err != nil {
			var syntax *schema.SyntaxError
			if !errors.As(err, &syntax) || syntax.Reason == "" || syntax.Offset < 0 || syntax.Offset > int64(len(body)) {
				t.Fatalf("Decode(%q) = %#v", body, err)
			}
			return
		}
		if !json.Valid(body) || !utf8.Valid(body) {
			t.Fatalf("Decode let in %q", body)
		}
		if faults := anything.Validate(doc); faults != nil {
			t.Fatalf("the schema true refuses %q: %v", body, faults)
		}
	})
}

// FuzzLookup holds Lookup against a walk over what encoding/json makes of the body.
func FuzzLookup(f *testing.F) {
	for _, pointer := range []string{"/id", "/a~1b/m~0n", "/items/1/sku", "/items/01", "", "/", "/~", "/none"} {
		f.Add([]byte(orders), pointer)
	}
	f.Fuzz(func(t *testing.T, body []byte, pointer string) {
		doc, err := schema.Decode(body)
		if err != nil {
			return
		}
		got, ok := doc.Lookup(pointer)
		want, found := walk(t, body, pointer)
		if got != want || ok != found {
			t.Fatalf("Lookup(%q) in %q = %q, %v; want %q, %v", pointer, body, got, ok, want, found)
		}
	})
}

// walk is Lookup written for clearness: RFC 6901, section 4, on a decoded tree.
func walk(t *testing.T, body []byte, pointer string) (string, bool) {
	t.Helper()
	dec := json.NewDecoder(strings.NewReader(string(body)))
	dec.UseNumber()
	var value any
	if err := dec.Decode(&value); err != nil {
		t.Fatalf("encoding/json refuses %q: %v", body, err)
	}
	steps := strings.Split(pointer, "/")
	if steps[0] != "" {
		return "", false
	}
	for _, step := range steps[1:] {
		bare := strings.ReplaceAll(strings.ReplaceAll(step, "~0", ""), "~1", "")
		if strings.Contains(bare, "~") {
			return "", false
		}
		step = strings.ReplaceAll(strings.ReplaceAll(step, "~1", "/"), "~0", "~")
		switch v := value.(type) {
		case map[string]any:
			value = v[step]
		case []any:
			value = nil
			for i := range v {
				if fmt.Sprint(i) == step {
					value = v[i]
				}
			}
		default:
			return "", false
		}
	}
	switch v := value.(type) {
	case string:
		return v, true
	case json.Number:
		return v.String(), true
	case bool:
		return fmt.Sprint(v), true
	default:
		return "", false
	}
}
