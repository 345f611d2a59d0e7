package gateway

import (
	"net/http"
	"strings"
	"time"

	"bulkhead.dev/host/internal/schema"
	"bulkhead.dev/host/internal/verify"
	"bulkhead.dev/sdk/pluginv1"
	"bulkhead.dev/sdk/wire"
)

// The first segments of the paths of plugins' routes.
const (
	webhooks    = "webhooks"
	interactive = "interactive"
)

const (
	// defaultWindow is how long a repeat is recognised where the route does not say.
	defaultWindow = 24 * time.Hour
	// statusWindow is how long a job that can't be repeated is known after its end.
	statusWindow = time.Hour
	// A body has bodyStart and then the time that its route's limit takes at the slowest line that is waited for.
	bodyStart   = 5 * time.Second
	slowestLine = 128 << 10 // bytes a second
)

// endpoint carries out one route of one instance.
type endpoint struct {
	g        *Gateway
	instance string
	route    *pluginv1.Route
	pattern  string // for ServeMux
	path     string // for sources and logs
	sync     bool
	unready  string
	verifier *verify.Verifier // nil: the caller is a person or a program
	schema   *schema.Schema   // nil: any JSON
	accepted []string         // media types
	params   []string
	maxBody  int64
	bodyTime time.Duration
	window   time.Duration
	deadline time.Duration
}

func (g *Gateway) endpoint(d Domain, route *pluginv1.Route) (*endpoint, error) {
	e := &endpoint{
		g: g, instance: d.Instance, route: route, unready: d.Unready,
		sync:     route.GetPattern() == pluginv1.Pattern_PATTERN_SYNC,
		accepted: route.GetContentTypes(),
		maxBody:  route.GetMaxBodyBytes(),
		window:   route.GetDedupWindow().AsDuration(),
		deadline: route.GetDeadline().AsDuration(),
	}
	e.path = "/" + webhooks + "/" + d.Instance + "/" + route.GetPath()
	if e.sync {
		e.path = "/" + interactive + "/" + d.Instance + "/" + route.GetPath()
	}
	e.pattern = route.GetMethod() + " " + e.path
	e.params = pathParams(route.GetPath())
	if len(e.accepted) == 0 {
		e.accepted = []string{mediaJSON}
	}
	if e.maxBody == 0 {
		e.maxBody = wire.DefaultBodyBytes
	}
	e.bodyTime = min(g.bodyTime, bodyStart+time.Duration(e.maxBody)*time.Second/slowestLine)
	switch {
	case e.window > 0:
	case e.sync || len(route.GetDedup()) == 0:
		e.window = statusWindow
	default:
		e.window = defaultWindow
	}
	if e.deadline == 0 {
		e.deadline = wire.MaxDeadline
	}
	var err error
	if doc := route.GetSchema(); len(doc) > 0 {
		if e.schema, err = schema.Compile(e.path, doc); err != nil {
			return nil, err
		}
	}
	// A route without its secret is there and answers 503: the operator sees what is missing, the vendor tries again.
	if recipe := route.GetVerification(); recipe != nil && d.Unready == "" {
		if e.verifier, err = verify.Compile(recipe, d.Secret); err != nil {
			e.unready = err.Error()
		}
	}
	if route.GetVerification() == nil && !e.sync {
		e.unready = "the route has no verification"
	}
	return e, nil
}

func pathParams(p string) []string {
	var names []string
	for segment := range strings.SplitSeq(p, "/") {
		if name, ok := strings.CutPrefix(segment, "{"); ok {
			names = append(names, strings.TrimSuffix(strings.TrimSuffix(name, "}"), "..."))
		}
	}
	return names
}

// call is a request that passed all checks.
type call struct {
	id        string
	principal *pluginv1.Principal
	payload
}

// ServeHTTP implements http.Handler.
func (e *endpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c, err := e.admit(w, r)
	if err != nil {
		e.g.refuse(w, r, err)
		return
	}
	if challenge := e.route.GetChallenge(); challenged(challenge, c.doc) {
		e.g.answerChallenge(w, r, challenge, c.doc)
		return
	}
	if e.schema != nil {
		if faults := e.schema.Validate(c.doc); len(faults) > 0 {
			e.g.refuse(w, r, invalid(faults))
			return
		}
	}
	if e.sync {
		e.await(w, r, c)
		return
	}
	e.accept(w, r, c)
}

// admit checks all but the shape, in the fixed order of refusals: 413 by the announced length, 503, 401 (and 413 by the
// real length, which no proof is asked of), 415, 400.
func (e *endpoint) admit(w http.ResponseWriter, r *http.Request) (*call, error) {
	if r.ContentLength > e.maxBody {
		return nil, tooLarge(e.maxBody)
	}
	if e.unready != "" {
		return nil, notReady(e.unready)
	}
	c := &call{id: identityOf(r).id}
	var err error
	if e.verifier == nil {
		if c.principal, err = e.g.authenticate(r); err != nil {
			return nil, err
		}
	}
	body, err := e.read(w, r)
	if err != nil {
		return nil, err
	}
	if e.verifier != nil {
		if err := e.verifier.Verify(r.Header, body, e.g.now()); err != nil {
			return nil, err
		}
	}
	c.payload, err = e.decode(r, body)
	return c, err
}
