package config

import (
	"fmt"
	"maps"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// place is where a value stands.
type place struct {
	variable string // of the environment; empty: in the file
	line     int
	key      string
}

// fill reads the keys of a group into target, a struct, from the file and over it from the environment.
func (l *loader) fill(target reflect.Value, n *node, path []string) {
	if n.kind != object && n.kind != absent {
		l.faultAt(l.inFile(n, path), fmt.Sprintf("must be a group of keys, is %v", n.kind), "write its keys below it, indented")
		n = &node{}
	}
	var known []string
	for i := range target.NumField() {
		field := target.Type().Field(i)
		key, ok := field.Tag.Lookup("key")
		if !ok || key == "-" {
			continue
		}
		known = append(known, key)
		at := append(slices.Clip(path), key)
		switch child := n.get(key); field.Type {
		case reflect.TypeFor[map[string]Plugin]():
			l.fillPlugins(target.Field(i), child, at)
		default:
			l.fillField(target.Field(i), field.Tag, child, at)
		}
	}
	if target.Type() == reflect.TypeFor[Plugin]() {
		known = append(known, "settings")
	}
	for _, m := range n.members {
		if !slices.Contains(known, m.key) {
			l.faultAt(place{line: m.line, key: strings.Join(append(slices.Clip(path), m.key), ".")}, "is not known", suggest(m.key, known))
		}
	}
}

func (l *loader) fillField(target reflect.Value, tag reflect.StructTag, n *node, path []string) {
	if isGroup(target.Type()) {
		l.fill(target, n, path)
		return
	}
	at, written := l.inFile(n, path), n
	if value, name, ok := l.fromEnviron(path); ok {
		at, written = place{variable: name, key: name}, &node{kind: text, text: value}
	}
	l.where[strings.Join(path, ".")] = at
	if written.kind == absent {
		if def := tag.Get("default"); def != "" {
			written = &node{kind: text, text: def}
		} else {
			return
		}
	}
	if bad := l.set(target, tag, written, at); bad != nil {
		l.faultAt(at, bad.problem, bad.mend)
	}
}

func isGroup(t reflect.Type) bool {
	return t.Kind() == reflect.Struct && t != reflect.TypeFor[Secret]() && t != reflect.TypeFor[URL]()
}

// fromEnviron answers the value of a key's variable, or of its short form.
func (l *loader) fromEnviron(path []string) (value, name string, ok bool) {
	name = variable(path)
	value, ok = l.env.take(name)
	if strings.Join(path, ".") == "redis.url" {
		if short, set := l.env.take(shortRedisURL); set {
			if ok && short != value {
				l.faultAt(place{variable: shortRedisURL, key: shortRedisURL}, "says another thing than "+name, "set one of them")
			}
			return short, shortRedisURL, true
		}
	}
	return value, name, ok
}

const shortRedisURL = prefix + "REDIS_URL"

// set gives target the value that is written.
func (l *loader) set(target reflect.Value, tag reflect.StructTag, n *node, at place) *refuse {
	if n.kind == list || n.kind == object {
		return &refuse{fmt.Sprintf("must be %s, is %v", wanted(target.Type()), n.kind), "write one value"}
	}
	switch target.Type() {
	case reflect.TypeFor[time.Duration]():
		return setDuration(target, tag, n)
	case reflect.TypeFor[Bytes]():
		return setBytes(target, n)
	}
	if target.Kind() == reflect.Int {
		whole, err := strconv.Atoi(n.text)
		if err != nil || n.kind == boolean || strings.HasPrefix(n.text, "+") {
			return &refuse{"must be a whole number", "write digits alone"}
		}
		target.SetInt(int64(whole))
		return nil
	}
	if n.kind != text {
		return &refuse{fmt.Sprintf("must be text, is %v", n.kind), "put it in quotes"}
	}
	return l.setText(target, n.text, at)
}

func (l *loader) setText(target reflect.Value, written string, at place) *refuse {
	value, bad := references{l.env.all}.resolve(written, l.dirOf(at))
	if bad != nil {
		return bad
	}
	literal := at.variable == "" && !isReference(written)
	switch target.Type() {
	case reflect.TypeFor[Secret]():
		if literal && value != "" {
			return &refuse{"is a secret and must not stand in the file as it is", mendSecret(at)}
		}
		target.Set(reflect.ValueOf(NewSecret(value)))
	case reflect.TypeFor[URL]():
		if _, secret := blot(value); literal && secret {
			return &refuse{"holds a password, which must not stand in the file as it is", mendSecret(at)}
		}
		target.Set(reflect.ValueOf(NewURL(value)))
	default:
		target.SetString(value)
	}
	return nil
}

// mendSecret says how a secret is written for the key at a place of the file.
func mendSecret(at place) string {
	return fmt.Sprintf("write env:NAME or file:PATH, or set %s", variable(strings.Split(at.key, ".")))
}

func wanted(t reflect.Type) string {
	switch {
	case t == reflect.TypeFor[time.Duration]():
		return "a duration"
	case t == reflect.TypeFor[Bytes]():
		return "a size"
	case t.Kind() == reflect.Int:
		return "a whole number"
	default:
		return "text"
	}
}

func setDuration(target reflect.Value, tag reflect.StructTag, n *node) *refuse {
	if n.text == "never" && tag.Get("never") != "" {
		target.SetInt(int64(Never))
		return nil
	}
	d, err := time.ParseDuration(n.text)
	if _, bare := strconv.ParseFloat(n.text, 64); bare == nil {
		return &refuse{"is a duration without a unit", fmt.Sprintf("write %ss for seconds", n.text)}
	}
	if err != nil {
		return &refuse{"must be a duration", `write a number and a unit, such as "500ms", "30s", "5m" or "1h30m"`}
	}
	target.SetInt(int64(d))
	return nil
}

func setBytes(target reflect.Value, n *node) *refuse {
	bad := &refuse{"must be a size", `write bytes, or a whole number with a unit, such as "64KiB", "16MiB" or "1GiB"`}
	digits, unit := strings.TrimSpace(n.text), int64(1)
	for suffix, factor := range map[string]int64{"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30} {
		if head, ok := strings.CutSuffix(digits, suffix); ok {
			digits, unit = strings.TrimSpace(head), factor
			break
		}
	}
	size, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || size < 0 || size > math.MaxInt64/unit {
		return bad
	}
	target.SetInt(size * unit)
	return nil
}

// fillPlugins reads every instance that the file or the environment names.
func (l *loader) fillPlugins(target reflect.Value, n *node, path []string) {
	if n.kind != object && n.kind != absent {
		l.faultAt(l.inFile(n, path), fmt.Sprintf("must be a group of plugins, is %v", n.kind), "write the name of each plugin below it, indented")
		n = &node{}
	}
	environment := l.env.plugins()
	lines := map[string]int{}
	for instance := range environment {
		lines[instance] = 0
	}
	for _, m := range n.members {
		lines[m.key] = m.line
	}
	plugins := map[string]Plugin{}
	for _, instance := range slices.Sorted(maps.Keys(lines)) {
		at := append(slices.Clip(path), instance)
		if !isInstance(instance) {
			where := place{line: lines[instance], key: strings.Join(at, ".")}
			if where.line == 0 {
				where = place{variable: variable(at), key: variable(at) + "__..."}
			}
			l.faultAt(where, "is no name of a plugin", "write small letters, digits and dashes, a letter first")
			continue
		}
		child := n.get(instance)
		p := Plugin{settings: (&settings{
			instance: instance, file: child.get("settings"), env: environment[instance],
			display: l.file, dir: l.fileDir, workDir: l.src.Dir, refs: references{l.env.all},
		}).get}
		l.fill(reflect.ValueOf(&p).Elem(), child, at)
		plugins[instance] = p
	}
	target.Set(reflect.ValueOf(plugins))
}

func isInstance(name string) bool {
	for i, r := range name {
		if (r < 'a' || r > 'z') && (i == 0 || (r < '0' || r > '9') && r != '-') {
			return false
		}
	}
	return name != "" && len(name) <= 64
}
