package config

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"bulkhead.dev/host/internal/schema"
)

// settings are those of one plugin as they stand, before anybody knows which of them there are.
type settings struct {
	instance     string
	file         *node // below "settings"
	env          []envSetting
	display, dir string // the file, as the operator knows it, and its folder
	workDir      string
	refs         references
}

func (s *settings) get() *settings { return s }

// Plugin answers the configuration of an instance, with every default filled in, also when it is not configured.
func (c *Config) Plugin(instance string) Plugin {
	if p, ok := c.Plugins[instance]; ok {
		return p
	}
	p := Plugin{settings: (&settings{instance: instance, file: &node{}}).get}
	l := &loader{env: newEnviron(nil), where: map[string]place{}}
	l.fill(reflect.ValueOf(&p).Elem(), &node{}, []string{"plugins", instance})
	return p
}

// ResolveSettings answers the settings as one JSON object: references resolved, and what the environment says brought to
// the type that the schema (JSON Schema 2020-12, from the plugin's manifest; empty: none) gives it. A property with
// "writeOnly": true is a secret and must not stand in the file as it is. What comes out satisfies the schema. The error
// is [Faults].
func (p Plugin) ResolveSettings(schemaDoc []byte) ([]byte, error) {
	s := &settings{file: &node{}}
	if p.settings != nil {
		s = p.settings()
	}
	r := &resolution{settings: s, places: map[string]place{}}
	root, err := newShape(schemaDoc)
	if err != nil {
		return nil, Faults{{Key: "plugins." + s.instance, Problem: "the schema of the plugin's settings is no JSON Schema", Mend: "tell the plugin's author"}}
	}
	value, ok := r.fromFile(s.file, root, nil, false).(map[string]any)
	if !ok {
		value = map[string]any{}
	}
	for _, setting := range s.env {
		r.fromEnviron(value, setting, root)
	}
	r.missing(value, root, nil)
	out, err := json.Marshal(value)
	if err != nil {
		return nil, Faults{{Key: "plugins." + s.instance, Problem: "the settings can't be written as JSON"}}
	}
	if len(r.faults) == 0 && len(schemaDoc) > 0 {
		r.judge(out, schemaDoc, root)
	}
	if err := r.faults.err(); err != nil {
		return nil, err
	}
	return out, nil
}

// resolution is one call of ResolveSettings.
type resolution struct {
	*settings
	places map[string]place // of each value, by JSON pointer
	faults Faults
}

func (r *resolution) fault(at place, problem, mend string) {
	f := Fault{Key: at.key, Problem: problem, Mend: mend}
	if at.variable == "" {
		f.File, f.Line = r.display, at.line
	}
	r.faults = append(r.faults, f)
}

// key writes the path of a setting as it stands in the file.
func (r *resolution) key(path []string) string {
	return strings.Join(slices.Concat([]string{"plugins", r.instance, "settings"}, path), ".")
}

func (r *resolution) variable(path []string) string {
	return variable(slices.Concat([]string{"plugins", r.instance, "settings"}, path))
}

func pointer(path []string) string {
	var b strings.Builder
	for _, step := range path {
		b.WriteString("/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(step))
	}
	return b.String()
}

// fromFile answers the value of a node. Below a secret everything is secret.
func (r *resolution) fromFile(n *node, s shape, path []string, secret bool) any {
	at := place{line: n.line, key: r.key(path)}
	r.places[pointer(path)] = at
	secret = secret || s.secret
	switch n.kind {
	case object:
		out := map[string]any{}
		for _, m := range n.members {
			child := append(slices.Clip(path), m.key)
			if !s.allows(m.key) {
				r.fault(place{line: m.line, key: r.key(child)}, "is not a setting of this plugin", suggest(m.key, s.names()))
				continue
			}
			if m.value.kind != absent {
				out[m.key] = r.fromFile(m.value, s.property(m.key), child, secret)
			}
		}
		return out
	case list:
		out := make([]any, len(n.items))
		for i, item := range n.items {
			out[i] = r.fromFile(item, s.items(), append(slices.Clip(path), strconv.Itoa(i)), secret)
		}
		return out
	case absent:
		return nil
	default:
		return r.scalar(n, s, path, secret)
	}
}

func (r *resolution) scalar(n *node, s shape, path []string, secret bool) any {
	at := place{line: n.line, key: r.key(path)}
	if secret && (n.kind != text || !isReference(n.text)) && n.text != "" {
		r.fault(at, "is a secret and must not stand in the file as it is",
			fmt.Sprintf("write env:NAME or file:PATH, or set %s", r.variable(path)))
		return nil
	}
	if n.kind == text {
		return r.fromText(n.text, s, at, r.dir)
	}
	if s.only("string") {
		r.fault(at, fmt.Sprintf("must be text, is %v", n.kind), "put it in quotes")
		return nil
	}
	if n.kind == boolean {
		return n.text == "true"
	}
	if !isNumber(n.text) {
		r.fault(at, "is a number that JSON can't write", "write it with digits alone, or put it in quotes")
		return nil
	}
	return json.Number(n.text)
}

// fromText brings a text, or what it refers to, to the type that the schema wants.
func (r *resolution) fromText(written string, s shape, at place, dir string) any {
	value, bad := r.refs.resolve(written, dir)
	if bad != nil {
		r.fault(at, bad.problem, bad.mend)
		return nil
	}
	switch {
	case s.is("string"):
		return value
	case s.is("boolean"):
		if value == "true" || value == "false" {
			return value == "true"
		}
		r.fault(at, "must be true or false", "write true or false")
		return nil
	case s.is("integer"), s.is("number"):
		if isNumber(value) {
			return json.Number(value)
		}
		r.fault(at, "must be a number", "write digits alone")
		return nil
	case s.is("array"), s.is("object"):
		doc, err := schema.Decode([]byte(value))
		var out any
		if err == nil {
			out, err = decodeJSON(doc.JSON())
		}
		if err != nil {
			r.fault(at, "must be JSON", `write it as JSON, such as ["a","b"] or {"a":1}`)
			return nil
		}
		return out
	default:
		return value
	}
}

func decodeJSON(data []byte) (any, error) {
	d := json.NewDecoder(strings.NewReader(string(data)))
	d.UseNumber()
	var out any
	err := d.Decode(&out)
	return out, err
}

// fromEnviron puts a setting of the environment over those of the file. A name in capitals stands for the property that
// is spelled so when case and dashes are left out of account.
func (r *resolution) fromEnviron(value map[string]any, setting envSetting, s shape) {
	at := place{variable: setting.name, key: setting.name}
	var path []string
	for i, part := range setting.path {
		name := match(part, s.names())
		if name == "" {
			name = match(part, slices.Collect(maps.Keys(value)))
		}
		if name == "" {
			name = strings.ToLower(part)
		}
		if path = append(path, name); !s.allows(name) {
			var variables []string
			for _, known := range s.names() {
				variables = append(variables, r.variable(append(slices.Clip(path[:i]), known)))
			}
			r.fault(at, "is not a setting of this plugin", suggest(setting.name, variables))
			return
		}
		if s = s.property(name); i == len(setting.path)-1 {
			value[name] = r.fromText(setting.value, s, at, r.workDir)
			r.places[pointer(path)] = at
			return
		}
		next, ok := value[name].(map[string]any)
		if !ok {
			next = map[string]any{}
			value[name] = next
		}
		value = next
	}
}

func match(part string, names []string) string {
	plain := func(s string) string { return strings.ReplaceAll(strings.ToLower(s), "-", "_") }
	slices.Sort(names)
	for _, name := range names {
		if plain(name) == plain(part) {
			return name
		}
	}
	return ""
}

// missing reports required settings that nobody has set, each with the ways of setting it.
func (r *resolution) missing(value map[string]any, s shape, path []string) {
	for _, name := range s.required() {
		if current, ok := value[name]; ok && current != nil || r.reported(append(slices.Clip(path), name)) {
			continue
		}
		at := append(slices.Clip(path), name)
		mend := "write it there, or set " + r.variable(at)
		if s.property(name).secret {
			mend = fmt.Sprintf("write env:NAME or file:PATH there, or set %s", r.variable(at))
		}
		where := place{line: r.file.line, key: r.key(at)}
		if r.display == "" {
			where, mend = place{variable: r.variable(at), key: r.variable(at)}, "set it"
		}
		r.fault(where, "is missing", mend)
	}
	for name, child := range value {
		if group, ok := child.(map[string]any); ok {
			r.missing(group, s.property(name), append(slices.Clip(path), name))
		}
	}
}

// reported says whether the setting is there and at fault.
func (r *resolution) reported(path []string) bool {
	at, ok := r.places[pointer(path)]
	return ok && slices.ContainsFunc(r.faults, func(f Fault) bool { return f.Key == at.key })
}

// judge asks the schema for what is left to find: bounds, patterns, types within lists.
func (r *resolution) judge(value, schemaDoc []byte, root shape) {
	compiled, err := schema.Compile("the settings of "+r.instance, schemaDoc)
	if err != nil {
		r.fault(place{key: "plugins." + r.instance}, "the schema of the plugin's settings can't be used", "tell the plugin's author")
		return
	}
	doc, err := schema.Decode(value)
	if err != nil {
		r.fault(place{key: r.key(nil)}, err.Error(), "write less")
		return
	}
	for _, f := range compiled.Validate(doc) {
		at, ok := r.places[f.Pointer]
		for above := f.Pointer; !ok && above != ""; {
			above = above[:strings.LastIndex(above, "/")]
			at, ok = r.places[above]
		}
		if at.key == "" {
			at.key = r.key(nil)
		}
		r.fault(at, f.Message, root.at(f.Pointer).advice())
	}
}
