package sdk

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"bulkhead.dev/sdk/pluginv1"
)

// Route is one HTTP endpoint, carried out by the host: what is declared here needs no code in the plugin.
type Route struct {
	// Method; empty: POST.
	Method string
	// Path below /webhooks/<instance>/, or below /interactive/<instance>/ when Sync, without a leading slash. A segment
	// in braces is a path parameter: "orders/{id}".
	Path string
	// Sync: the caller waits for the handler's answer, up to Deadline. Else it gets Accepted as soon as the job is safe.
	Sync bool
	// Bulk sends the jobs by the lane that yields to others; it means nothing on a sync route.
	Bulk bool
	// Job is the type of the job that a call becomes; empty: the domain's name and the path, with dots for slashes.
	Job string
	// ContentTypes are the accepted media types, without parameters; empty: application/json. The handler of a form
	// gets an object of texts. A GET has no body: its query is the payload.
	ContentTypes []string
	// Verify says how the host proves that a call comes from the vendor; nil only on a sync route: its callers are
	// people and programs that log in by the host's own means.
	Verify Verification
	// Challenge is answered by the host alone; nil: the vendor has none.
	Challenge *Challenge
	// Dedup says where the vendor's delivery id stands; several values are joined in this order. A call that has none of
	// them is known by the hash of its body, which is no help where the vendor counts its attempts inside it. Empty:
	// every call is a job of its own.
	Dedup []Source
	// DedupWindow is how long a repeat is recognised; it should outlive the vendor's retries. 0: 24 h.
	DedupWindow time.Duration
	// Order is the JSON pointer to the subject whose jobs run one after another; empty: no order. Not on sync routes.
	Order string
	// Policy narrows that of the domain.
	Policy Policy
	// Deadline is how long the caller of a sync route waits, 25 s at most; 0: 25 s.
	Deadline time.Duration
	// Accepted answers the caller of an async route; nil: 202 with the job's id and the URL of its status.
	Accepted *Reply
	// Late answers the caller of a sync route at its deadline; nil: 504. The job goes on.
	Late *Reply
	// MaxBody is the largest body in bytes; 0: 1 MiB. At most 8 MiB.
	MaxBody int64
	// Headers are the request headers that the job carries; all others end at the host.
	Headers []string
	// Handle is made by Handle, or by Answer on a sync route.
	Handle Handler
}

// Source is one place of a request where a value is taken from. Header and Pointer make it.
type Source struct{ header, pointer string }

// Header takes the value of a request header.
func Header(name string) Source { return Source{header: http.CanonicalHeaderKey(name)} }

// Pointer takes the value at a JSON pointer (RFC 6901) into the body, such as "/meta/id". One that is absent counts as
// empty.
func Pointer(pointer string) Source { return Source{pointer: pointer} }

// Challenge is a call by which a vendor proves that the URL answers. The host verifies it like any other and then
// answers 200 with a string of its body, without a job.
type Challenge struct {
	// Match is the JSON pointer to the field that marks a challenge, and Value what stands there.
	Match, Value string
	// Echo is the JSON pointer to the string that is answered.
	Echo string
	// Member is the name of the answer's JSON member; empty: the string alone, as text/plain.
	Member string
}

// SlackChallenge is the url_verification call of Slack's Events API
// (https://docs.slack.dev/reference/events/url_verification).
func SlackChallenge() *Challenge {
	return &Challenge{Match: "/type", Value: "url_verification", Echo: "/challenge"}
}

// Reply is a fixed HTTP answer that the host gives without asking the plugin.
type Reply struct {
	// Status; 0: 200.
	Status int
	// ContentType of Body; empty: application/json when there is a body.
	ContentType string
	// Body; empty: none.
	Body string
}

func (s Source) proto() *pluginv1.Source {
	if s.header != "" {
		return &pluginv1.Source{From: &pluginv1.Source_Header{Header: s.header}}
	}
	return &pluginv1.Source{From: &pluginv1.Source_Pointer{Pointer: s.pointer}}
}

func (c *Challenge) proto() *pluginv1.Challenge {
	if c == nil {
		return nil
	}
	return &pluginv1.Challenge{Match: c.Match, Value: c.Value, Echo: c.Echo, Member: c.Member}
}

func (r *Reply) proto() *pluginv1.Answer {
	if r == nil {
		return nil
	}
	a := &pluginv1.Answer{Status: clampInt32(r.Status), ContentType: r.ContentType, Body: []byte(r.Body)}
	if a.Status == 0 {
		a.Status = http.StatusOK
	}
	if a.ContentType == "" && r.Body != "" {
		a.ContentType = mediaJSON
	}
	return a
}

func (r *Route) method() string {
	if r.Method == "" {
		return http.MethodPost
	}
	return r.Method
}

// jobType is the declared type or the one made from the path.
func (r *Route) jobType(domain string) string {
	if r.Job != "" {
		return r.Job
	}
	return domain + "." + strings.NewReplacer("/", ".", "{", "", "}", "").Replace(r.Path)
}

func (r *Route) contentTypes() []string {
	if len(r.ContentTypes) == 0 {
		return []string{mediaJSON}
	}
	types := make([]string, len(r.ContentTypes))
	for i, t := range r.ContentTypes {
		types[i] = strings.ToLower(t)
	}
	return types
}

// texts says whether the payload may come as a form or as a query, which the host hands on as an object of texts.
func (r *Route) texts() bool {
	if r.method() == http.MethodGet || r.method() == http.MethodHead {
		return true
	}
	return slices.ContainsFunc(r.contentTypes(), func(t string) bool { return !isJSON(t) })
}

func (r *Route) headers() []string {
	if len(r.Headers) == 0 {
		return nil
	}
	names := make([]string, len(r.Headers))
	for i, name := range r.Headers {
		names[i] = http.CanonicalHeaderKey(name)
	}
	return names
}
