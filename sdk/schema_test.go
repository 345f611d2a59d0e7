package sdk

import (
	"bytes"
	"encoding/json"
	"flag"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files anew")

// loose is what many vendors' events look like: one member that tells what happened, all else as it comes.
type loose struct {
	Event string          `json:"event" jsonschema:"minLength=1"`
	Thing json.RawMessage `json:"thing,omitempty"`
}

type person struct {
	ID      int64             `json:"id"`
	Name    string            `json:"name,omitempty" jsonschema_description:"as it is shown"`
	Boss    *person           `json:"boss"`
	Labels  []string          `json:"labels"`
	Extra   map[string]any    `json:"extra,omitempty"`
	Scores  map[string]*int   `json:"scores"`
	Born    time.Time         `json:"born,omitzero"`
	Address netip.Addr        `json:"address"`
	State   string            `json:"state,omitempty" jsonschema:"enum=on,enum=off"`
	Must    *string           `json:"must" jsonschema:"required"`
	Age     uint8             `json:"age,omitempty"`
	Raw     []json.RawMessage `json:"raw,omitempty"`
	Count   json.Number       `json:"count,omitempty"`
	secret  string            //nolint:unused // shows that unexported fields are no members
	Hidden  string            `json:"-"`
}

// either is a string or a number in JSON, as ids of some vendors are.
type either struct{ text string }

func (e *either) UnmarshalJSON(raw []byte) error { e.text = strings.Trim(string(raw), `"`); return nil }

type page[T any] struct {
	base
	*Cursor
	Items []T       `json:"items"`
	Each  []*either `json:"each,omitempty"`
	ID    either    `json:"id"`
	Inner struct {
		Opt *string `json:"opt"`
		Yes bool    `json:"yes"`
	} `json:"inner"`
}

type base struct {
	Kind string `json:"kind"`
}

// Cursor is exported, for encoding/json does not make an embedded pointer to a type that is not.
type Cursor struct {
	After *string `json:"after"`
}

func TestPayloadSchemasAreTheGoldenOnes(t *testing.T) {
	t.Parallel()
	type node struct { // recursive, and with the name of no other
		Next *node `json:"next,omitempty"`
		Leaf loose `json:"leaf"`
	}
	for name, typ := range map[string]reflect.Type{
		"loose": reflect.TypeFor[loose](), "person": reflect.TypeFor[person](), "page": reflect.TypeFor[page[person]](),
		"node": reflect.TypeFor[node](), "list": reflect.TypeFor[[]*loose](), "text": reflect.TypeFor[string](),
		"pointer": reflect.TypeFor[*loose](),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := payloadSchema(typ)
			if err != nil {
				t.Fatal(err)
			}
			golden(t, name, got)
		})
	}
}

func TestTypesThatTakeAnyBodyHaveNoSchema(t *testing.T) {
	t.Parallel()
	for _, typ := range []reflect.Type{
		reflect.TypeFor[any](), reflect.TypeFor[[]byte](), reflect.TypeFor[json.RawMessage](), reflect.TypeFor[*json.RawMessage](),
	} {
		if got, err := payloadSchema(typ); err != nil || got != nil {
			t.Errorf("%s: schema %s, error %v; want neither", typ, got, err)
		}
	}
}

func TestATypeThatJSONCannotHoldIsAnError(t *testing.T) {
	t.Parallel()
	type odd struct {
		C chan int `json:"c"`
	}
	if _, err := payloadSchema(reflect.TypeFor[odd]()); err == nil || !strings.Contains(err.Error(), "odd has no JSON Schema") {
		t.Errorf("error %v does not name the type", err)
	}
}

// golden compares doc, indented, with testdata/schema/<name>.json. Run the tests with -update to write it.
func golden(t *testing.T, name string, doc []byte) {
	t.Helper()
	var pretty bytes.Buffer
	if err := json.Indent(&pretty, doc, "", "  "); err != nil {
		t.Fatal(err)
	}
	pretty.WriteByte('\n')
	file := filepath.Join("testdata", "schema", name+".json")
	if *update {
		if err := os.WriteFile(file, pretty.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), pretty.String()); diff != "" {
		t.Errorf("%s (-golden +derived):\n%s", file, diff)
	}
}
