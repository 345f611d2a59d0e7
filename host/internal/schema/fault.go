package schema

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
)

// Fault is one place where a document does not satisfy its schema.
type Fault struct {
	// Pointer is where, as an RFC 6901 JSON pointer; empty: the whole document.
	Pointer string `json:"pointer"`
	// Message says what is wanted there, for people.
	Message string `json:"message"`
}

// faultsOf makes faults of the validator's tree of errors. The validator walks objects in any order; faults do not.
func faultsOf(err error, root any) []Fault {
	var verr *jsonschema.ValidationError
	if !errors.As(err, &verr) {
		return []Fault{{Message: "can't be checked against the schema"}}
	}
	faults := leaves(nil, verr, nil, root)
	slices.SortFunc(faults, func(a, b Fault) int {
		return cmp.Or(cmp.Compare(a.Pointer, b.Pointer), cmp.Compare(a.Message, b.Message))
	})
	faults = slices.Compact(faults)
	return faults[:min(len(faults), MaxFaults)]
}

// leaves appends the faults below e. An error with causes says nothing itself, save for a choice: when no branch fits,
// the faults of all of them together would contradict each other.
func leaves(faults []Fault, e *jsonschema.ValidationError, above []string, root any) []Fault {
	at := e.InstanceLocation
	switch k := e.ErrorKind.(type) {
	case *kind.PropertyNames:
		// Here alone the validator hands out a path that it goes on writing to.
		if object, ok := valueAt(root, at).(map[string]any); !ok || !has(object, k.Property) {
			at = above
		}
		return append(faults, Fault{pointerTo(at), fmt.Sprintf("has a member %s, whose name does not satisfy the schema", short(k.Property))})
	case *kind.AnyOf, *kind.OneOf:
		if branches := nearest(e.Causes, at); len(branches) == 1 {
			return leaves(faults, branches[0], at, root)
		}
		return append(faults, Fault{pointerTo(at), choice(e)})
	case *kind.Required:
		for _, name := range k.Missing[:min(len(k.Missing), MaxFaults)] {
			faults = append(faults, Fault{pointerTo(at), "lacks the member " + short(name)})
		}
		return faults
	case *kind.AdditionalProperties:
		slices.Sort(k.Properties)
		for _, name := range k.Properties[:min(len(k.Properties), MaxFaults)] {
			faults = append(faults, Fault{pointerTo(at), fmt.Sprintf("has a member %s, which is not known", short(name))})
		}
		return faults
	case *kind.Contains, *kind.MinContains, *kind.MaxContains, *kind.Not: // the causes are items that need not fit
		return append(faults, Fault{pointerTo(at), message(k)})
	}
	if len(e.Causes) == 0 {
		return append(faults, Fault{pointerTo(at), message(e.ErrorKind)})
	}
	for _, cause := range e.Causes {
		faults = leaves(faults, cause, at, root)
	}
	return faults
}

// nearest answers the branches of a choice that were tried in earnest: those that did not fail at once over the type of
// the very value. With "a string or null", a string that is too long is a string that is too long.
func nearest(branches []*jsonschema.ValidationError, at []string) []*jsonschema.ValidationError {
	var rest []*jsonschema.ValidationError
	for _, b := range branches {
		inner := b
		for isReference(inner) && len(inner.Causes) == 1 {
			inner = inner.Causes[0]
		}
		if _, typed := inner.ErrorKind.(*kind.Type); !typed || len(inner.InstanceLocation) != len(at) {
			rest = append(rest, b)
		}
	}
	return rest
}

func isReference(e *jsonschema.ValidationError) bool {
	_, ok := e.ErrorKind.(*kind.Reference)
	return ok
}

// choice words a choice without a near branch. When all failed over the type, the types are what is wanted.
func choice(e *jsonschema.ValidationError) string {
	if k, ok := e.ErrorKind.(*kind.OneOf); ok && len(k.Subschemas) > 1 {
		return "fits more than one of the forms that exclude each other"
	}
	var (
		want []string
		got  string
	)
	for _, branch := range e.Causes {
		for isReference(branch) && len(branch.Causes) == 1 {
			branch = branch.Causes[0]
		}
		k, ok := branch.ErrorKind.(*kind.Type)
		if !ok || len(branch.InstanceLocation) != len(e.InstanceLocation) {
			return fmt.Sprintf("fits none of the %d forms that are allowed", len(e.Causes))
		}
		want, got = append(want, k.Want...), k.Got
	}
	return message(&kind.Type{Got: got, Want: slices.Compact(want)})
}

// message words one failed keyword, so that it can follow "the value".
func message(k jsonschema.ErrorKind) string {
	switch k := k.(type) {
	case *kind.Type:
		want := make([]string, len(k.Want))
		for i, w := range k.Want {
			want[i] = article(w)
		}
		return fmt.Sprintf("must be %s, is %s", strings.Join(want, " or "), article(k.Got))
	case *kind.Const:
		return "must be " + show(k.Want)
	case *kind.Enum:
		return "must be one of " + list(k.Want)
	case *kind.FalseSchema:
		return "must not be there"
	case *kind.Not:
		return "has a form that is excluded"
	case *kind.MinProperties:
		return fmt.Sprintf("must have at least %d members, has %d", k.Want, k.Got)
	case *kind.MaxProperties:
		return fmt.Sprintf("must have at most %d members, has %d", k.Want, k.Got)
	case *kind.Dependency:
		return fmt.Sprintf("has %s and must therefore have %s", short(k.Prop), names(k.Missing))
	case *kind.DependentRequired:
		return fmt.Sprintf("has %s and must therefore have %s", short(k.Prop), names(k.Missing))
	case *kind.MinItems:
		return fmt.Sprintf("must have at least %d items, has %d", k.Want, k.Got)
	case *kind.MaxItems:
		return fmt.Sprintf("must have at most %d items, has %d", k.Want, k.Got)
	case *kind.AdditionalItems:
		return fmt.Sprintf("has %d items too many", k.Count)
	case *kind.UniqueItems:
		return fmt.Sprintf("must not hold an item twice, items %d and %d are equal", k.Duplicates[0], k.Duplicates[1])
	case *kind.Contains:
		return "must hold an item of a certain form, holds none"
	case *kind.MinContains:
		return fmt.Sprintf("must hold at least %d items of a certain form, holds %d", k.Want, len(k.Got))
	case *kind.MaxContains:
		return fmt.Sprintf("must hold at most %d items of a certain form, holds %d", k.Want, len(k.Got))
	}
	return scalarMessage(k)
}

func scalarMessage(k jsonschema.ErrorKind) string {
	switch k := k.(type) {
	case *kind.MinLength:
		return fmt.Sprintf("must have at least %d characters, has %d", k.Want, k.Got)
	case *kind.MaxLength:
		return fmt.Sprintf("must have at most %d characters, has %d", k.Want, k.Got)
	case *kind.Pattern:
		return "must match the pattern " + short(k.Want)
	case *kind.Minimum:
		return "must be at least " + decimal(k.Want)
	case *kind.Maximum:
		return "must be at most " + decimal(k.Want)
	case *kind.ExclusiveMinimum:
		return "must be more than " + decimal(k.Want)
	case *kind.ExclusiveMaximum:
		return "must be less than " + decimal(k.Want)
	case *kind.MultipleOf:
		return "must be a multiple of " + decimal(k.Want)
	case *kind.Format:
		return "must be written as " + k.Want
	default:
		return "does not satisfy the schema"
	}
}

// decimal writes a bound as it stands in a schema: every JSON number has an exact decimal form.
func decimal(r *big.Rat) string {
	digits, _ := r.FloatPrec()
	return r.FloatString(digits)
}

func article(name string) string {
	switch name {
	case "null":
		return name
	case "object", "array", "integer":
		return "an " + name
	default:
		return "a " + name
	}
}

// maxShown is how many characters or items of something are shown in a message.
const (
	maxShown = 80
	maxList  = 12
)

// short quotes a text and cuts it.
func short(text string) string {
	if runes := []rune(text); len(runes) > maxShown {
		text = string(runes[:maxShown]) + "..."
	}
	return fmt.Sprintf("%q", text)
}

func show(value any) string {
	text, err := json.Marshal(value)
	if err != nil || len(text) > 2*maxShown {
		return "a certain value"
	}
	return string(text)
}

func list(values []any) string {
	texts := make([]string, 0, maxList+1)
	for i, value := range values {
		if i == maxList {
			texts = append(texts, fmt.Sprintf("%d more", len(values)-i))
			break
		}
		texts = append(texts, show(value))
	}
	return strings.Join(texts, ", ")
}

func names(values []string) string {
	texts := make([]string, 0, maxList)
	for _, value := range values[:min(len(values), maxList)] {
		texts = append(texts, short(value))
	}
	return strings.Join(texts, ", ")
}

// valueAt walks the members of objects and the items of arrays.
func valueAt(value any, path []string) any {
	for _, step := range path {
		switch v := value.(type) {
		case map[string]any:
			value = v[step]
		case []any:
			index, err := strconv.Atoi(step)
			if err != nil || index < 0 || index >= len(v) {
				return nil
			}
			value = v[index]
		default:
			return nil
		}
	}
	return value
}

func has(object map[string]any, name string) bool {
	_, ok := object[name]
	return ok
}
