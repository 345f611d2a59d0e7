package gateway

import (
	"net/http"
	"strings"
	"time"

	"github.com/oklog/ulid/v2"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"bulkhead.dev/host/internal/queue"
	"bulkhead.dev/sdk/pluginv1"
)

// job makes the job that a call of an asynchronous route becomes.
func (e *endpoint) job(r *http.Request, c *call) (queue.Job, error) {
	envelope := e.envelope(r, c)
	envelope.Source = "webhook:" + e.path
	envelope.Lane = pluginv1.Lane_LANE_NORMAL
	lane := queue.LaneNormal
	if e.route.GetLane() == pluginv1.Lane_LANE_BULK {
		envelope.Lane, lane = pluginv1.Lane_LANE_BULK, queue.LaneBulk
	}
	if pointer := e.route.GetOrdering(); pointer != "" {
		envelope.Subject, _ = c.doc.Lookup(pointer)
	}
	if identity, eventID := e.delivery(r, c); identity != "" {
		envelope.Id, envelope.EventId = e.instance+"-"+identity, valid(eventID)
	}
	return e.queued(envelope, queue.Job{Lane: lane, Key: envelope.GetSubject()})
}

// waitedFor makes the job that a call of a synchronous route becomes: never a repeat of another, in no order, and worth
// nothing after the caller's deadline. Only where the route promises at the deadline that the work goes on, it does so
// even if it has not begun by then.
func (e *endpoint) waitedFor(r *http.Request, c *call, deadline time.Time) (queue.Job, error) {
	envelope := e.envelope(r, c)
	envelope.Source = "interactive:" + e.path
	envelope.Lane, envelope.Reply = pluginv1.Lane_LANE_NOW, true
	job := queue.Job{Lane: queue.LaneNow, Reply: true}
	if e.route.GetLate() == nil {
		job.Expires, envelope.Expires = deadline, timestamppb.New(deadline)
	}
	return e.queued(envelope, job)
}

func (e *endpoint) envelope(r *http.Request, c *call) *pluginv1.Job {
	return &pluginv1.Job{
		Id: e.instance + "-" + ulid.Make().String(), Type: e.route.GetJobType(), Time: timestamppb.Now(),
		Data: c.data, Datacontenttype: c.contentType, RequestId: c.id, Traceparent: traceparent(r.Header),
		Principal: c.principal, PathParams: e.pathValues(r), Headers: e.keptHeaders(r), Query: valid(r.URL.RawQuery),
	}
}

func (e *endpoint) queued(envelope *pluginv1.Job, job queue.Job) (queue.Job, error) {
	job.Instance, job.ID, job.Type = e.instance, envelope.GetId(), envelope.GetType()
	job.RequestID, job.Window = envelope.GetRequestId(), e.window
	var err error
	job.Envelope, err = proto.Marshal(envelope)
	return job, err
}

// valid makes text of what a caller sent: the envelope holds UTF-8 alone.
func valid(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }

// delivery answers the identity of the vendor's delivery, and its id as people know it. When a route declares places and
// none holds a value, the call's content stands for itself; a route that declares none has no repeats.
func (e *endpoint) delivery(r *http.Request, c *call) (identity, eventID string) {
	sources := e.route.GetDedup()
	if len(sources) == 0 {
		return "", ""
	}
	values, found := make([]string, len(sources)), false
	for i, source := range sources {
		if name := source.GetHeader(); name != "" {
			values[i] = r.Header.Get(name)
		} else {
			values[i], _ = c.doc.Lookup(source.GetPointer())
		}
		found = found || values[i] != ""
	}
	parts := []string{e.pattern}
	for _, name := range e.params {
		parts = append(parts, r.PathValue(name))
	}
	if !found {
		return queue.Identity(append(parts, "content", r.URL.RawQuery, string(c.data))...), ""
	}
	return queue.Identity(append(append(parts, "id"), values...)...), strings.Join(values, " ")
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
		if values := r.Header.Values(name); len(values) > 0 {
			if kept == nil {
				kept = map[string]string{}
			}
			kept[name] = valid(strings.Join(values, ", "))
		}
	}
	return kept
}

// traceparent answers the caller's W3C trace context (https://www.w3.org/TR/trace-context/#traceparent-header) when it
// is one; else nothing, as the standard asks.
func traceparent(h http.Header) string {
	values := h.Values("Traceparent")
	if len(values) != 1 {
		return ""
	}
	const length = len("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
	v := values[0]
	if len(v) < length || len(v) > 2*length || (len(v) > length && (v[:2] == "00" || v[length] != '-')) {
		return ""
	}
	version, trace, parent, flags := v[:2], v[3:35], v[36:52], v[53:55]
	dashes := v[2] == '-' && v[35] == '-' && v[52] == '-'
	if !dashes || version == "ff" || strings.Trim(trace, "0") == "" || strings.Trim(parent, "0") == "" {
		return ""
	}
	if strings.Trim(version+trace+parent+flags, "0123456789abcdef") != "" {
		return ""
	}
	return valid(v)
}
