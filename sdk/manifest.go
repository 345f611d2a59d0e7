package sdk

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"bulkhead.dev/sdk/pluginv1"
	"bulkhead.dev/sdk/wire"

	"google.golang.org/protobuf/types/known/durationpb"
)

// assembly is what is made of a Domain once: the manifest that the host gets and the table of handlers.
type assembly struct {
	manifest *pluginv1.Manifest
	handlers map[string]entry // by job type
	faults   []error
	settings []setting
}

// entry is one line of the table of handlers.
type entry struct {
	*handler
	texts bool // a form or a query: the members of its object are texts
}

// manifest answers what the host is told of the plugin, or everything that is wrong with the Domain. It is built once.
func (d *Domain) manifest() (*pluginv1.Manifest, error) {
	a, err := d.assemble()
	if err != nil {
		return nil, err
	}
	return a.manifest, nil
}

func (d *Domain) assemble() (*assembly, error) {
	d.building.Do(func() { d.built, d.buildErr = d.build() })
	return d.built, d.buildErr
}

func (d *Domain) build() (*assembly, error) {
	a := &assembly{handlers: map[string]entry{}}
	m := &pluginv1.Manifest{
		Name: d.Name, Version: d.Version, MinHostVersion: d.MinHostVersion, Facts: slices.Clone(d.Facts),
		Policy: d.Policy.proto(), Features: wire.Features(),
	}
	var err error
	if m.SettingsSchema, a.settings, err = settingsSchema(d.Configure.settings); err != nil {
		a.fault("settings: %w", err)
	}
	for i := range d.Routes {
		m.Routes = append(m.Routes, a.route(fmt.Sprintf("routes[%d]", i), d.Name, &d.Routes[i]))
	}
	for i := range d.Subscriptions {
		m.Subscriptions = append(m.Subscriptions, a.subscription(fmt.Sprintf("subscriptions[%d]", i), d.Name, &d.Subscriptions[i]))
	}
	a.manifest = m
	if err := errors.Join(append(a.faults, wire.CheckManifest(m))...); err != nil {
		return nil, fmt.Errorf("domain %q: %w", d.Name, err)
	}
	return a, nil
}

func (a *assembly) fault(format string, args ...any) {
	a.faults = append(a.faults, fmt.Errorf(format, args...))
}

func (a *assembly) route(at, domain string, r *Route) *pluginv1.Route {
	m := &pluginv1.Route{
		Method: r.method(), Path: r.Path, Pattern: pluginv1.Pattern_PATTERN_ASYNC, Lane: lane(r.Bulk),
		JobType: r.jobType(domain), ContentTypes: r.contentTypes(), Challenge: r.Challenge.proto(),
		DedupWindow: duration(r.DedupWindow), Ordering: r.Order, Policy: r.Policy.proto(), Deadline: duration(r.Deadline),
		Accepted: r.Accepted.proto(), Late: r.Late.proto(), MaxBodyBytes: r.MaxBody, Headers: r.headers(),
	}
	for _, s := range r.Dedup {
		m.Dedup = append(m.Dedup, s.proto())
	}
	if r.Sync {
		m.Pattern, m.Lane = pluginv1.Pattern_PATTERN_SYNC, pluginv1.Lane_LANE_NOW
		if r.Deadline == 0 {
			m.Deadline = durationpb.New(wire.MaxDeadline)
		}
	}
	if r.Verify != nil {
		m.Verification = r.Verify.recipe()
		a.keys(at, r.Verify)
	}
	if h := a.handler(at, m.GetJobType(), r.Handle, r.texts()); h != nil {
		if r.Sync && !h.answers {
			a.fault("%s: the caller of a synchronous route waits for a result: make its handler with Answer", at)
		}
		m.Schema = a.schema(at, h, r.texts())
	}
	return m
}

func (a *assembly) subscription(at, domain string, s *Subscription) *pluginv1.Subscription {
	m := &pluginv1.Subscription{
		Fact: s.Fact, Instance: s.Instance, JobType: s.Job, Lane: lane(s.Bulk), Ordering: s.Order, Policy: s.Policy.proto(),
	}
	if m.GetJobType() == "" {
		m.JobType = domain + "." + s.Fact
	}
	if h := a.handler(at, m.GetJobType(), s.Handle, false); h != nil {
		m.Schema = a.schema(at, h, false)
	}
	return m
}

// handler enters h into the table. Several routes may share a job type, but then they share the handler too.
func (a *assembly) handler(at, jobType string, h Handler, texts bool) *handler {
	if h.handler == nil {
		a.fault("%s: has no handler: make one with Handle or Answer", at)
		return nil
	}
	known, ok := a.handlers[jobType]
	if ok && known.handler != h.handler {
		a.fault("%s: the job type %q has another handler already: give it another Job, or share one Handler value", at, jobType)
	}
	a.handlers[jobType] = entry{handler: h.handler, texts: texts || known.texts}
	return h.handler
}

func (a *assembly) schema(at string, h *handler, texts bool) []byte {
	derive := payloadSchema
	if texts {
		derive = textSchema
	}
	schema, err := derive(h.payload)
	if err != nil {
		a.fault("%s: payload: %w", at, err)
	}
	return schema
}

// keys checks that the settings of a verification exist, and that those which prove something are secrets.
func (a *assembly) keys(at string, v Verification) {
	secrets, names := v.secrets()
	for i, key := range slices.Concat(secrets, names) {
		j := slices.IndexFunc(a.settings, func(s setting) bool { return s.key == key })
		switch {
		case j < 0:
			a.fault("%s: verification: there is no setting %q", at, key)
		case i < len(secrets) && !a.settings[j].secret:
			a.fault(`%s: verification: the setting %q must be a secret (setting:"secret")`, at, key)
		}
	}
}

func lane(bulk bool) pluginv1.Lane {
	if bulk {
		return pluginv1.Lane_LANE_BULK
	}
	return pluginv1.Lane_LANE_NORMAL
}

// duration is absent when it is 0.
func duration(d time.Duration) *durationpb.Duration {
	if d == 0 {
		return nil
	}
	return durationpb.New(d)
}

// clampInt32 keeps a value that does not fit out of bounds instead of wrapping it into them.
func clampInt32(n int) int32 {
	return int32(min(max(n, math.MinInt32), math.MaxInt32))
}
