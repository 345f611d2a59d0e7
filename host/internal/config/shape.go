package config

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// shape is a place in the schema of a plugin's settings, read for what the words of the operator mean there. Whether the
// result satisfies the schema is package schema's matter; where a schema is too clever to be read here, shape permits.
type shape struct {
	doc    any // the whole, for references
	nodes  []map[string]any
	secret bool
}

func newShape(doc []byte) (shape, error) {
	if len(doc) == 0 {
		return shape{}, nil
	}
	var root any
	if err := json.Unmarshal(doc, &root); err != nil {
		return shape{}, fmt.Errorf("the schema is no JSON: %w", err)
	}
	switch root.(type) {
	case map[string]any, bool:
		return shape{doc: root}.enter(root), nil
	default:
		return shape{}, errors.New("a schema is an object or a boolean")
	}
}

// enter gathers the schemas that hold at one place: the node, what it refers to, and the one branch that is not null.
func (s shape) enter(node any) shape {
	out := shape{doc: s.doc}
	out.gather(node, 16)
	return out
}

func (s *shape) gather(node any, left int) {
	n, ok := node.(map[string]any)
	if !ok || left == 0 {
		return
	}
	s.nodes = append(s.nodes, n)
	s.secret = s.secret || n["writeOnly"] == true
	if ref, ok := n["$ref"].(string); ok {
		s.gather(s.lookup(ref), left-1)
	}
	for _, sub := range listOf(n["allOf"]) {
		s.gather(sub, left-1)
	}
	for _, keyword := range []string{"anyOf", "oneOf"} {
		branches := slices.DeleteFunc(slices.Clone(listOf(n[keyword])), func(b any) bool {
			branch, ok := b.(map[string]any)
			return ok && branch["type"] == "null"
		})
		for _, branch := range branches {
			if len(branches) == 1 {
				s.gather(branch, left-1)
			} else if b, ok := branch.(map[string]any); ok && b["writeOnly"] == true {
				s.secret = true
			}
		}
	}
}

// lookup follows a reference within the document.
func (s *shape) lookup(ref string) any {
	path, ok := strings.CutPrefix(ref, "#")
	if !ok || path != "" && path[0] != '/' {
		return nil
	}
	value := s.doc
	for step := range strings.SplitSeq(strings.TrimPrefix(path, "/"), "/") {
		if path == "" {
			break
		}
		group, ok := value.(map[string]any)
		if !ok {
			return nil
		}
		value = group[strings.NewReplacer("~1", "/", "~0", "~").Replace(step)]
	}
	return value
}

func listOf(value any) []any {
	items, _ := value.([]any)
	return items
}

// names are the properties that the schema spells out, sorted.
func (s shape) names() []string {
	var names []string
	for _, n := range s.nodes {
		if properties, ok := n["properties"].(map[string]any); ok {
			names = slices.AppendSeq(names, maps.Keys(properties))
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// property is what holds for a member of the object.
func (s shape) property(name string) shape {
	out := shape{doc: s.doc}
	spelled := false
	for _, n := range s.nodes {
		if properties, ok := n["properties"].(map[string]any); ok && properties[name] != nil {
			out.gather(properties[name], 16)
			spelled = true
		}
	}
	for _, n := range s.nodes {
		if !spelled {
			out.gather(n["additionalProperties"], 16)
		}
	}
	return out
}

// allows says whether the object may have such a member.
func (s shape) allows(name string) bool {
	if slices.Contains(s.names(), name) {
		return true
	}
	return !slices.ContainsFunc(s.nodes, func(n map[string]any) bool {
		_, patterns := n["patternProperties"]
		return !patterns && (n["additionalProperties"] == false || n["unevaluatedProperties"] == false)
	})
}

// required are the members that must be there.
func (s shape) required() []string {
	var names []string
	for _, n := range s.nodes {
		for _, value := range listOf(n["required"]) {
			if name, ok := value.(string); ok {
				names = append(names, name)
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// items is what holds for the items of a list.
func (s shape) items() shape {
	out := shape{doc: s.doc}
	for _, n := range s.nodes {
		out.gather(n["items"], 16)
	}
	return out
}

// at walks down a JSON pointer.
func (s shape) at(pointer string) shape {
	for step := range strings.SplitSeq(strings.TrimPrefix(pointer, "/"), "/") {
		step = strings.NewReplacer("~1", "/", "~0", "~").Replace(step)
		if next := s.property(step); len(next.nodes) > 0 {
			s = next
		} else {
			s = s.items()
		}
	}
	return s
}

// is says whether the schema names a type.
func (s shape) is(name string) bool { return slices.Contains(s.types(), name) }

// only says whether it names no other, save null.
func (s shape) only(name string) bool {
	types := slices.DeleteFunc(s.types(), func(t string) bool { return t == "null" })
	return len(types) == 1 && types[0] == name
}

func (s shape) types() []string {
	var types []string
	for _, n := range s.nodes {
		switch t := n["type"].(type) {
		case string:
			types = append(types, t)
		case []any:
			for _, value := range t {
				types = append(types, fmt.Sprint(value))
			}
		}
	}
	slices.Sort(types)
	return slices.Compact(types)
}

// advice is what the plugin's author says about the place.
func (s shape) advice() string {
	for _, n := range s.nodes {
		if text, ok := n["description"].(string); ok && text != "" {
			return "the plugin says of it: " + text
		}
	}
	return ""
}
