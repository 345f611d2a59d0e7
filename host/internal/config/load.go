package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
)

// Source is where a configuration comes from.
type Source struct {
	// Environ is the environment, as os.Environ has it.
	Environ []string
	// Dir is the working directory, absolute: relative paths of the environment and of defaults begin there.
	Dir string
	// Executable is the path of the host's own binary.
	Executable string
}

// The variables that have no key, and the file that is read when none is named.
const (
	fileVariable = prefix + "CONFIG"
	defaultFile  = "bulkhead.yaml"
)

// loader collects one configuration and all that is wrong with it.
type loader struct {
	src     Source
	env     *environ
	file    string // as the operator knows it; empty: none
	fileDir string
	faults  Faults
	where   map[string]place // of each key that was read
}

// Load reads the file that BULKHEAD_CONFIG names, or bulkhead.yaml in the working directory if it is there, and over it
// the environment. Relative paths of the file begin at its folder. The error is [Faults].
func Load(src Source) (*Config, error) {
	l := &loader{src: src, env: newEnviron(src.Environ), where: map[string]place{}}
	cfg := &Config{}
	root := l.read(cfg)
	cfg.Demo = cfg.File == "" && len(l.faults) == 0 && l.demo()
	l.fill(reflect.ValueOf(cfg).Elem(), root, nil)
	l.unknownVariables()
	l.check(cfg)
	if err := l.faults.err(); err != nil {
		return nil, err
	}
	return cfg, nil
}

// read finds and parses the file.
func (l *loader) read(cfg *Config) *node {
	name, named := l.env.take(fileVariable)
	if !named {
		name = defaultFile
	}
	path := absolute(name, l.src.Dir)
	data, err := readFile(path)
	if errors.Is(err, fs.ErrNotExist) && !named {
		return &node{}
	}
	l.file, l.fileDir, cfg.File = name, filepath.Dir(path), path
	if err != nil {
		mend := "let the host's user read it"
		if named {
			mend = "name the file in " + fileVariable
		}
		l.faults = append(l.faults, Fault{File: name, Problem: "can't be read: " + reason(err), Mend: mend})
		return &node{}
	}
	root, err := parseYAML(data)
	if err != nil {
		fault := Fault{File: name, Problem: err.Error(), Mend: "write it as YAML, see docs/bulkhead.example.yaml"}
		if at := (*lineError)(nil); errors.As(err, &at) {
			fault.Line = at.line
		}
		l.faults = append(l.faults, fault)
		return &node{}
	}
	l.mention(root)
	return root
}

func readFile(path string) ([]byte, error) {
	f, err := os.Open(path) //nolint:gosec // G304: the operator names the file.
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	return readAll(f, maxFileBytes)
}

// mention notes every variable that the file refers to, so that one beginning with BULKHEAD_ is no unknown key.
func (l *loader) mention(n *node) {
	if name, ok := strings.CutPrefix(n.text, "env:"); ok {
		l.env.known[name] = true
	}
	for _, item := range n.items {
		l.mention(item)
	}
	for _, m := range n.members {
		l.mention(m.value)
	}
}

// demo says whether the environment leaves the host unconfigured.
func (l *loader) demo() bool {
	for _, name := range l.env.own() {
		switch name {
		case prefix + "LISTEN", prefix + "DATA_DIR", prefix + "PLUGIN_DIR":
		default:
			return false
		}
	}
	return true
}

// unknownVariables finds variables that are meant for the host and stand for nothing.
func (l *loader) unknownVariables() {
	for _, name := range l.env.own() {
		if !l.env.known[name] {
			known := []string{fileVariable}
			for key := range l.env.known {
				if strings.HasPrefix(key, prefix) {
					known = append(known, key)
				}
			}
			slices.Sort(known)
			mend := suggest(name, known)
			if strings.HasPrefix(name, prefix+"PLUGINS__") && !strings.HasPrefix(mend, "did you") {
				mend = "write " + prefix + "PLUGINS__<INSTANCE>__SETTINGS__<KEY>"
			}
			l.faultAt(place{variable: name, key: name}, "is not known", mend)
		}
	}
}

func (l *loader) faultAt(at place, problem, mend string) {
	fault := Fault{Key: at.key, Problem: problem, Mend: mend}
	if at.variable == "" {
		fault.File, fault.Line = l.file, at.line
	}
	l.faults = append(l.faults, fault)
}

// faultOf reports a key by where its value stands, or, when it has a default, by its name.
func (l *loader) faultOf(key, mend, format string, args ...any) {
	at, ok := l.where[key]
	if !ok || at.key == "" {
		at = place{key: key}
	}
	l.faultAt(at, fmt.Sprintf(format, args...), mend)
}

// inFile is the place of a node.
func (l *loader) inFile(n *node, path []string) place {
	return place{line: n.line, key: strings.Join(path, ".")}
}

// dirOf is where relative paths of a place begin: a default counts as written in the working directory.
func (l *loader) dirOf(at place) string {
	if at.variable == "" && at.line > 0 {
		return l.fileDir
	}
	return l.src.Dir
}
