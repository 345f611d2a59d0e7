package wire

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	"bulkhead.dev/sdk/pluginv1"
)

// Bounds of a manifest, far above what a real plugin has: they keep a broken one from filling the host's tables.
const (
	maxRoutes        = 256
	maxSubscriptions = 256
	maxFacts         = 256
	maxSchemaBytes   = 1 << 20
	maxConcurrency   = 4096
	maxAttempts      = 1000
	maxWindow        = 7 * 24 * time.Hour
	maxWait          = 7 * 24 * time.Hour
)

// faults gathers all that is wrong, each fault with the path of its field.
type faults struct{ list []error }

func (f *faults) add(path, format string, args ...any) {
	f.list = append(f.list, fmt.Errorf("%s: %w", path, fmt.Errorf(format, args...)))
}

// CheckManifest answers everything that is wrong with m, joined, each fault with the path of its field as it stands
// in plugin.proto. The plugin's side runs it before it serves and the host before it believes.
func CheckManifest(m *pluginv1.Manifest) error {
	var f faults
	if m == nil {
		f.add("manifest", "is missing")
		return f.list[0]
	}
	if err := CheckUnknown(m); err != nil {
		f.list = append(f.list, err)
	}
	if !ValidName(m.GetName()) {
		f.add("name", "%q is not [a-z][a-z0-9-]* of at most 63 bytes", m.GetName())
	}
	if !validVersion(m.GetVersion()) {
		f.add("version", "%q is not a semantic version such as 1.0.0", m.GetVersion())
	}
	if v := m.GetMinHostVersion(); v != "" && !validVersion(v) {
		f.add("min_host_version", "%q is not a semantic version such as 1.0.0", v)
	}
	if !f.counts(m) {
		return errors.Join(f.list...) // comparing them all with each other would take for ever
	}
	f.schema("settings_schema", m.GetSettingsSchema())
	f.policy("policy", m.GetPolicy())
	f.facts(m)
	f.subscriptions(m)
	f.routes(m)
	if n := m.GetMaxReceiveBytes(); n != 0 && (n < 64<<10 || n > MaxMessageBytes) {
		f.add("max_receive_bytes", "%d is not between 64 KiB and the contract's %d", n, MaxMessageBytes)
	}
	return errors.Join(f.list...)
}

// counts tells whether the lists are within their limits.
func (f *faults) counts(m *pluginv1.Manifest) bool {
	before := len(f.list)
	for _, list := range []struct {
		path     string
		n, limit int
	}{
		{"routes", len(m.GetRoutes()), maxRoutes},
		{"subscriptions", len(m.GetSubscriptions()), maxSubscriptions},
		{"facts", len(m.GetFacts()), maxFacts},
	} {
		if list.n > list.limit {
			f.add(list.path, "%d entries are above the limit of %d", list.n, list.limit)
		}
	}
	return len(f.list) == before
}

func (f *faults) facts(m *pluginv1.Manifest) {
	seen := map[string]bool{}
	for i, fact := range m.GetFacts() {
		path := fmt.Sprintf("facts[%d]", i)
		f.typeName(path, fact)
		if !strings.HasPrefix(fact, m.GetName()+".") {
			f.add(path, "%q does not begin with the domain's name and a dot", fact)
		}
		if seen[fact] {
			f.add(path, "%q is declared twice", fact)
		}
		seen[fact] = true
	}
}

func (f *faults) subscriptions(m *pluginv1.Manifest) {
	type key struct{ fact, instance, job string }
	seen := map[key]bool{}
	for i, s := range m.GetSubscriptions() {
		path := fmt.Sprintf("subscriptions[%d]", i)
		f.typeName(path+".fact", s.GetFact())
		if in := s.GetInstance(); in != "" && !ValidName(in) {
			f.add(path+".instance", "%q is not the name of an instance", in)
		}
		f.jobType(path+".job_type", m.GetName(), s.GetJobType())
		f.lane(path+".lane", s.GetLane(), false)
		f.schema(path+".schema", s.GetSchema())
		f.pointer(path+".ordering", s.GetOrdering(), true)
		f.policy(path+".policy", s.GetPolicy())
		k := key{s.GetFact(), s.GetInstance(), s.GetJobType()}
		if seen[k] {
			f.add(path, "the fact %q becomes %q twice", s.GetFact(), s.GetJobType())
		}
		seen[k] = true
	}
}

// typeName checks a fact or job type: names joined by dots, two at least.
func (f *faults) typeName(path, s string) {
	segments := strings.Split(s, ".")
	ok := len(segments) >= 2 && len(s) <= 200
	for _, segment := range segments {
		ok = ok && validSegment(segment)
	}
	if !ok {
		f.add(path, "%q is not a type such as domain.thing.happened", s)
	}
}

// jobType checks a job type, which belongs to the plugin itself.
func (f *faults) jobType(path, domain, s string) {
	f.typeName(path, s)
	if !strings.HasPrefix(s, domain+".") {
		f.add(path, "%q does not begin with the domain's name and a dot", s)
	}
}

// validSegment is a name that may also hold underscores: vendors write issue_created.
func validSegment(s string) bool { return ValidName(strings.ReplaceAll(s, "_", "-")) }

func (f *faults) lane(path string, lane pluginv1.Lane, sync bool) {
	if lane == pluginv1.Lane_LANE_NOW && !sync {
		f.add(path, "the lane now is for synchronous routes")
	}
}

func (f *faults) schema(path string, doc []byte) {
	switch {
	case len(doc) == 0:
	case len(doc) > maxSchemaBytes:
		f.add(path, "%d bytes are above the limit of %d", len(doc), maxSchemaBytes)
	default:
		var value any
		if err := json.Unmarshal(doc, &value); err != nil {
			f.add(path, "is not JSON: %w", err)
			return
		}
		switch value.(type) {
		case map[string]any, bool:
		default:
			f.add(path, "a JSON Schema is an object or a boolean")
		}
	}
}

// pointer checks a JSON pointer (RFC 6901). The empty pointer, which means the whole document, is taken as absent.
func (f *faults) pointer(path, s string, optional bool) {
	if s == "" {
		if !optional {
			f.add(path, "is missing")
		}
		return
	}
	if s[0] != '/' {
		f.add(path, "%q is not a JSON pointer: it begins with a slash", s)
		return
	}
	for i := 0; i < len(s); i++ {
		if s[i] == '~' && (i+1 == len(s) || s[i+1] != '0' && s[i+1] != '1') {
			f.add(path, "%q is not a JSON pointer: ~ is followed by 0 or 1", s)
			return
		}
	}
}

func (f *faults) duration(path string, d *durationpb.Duration, limit time.Duration) {
	if d == nil {
		return
	}
	if err := d.CheckValid(); err != nil {
		f.add(path, "%w", err)
		return
	}
	if v := d.AsDuration(); v < 0 || v > limit {
		f.add(path, "%s is not between 0 and %s", v, limit)
	}
}

func (f *faults) policy(path string, p *pluginv1.Policy) {
	if p == nil {
		return
	}
	f.within(path+".concurrency", int64(p.GetConcurrency()), maxConcurrency)
	f.within(path+".max_attempts", int64(p.GetMaxAttempts()), maxAttempts)
	f.duration(path+".timeout", p.GetTimeout(), maxWait)
	f.duration(path+".backoff", p.GetBackoff(), maxWait)
	f.duration(path+".max_backoff", p.GetMaxBackoff(), maxWait)
	if first, longest := p.GetBackoff().AsDuration(), p.GetMaxBackoff().AsDuration(); longest > 0 && first > longest {
		f.add(path+".backoff", "%s is above max_backoff, %s", first, longest)
	}
}

func (f *faults) within(path string, n, limit int64) {
	if n < 0 || n > limit {
		f.add(path, "%d is not between 0 and %d", n, limit)
	}
}

// validVersion accepts MAJOR.MINOR.PATCH with an optional leading v, pre-release and build.
func validVersion(s string) bool {
	s = strings.TrimPrefix(s, "v")
	core := s
	if i := strings.IndexAny(s, "-+"); i >= 0 {
		core = s[:i]
		for _, r := range s[i+1:] {
			if r != '.' && r != '-' && r != '+' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') {
				return false
			}
		}
		if i+1 == len(s) {
			return false
		}
	}
	parts := strings.Split(core, ".")
	if len(s) > 64 || len(parts) != 3 {
		return false
	}
	for _, part := range parts {
		if part == "" || (len(part) > 1 && part[0] == '0') {
			return false
		}
		for _, r := range part {
			if r < '0' || r > '9' {
				return false
			}
		}
	}
	return true
}
