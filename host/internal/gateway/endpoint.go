package gateway

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/oklog/ulid/v2"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"bulkhead.dev/host/internal/queue"
	"bulkhead.dev/host/internal/schema"
	"bulkhead.dev/host/internal/verify"
	"bulkhead.dev/sdk/pluginv1"
	"bulkhead.dev/sdk/wire"
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
	params   []string
	maxBody  int64
	window   time.Duration
	deadline time.Duration
}

// defaultWindow is how long a repeat is recognised where the route does not say.
const defaultWindow = 24 * time.Hour

// compile makes the endpoints of a domain, or says what is wrong with them.
func (g *Gateway) compile(d Domain) ([]*endpoint, error) {
	var (
		endpoints []*endpoint
		faults    []error
	)
	for _, route := range d.Manifest.GetRoutes() {
		e, err := g.endpoint(d, route)
		if err != nil {
			faults = append(faults, fmt.Errorf("%s %s: %w", route.GetMethod(), route.GetPath(), err))
			continue
		}
		endpoints = append(endpoints, e)
	}
	return endpoints, errors.Join(faults...)
}

func (g *Gateway) endpoint(d Domain, route *pluginv1.Route) (*endpoint, error) {
	e := &endpoint{
		g: g, instance: d.Instance, route: route, unready: d.Unready,
		sync:     route.GetPattern() == pluginv1.Pattern_PATTERN_SYNC,
		maxBody:  route.GetMaxBodyBytes(),
		window:   route.GetDedupWindow().AsDuration(),
		deadline: route.GetDeadline().AsDuration(),
	}
	e.path = "/webhooks/" + d.Instance + "/" + route.GetPath()
	if e.sync {
		e.path = "/interactive/" + d.Instance + "/" + route.GetPath()
	}
	e.pattern = route.GetMethod() + " " + e.path
	e.params = pathParams(route.GetPath())
	if e.maxBody == 0 {
		e.maxBody = wire.DefaultBodyBytes
	}
	if e.window == 0 {
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
	body      []byte
	doc       *schema.Document
	principal *pluginv1.Principal
}

// ServeHTTP implements http.Handler.
func (e *endpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c, err := e.admit(w, r)
	if err != nil {
		e.g.refuse(w, r, err)
		return
	}
	if answer, ok := e.challenge(c); ok {
		writeAnswer(w, answer)
		return
	}
	if e.sync {
		e.await(w, r, c)
		return
	}
	e.accept(w, r, c)
}

// admit checks the call in the fixed order of refusals.
func (e *endpoint) admit(w http.ResponseWriter, r *http.Request) (*call, error) {
	if r.ContentLength > e.maxBody {
		return nil, tooLarge(e.maxBody)
	}
	if e.unready != "" {
		p := problem(http.StatusServiceUnavailable, "not-configured", "The plugin is not ready to take this call", e.unready)
		p.retryAfter = 30 * time.Second
		return nil, p
	}
	c := &call{id: requestID(r.Context())}
	if e.verifier == nil {
		principal, err := e.g.people.Authenticate(r)
		if err != nil {
			return nil, err
		}
		c.principal = principal
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, e.maxBody))
	if err != nil {
		return nil, bodyError(err)
	}
	c.body = body
	if e.verifier != nil {
		if err := e.verifier.Verify(r.Header, body, e.g.now()); err != nil {
			return nil, err
		}
	}
	if r.Method == http.MethodGet {
		c.body = queryObject(r)
	} else if err := e.mediaType(r); err != nil {
		return nil, err
	}
	if c.doc, err = schema.Decode(c.body); err != nil {
		return nil, err
	}
	if e.schema != nil {
		if faults := e.schema.Validate(c.doc); len(faults) > 0 {
			return nil, invalid(faults)
		}
	}
	return c, nil
}

// bodyError tells a body that is too large from one that broke off.
func bodyError(err error) error {
	var tooBig *http.MaxBytesError
	if errors.As(err, &tooBig) {
		return err
	}
	return problem(http.StatusBadRequest, "malformed", "The body can't be read", "it ended before its announced length, or came too slowly")
}

func (e *endpoint) mediaType(r *http.Request) error {
	accepted := e.route.GetContentTypes()
	if len(accepted) == 0 {
		accepted = []string{"application/json"}
	}
	media, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	charset := params["charset"]
	if err != nil || !slices.Contains(accepted, media) || (charset != "" && !strings.EqualFold(charset, "utf-8")) {
		return problem(http.StatusUnsupportedMediaType, "media-type", "The body has another form than this route takes",
			"send "+strings.Join(accepted, " or ")+" in UTF-8")
	}
	return nil
}

// job makes the job that the call becomes.
func (e *endpoint) job(r *http.Request, c *call) (queue.Job, error) {
	now := e.g.now()
	eventID := e.deliveryID(r, c)
	id := e.instance + "-" + ulid.Make().String()
	if eventID != "" {
		id = e.instance + "-" + digest(e.path, eventID)
	}
	subject, _ := c.doc.Lookup(e.route.GetOrdering())
	if e.route.GetOrdering() == "" {
		subject = ""
	}
	envelope := &pluginv1.Job{
		Id: id, Type: e.route.GetJobType(), Source: "webhook:" + e.path, Subject: subject,
		Time: timestamppb.New(now), Data: c.body, Datacontenttype: "application/json",
		RequestId: c.id, Traceparent: r.Header.Get("Traceparent"), Lane: e.route.GetLane(),
		Principal: c.principal, PathParams: e.pathValues(r), Headers: e.keptHeaders(r),
		Query: r.URL.RawQuery, EventId: eventID, Reply: e.sync,
	}
	job := queue.Job{
		Instance: e.instance, ID: id, Type: envelope.GetType(), Key: subject,
		Window: e.window, RequestID: c.id, Lane: queue.LaneNormal,
	}
	if e.route.GetLane() == pluginv1.Lane_LANE_BULK {
		job.Lane = queue.LaneBulk
	}
	if e.sync {
		job.Lane, job.Reply, job.Key = queue.LaneNow, true, ""
		job.Expires = now.Add(e.deadline)
		envelope.Lane, envelope.Subject = pluginv1.Lane_LANE_NOW, ""
		envelope.Source = "interactive:" + e.path
		envelope.Expires = timestamppb.New(job.Expires)
	}
	if envelope.GetLane() == pluginv1.Lane_LANE_UNSPECIFIED {
		envelope.Lane = pluginv1.Lane_LANE_NORMAL
	}
	var err error
	job.Envelope, err = proto.Marshal(envelope)
	return job, err
}

// deliveryID joins the declared places of the vendor's id. When a route declares places and none holds a value, the
// body stands for itself; a route that declares none has no repeats.
func (e *endpoint) deliveryID(r *http.Request, c *call) string {
	sources := e.route.GetDedup()
	if len(sources) == 0 || e.sync {
		return ""
	}
	parts, found := make([]string, len(sources)), false
	for i, source := range sources {
		if name := source.GetHeader(); name != "" {
			parts[i] = r.Header.Get(name)
		} else {
			parts[i], _ = c.doc.Lookup(source.GetPointer())
		}
		found = found || parts[i] != ""
	}
	if !found {
		return "body:" + digest(string(c.body))
	}
	return strings.Join(parts, "\x1f")
}

// digest hashes parts unambiguously, 128 bits in hex.
func digest(parts ...string) string {
	h := sha256.New()
	for _, part := range parts {
		fmt.Fprintf(h, "%d:%s", len(part), part)
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

func (e *endpoint) pathValues(r *http.Request) map[string]string {
	if len(e.params) == 0 {
		return nil
	}
	values := make(map[string]string, len(e.params))
	for _, name := range e.params {
		values[name] = r.PathValue(name)
	}
	return values
}

func (e *endpoint) keptHeaders(r *http.Request) map[string]string {
	var kept map[string]string
	for _, name := range e.route.GetHeaders() {
		if value := r.Header.Get(name); value != "" {
			if kept == nil {
				kept = map[string]string{}
			}
			kept[name] = value
		}
	}
	return kept
}
