package config

import (
	"maps"
	"regexp"
	"slices"
	"strings"
)

const prefix = "BULKHEAD_"

// environ is the environment and which of the host's own variables have been understood.
type environ struct {
	all   map[string]string
	known map[string]bool
}

func newEnviron(list []string) *environ {
	e := &environ{all: map[string]string{}, known: map[string]bool{}}
	for _, entry := range list {
		if name, value, ok := strings.Cut(entry, "="); ok && name != "" {
			e.all[name] = value
		}
	}
	return e
}

// take answers the value of a variable that is one of the host's. An empty one counts as not set, as service managers
// have no other way of leaving one out.
func (e *environ) take(name string) (string, bool) {
	e.known[name] = true
	value := e.all[name]
	return value, value != ""
}

// own are the host's variables that have a value, sorted.
func (e *environ) own() []string {
	return slices.DeleteFunc(slices.Sorted(maps.Keys(e.all)), func(name string) bool {
		return !strings.HasPrefix(name, prefix) || e.all[name] == "" || isServiceLink(name)
	})
}

// isServiceLink says whether Kubernetes has put the variable there, for a service that is named like the host.
func isServiceLink(name string) bool {
	return regexp.MustCompile(`^BULKHEAD(_[A-Z0-9_]+)?_(SERVICE_HOST|SERVICE_PORT(_[A-Z0-9_]+)?|PORT(_[0-9]+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?)$`).
		MatchString(name)
}

// variable is the name of the environment variable for a key.
func variable(path []string) string {
	return prefix + strings.ReplaceAll(strings.ToUpper(strings.Join(path, "__")), "-", "_")
}

// envSetting is a setting of a plugin that stands in the environment.
type envSetting struct {
	name  string // of the variable
	path  []string
	value string
}

// plugins finds the instances that the environment configures, and their settings.
func (e *environ) plugins() map[string][]envSetting {
	found := map[string][]envSetting{}
	for _, name := range e.own() {
		parts := strings.Split(strings.TrimPrefix(name, prefix), "__")
		if parts[0] != "PLUGINS" || len(parts) < 3 || slices.Contains(parts, "") {
			continue
		}
		instance := strings.ReplaceAll(strings.ToLower(parts[1]), "_", "-")
		if found[instance] == nil {
			found[instance] = []envSetting{}
		}
		if parts[2] == "SETTINGS" && len(parts) > 3 {
			value, _ := e.take(name)
			found[instance] = append(found[instance], envSetting{name: name, path: parts[3:], value: value})
		}
	}
	return found
}
