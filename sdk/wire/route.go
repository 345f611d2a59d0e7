package wire

import (
	"fmt"
	"mime"
	"net/http"
	"net/textproto"
	"slices"
	"strings"

	"bulkhead.dev/sdk/pluginv1"
)

func (f *faults) routes(m *pluginv1.Manifest) {
	type place struct{ path, kind, method, pattern string }
	var placed []place
	schemas := map[string]string{} // job type -> schema and route, one handler takes them all
	for i, r := range m.GetRoutes() {
		path := fmt.Sprintf("routes[%d]", i)
		f.route(path, m.GetName(), r)
		kind := "webhooks"
		if r.GetPattern() == pluginv1.Pattern_PATTERN_SYNC {
			kind = "interactive"
		}
		for _, other := range placed {
			if other.kind == kind && conflict(other.method, other.pattern, r.GetMethod(), r.GetPath()) {
				f.add(path+".path", "%s %s conflicts with %s", r.GetMethod(), r.GetPath(), other.path)
			}
		}
		placed = append(placed, place{path, kind, r.GetMethod(), r.GetPath()})
		if before, ok := schemas[r.GetJobType()]; ok && before != string(r.GetSchema()) {
			f.add(path+".schema", "differs from another route's with the job type %q", r.GetJobType())
		}
		schemas[r.GetJobType()] = string(r.GetSchema())
	}
}

func (f *faults) route(path, domain string, r *pluginv1.Route) {
	sync := r.GetPattern() == pluginv1.Pattern_PATTERN_SYNC
	if !slices.Contains([]string{
		http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete,
	}, r.GetMethod()) {
		f.add(path+".method", "%q is not GET, HEAD, POST, PUT, PATCH or DELETE", r.GetMethod())
	}
	f.routePath(path+".path", r.GetPath())
	f.jobType(path+".job_type", domain, r.GetJobType())
	f.lane(path+".lane", r.GetLane(), sync)
	for i, media := range r.GetContentTypes() {
		if base, params, err := mime.ParseMediaType(media); err != nil || len(params) > 0 || base != media || !strings.Contains(media, "/") {
			f.add(fmt.Sprintf("%s.content_types[%d]", path, i), "%q is not a lower-case media type without parameters", media)
		}
	}
	f.schema(path+".schema", r.GetSchema())
	f.verification(path+".verification", r.GetVerification())
	if r.GetVerification() == nil && !sync {
		f.add(path+".verification", "an asynchronous route needs one: anyone can call it")
	}
	f.challenge(path+".challenge", r.GetChallenge())
	for i, source := range r.GetDedup() {
		f.source(fmt.Sprintf("%s.dedup[%d]", path, i), source)
	}
	f.duration(path+".dedup_window", r.GetDedupWindow(), maxWindow)
	f.pointer(path+".ordering", r.GetOrdering(), true)
	f.policy(path+".policy", r.GetPolicy())
	f.duration(path+".deadline", r.GetDeadline(), MaxDeadline)
	f.answer(path+".accepted", r.GetAccepted())
	f.answer(path+".late", r.GetLate())
	f.within(path+".max_body_bytes", r.GetMaxBodyBytes(), MaxBodyBytes)
	for i, name := range r.GetHeaders() {
		f.header(fmt.Sprintf("%s.headers[%d]", path, i), name)
	}
	if sync {
		if r.GetOrdering() != "" {
			f.add(path+".ordering", "a synchronous route has no order: its caller would wait for others' jobs")
		}
		if r.GetAccepted() != nil {
			f.add(path+".accepted", "a synchronous route answers with its result")
		}
		return
	}
	if r.GetDeadline() != nil {
		f.add(path+".deadline", "only the caller of a synchronous route waits")
	}
	if r.GetLate() != nil {
		f.add(path+".late", "only the caller of a synchronous route waits")
	}
}

// routePath checks a relative path: clean, no leading slash, braces only around a whole segment.
func (f *faults) routePath(path, s string) {
	if s == "" || len(s) > 200 {
		f.add(path, "is missing or above 200 bytes")
		return
	}
	names := map[string]bool{}
	for segment := range strings.SplitSeq(s, "/") {
		if segment == "" || segment == "." || segment == ".." {
			f.add(path, "%q is not clean: no leading, trailing or doubled slash, no dots", s)
			return
		}
		name, isParam := parameter(segment)
		switch {
		case isParam && !validParameter(name):
			f.add(path, "%q: the parameter %q is not a name of letters, digits and underscores", s, segment)
		case isParam && names[name]:
			f.add(path, "%q: the parameter %q occurs twice", s, segment)
		case isParam:
			names[name] = true
		case strings.IndexFunc(segment, notUnreserved) >= 0:
			f.add(path, "%q: the segment %q holds more than letters, digits, -, ., _ and ~", s, segment)
		}
	}
}

func parameter(segment string) (string, bool) {
	if len(segment) >= 2 && segment[0] == '{' && segment[len(segment)-1] == '}' {
		return segment[1 : len(segment)-1], true
	}
	return "", false
}

func validParameter(s string) bool {
	for i := range len(s) {
		c := s[i]
		letter := c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
		if !letter && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return s != ""
}

// notUnreserved tells what RFC 3986 does not call unreserved.
func notUnreserved(r rune) bool {
	return (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && !strings.ContainsRune("-._~", r)
}

// conflict tells whether net/http's ServeMux could not tell two patterns apart: some request fits both, and neither
// is the more specific one. A pattern for GET takes HEAD too.
func conflict(aMethod, aPath, bMethod, bPath string) bool {
	meet, aWider, bWider := compare(aPath, bPath)
	switch {
	case !meet:
		return false
	case aMethod == bMethod:
		return aWider == bWider
	case aMethod == http.MethodGet && bMethod == http.MethodHead:
		return bWider
	case aMethod == http.MethodHead && bMethod == http.MethodGet:
		return aWider
	}
	return false
}

// compare tells whether some path fits both a and b, and whether each takes paths there that the other does not.
func compare(a, b string) (meet, aWider, bWider bool) {
	as, bs := strings.Split(a, "/"), strings.Split(b, "/")
	if len(as) != len(bs) {
		return false, false, false
	}
	for i := range as {
		_, aParam := parameter(as[i])
		_, bParam := parameter(bs[i])
		switch {
		case aParam && !bParam:
			aWider = true
		case bParam && !aParam:
			bWider = true
		case !aParam && as[i] != bs[i]:
			return false, false, false
		}
	}
	return true, aWider, bWider
}

func (f *faults) source(path string, s *pluginv1.Source) {
	switch from := s.GetFrom().(type) {
	case *pluginv1.Source_Header:
		f.header(path+".header", from.Header)
	case *pluginv1.Source_Pointer:
		f.pointer(path+".pointer", from.Pointer, false)
	default:
		f.add(path, "names neither a header nor a pointer")
	}
}

func (f *faults) header(path, name string) {
	if name == "" || textproto.CanonicalMIMEHeaderKey(name) != name || strings.IndexFunc(name, notUnreserved) >= 0 {
		f.add(path, "%q is not a header name in canonical form (%q)", name, textproto.CanonicalMIMEHeaderKey(name))
	}
}

func (f *faults) challenge(path string, c *pluginv1.Challenge) {
	if c == nil {
		return
	}
	f.pointer(path+".match", c.GetMatch(), false)
	f.pointer(path+".echo", c.GetEcho(), false)
}

func (f *faults) answer(path string, a *pluginv1.Answer) {
	if a == nil {
		return
	}
	if s := a.GetStatus(); s < 200 || s > 599 || (s >= 300 && s < 400) {
		f.add(path+".status", "%d is not a final status other than a redirect", s)
	}
	if n := len(a.GetBody()); n > 64<<10 {
		f.add(path+".body", "%d bytes are above the limit of 64 KiB", n)
	}
	if t := a.GetContentType(); t != "" {
		if _, _, err := mime.ParseMediaType(t); err != nil {
			f.add(path+".content_type", "%q is not a media type", t)
		}
	}
}
