// Package jira stands in for Jira Cloud's REST API v3 in what integrations use: issues with sub-tasks, labels, entity
// properties, comments, remote links and transitions, and the enhanced JQL search. It keeps its issues in memory.
//
// Facts about the real thing: developer.atlassian.com/cloud/jira/platform/rest/v3.
package jira

import (
	"crypto/subtle"
	"errors"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"bulkhead.dev/sandbox/internal/creds"
	"bulkhead.dev/sandbox/internal/fault"
	"bulkhead.dev/sandbox/internal/ledger"
	"bulkhead.dev/sandbox/internal/reply"
)

const (
	maxIssues   = 50_000
	maxPerIssue = 5_000 // comments, links or properties of one issue
	api         = "/rest/api/3/"
)

// Account ids of the token's own account and of the person who edits issues in the demo.
const (
	OwnAccount  = "5f00sandbox0bulkhead0bot"
	MaraAccount = "5f00sandbox0mara"
)

// Server is the stand-in: an http.Handler for paths without a prefix.
type Server struct {
	cred creds.Jira
	now  func() time.Time
	mux  *http.ServeMux

	mu        sync.Mutex
	projects  []project
	accounts  []account
	issues    []*issue
	index     map[string]*issue // by id and by key
	counters  map[string]int    // last number of each project's keys
	lastIssue int               // how many issues were ever made
	nextID    int               // of comments and links
}

type project struct{ ID, Key, Name string }

type account struct{ ID, Name, Email string }

// New makes the stand-in with its seeds; now is the clock.
func New(cred creds.Jira, now func() time.Time) *Server {
	s := &Server{cred: cred, now: now, mux: http.NewServeMux(), index: map[string]*issue{}, counters: map[string]int{}, nextID: 20000}
	for pattern, h := range map[string]http.HandlerFunc{
		"GET myself":                             s.myself,
		"GET serverInfo":                         s.serverInfo,
		"GET project/search":                     s.projectSearch,
		"GET project/{project}":                  s.project,
		"GET field":                              s.fields,
		"GET issuetype":                          s.issueTypes,
		"GET status":                             s.statuses,
		"GET priority":                           s.priorities,
		"GET user/search":                        s.userSearch,
		"GET user/assignable/search":             s.userSearch,
		"POST issue":                             s.create,
		"POST issue/bulk":                        s.createBulk,
		"POST issue/bulkfetch":                   s.bulkFetch,
		"GET issue/{issue}":                      s.get,
		"PUT issue/{issue}":                      s.update,
		"DELETE issue/{issue}":                   s.remove,
		"GET issue/{issue}/properties":           s.propertyKeys,
		"GET issue/{issue}/properties/{key}":     s.getProperty,
		"PUT issue/{issue}/properties/{key}":     s.setProperty,
		"DELETE issue/{issue}/properties/{key}":  s.dropProperty,
		"GET issue/{issue}/comment":              s.comments,
		"POST issue/{issue}/comment":             s.addComment,
		"GET issue/{issue}/remotelink":           s.links,
		"POST issue/{issue}/remotelink":          s.addLink,
		"DELETE issue/{issue}/remotelink/{link}": s.dropLink,
		"GET issue/{issue}/transitions":          s.transitions,
		"POST issue/{issue}/transitions":         s.transition,
		"GET search/jql":                         s.search,
		"POST search/jql":                        s.search,
		"POST search/approximate-count":          s.count,
		"GET search":                             s.searchRemoved,
		"POST search":                            s.searchRemoved,
	} {
		method, path, _ := strings.Cut(pattern, " ")
		s.mux.HandleFunc(method+" "+api+path, h)
	}
	s.mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		ledger.Saw(r.Context(), "", "asked for what Jira does not have")
		reply.JSON(w, http.StatusNotFound, map[string]any{"message": "null for uri: " + r.URL.Path, "status-code": http.StatusNotFound})
	})
	s.seed()
	return s
}

// ServeHTTP answers one call, after the check of Basic email:token.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	user, token, _ := r.BasicAuth()
	if same(user, s.cred.Email)&same(token, s.cred.APIToken) == 0 {
		ledger.Saw(r.Context(), "", "refused: not the e-mail and API token")
		w.Header().Set("WWW-Authenticate", `OAuth realm="jira"`)
		w.Header().Set("X-Seraph-Loginreason", "AUTHENTICATED_FAILED")
		reply.JSON(w, http.StatusUnauthorized, map[string]any{
			"message": "Client must be authenticated to access this resource.", "status-code": http.StatusUnauthorized})
		return
	}
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); r.ContentLength != 0 && (err != nil || kind != "application/json") {
		ledger.Saw(r.Context(), "", "refused: the body is not said to be JSON")
		reply.JSON(w, http.StatusUnsupportedMediaType, (&refusal{messages: []string{"Unsupported Media Type"}}).body())
		return
	}
	w.Header().Set("X-Aaccountid", OwnAccount)
	w.Header().Set("X-Ratelimit-Limit", "100")
	w.Header().Set("X-Ratelimit-Remaining", "99")
	if project, ok := strings.CutPrefix(r.URL.Path, api+"issue/createmeta/"); ok && r.Method == http.MethodGet {
		// The patterns of ServeMux can't tell this from the property of an issue.
		if project, ok = strings.CutSuffix(project, "/issuetypes"); ok {
			r.SetPathValue("project", project)
			s.createMeta(w, r)
			return
		}
	}
	s.mux.ServeHTTP(w, r)
}

// Refuse answers an injected fault as Jira would.
func (s *Server) Refuse(w http.ResponseWriter, f fault.Rule) {
	message := "Internal server error"
	switch f.Status {
	case http.StatusTooManyRequests:
		message = "The request has been rate-limited. Please try again later."
		seconds, _ := strconv.Atoi(f.RetryAfter)
		w.Header().Set("X-Ratelimit-Limit", "100")
		w.Header().Set("X-Ratelimit-Remaining", "0")
		w.Header().Set("X-Ratelimit-Reset", s.now().UTC().Add(time.Duration(seconds)*time.Second).Format(time.RFC3339))
		w.Header().Set("Ratelimit-Reason", "jira-burst-based")
	case http.StatusUnauthorized:
		message = "You are not authenticated. Authentication required to perform this operation."
	case http.StatusForbidden:
		message = "You do not have permission to perform this operation."
	case http.StatusServiceUnavailable:
		message = "The service is temporarily unavailable."
	}
	reply.JSON(w, f.Status, map[string]any{"errorMessages": []string{message}, "errors": map[string]string{}, "status": f.Status})
}

func same(a, b string) int { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) }

// refusal is an answer in Jira's error form.
type refusal struct {
	status   int
	messages []string
	fields   map[string]string
}

func (e *refusal) Error() string { return "refused" }

func refuse(status int, message string) error {
	return &refusal{status: status, messages: []string{message}}
}

func (e *refusal) body() map[string]any {
	if e.messages == nil {
		e.messages = []string{}
	}
	if e.fields == nil {
		e.fields = map[string]string{}
	}
	return map[string]any{"errorMessages": e.messages, "errors": e.fields}
}

func fail(w http.ResponseWriter, r *http.Request, err error) {
	e := &refusal{status: http.StatusBadRequest, messages: []string{"There was an error parsing JSON. Check that your request body is valid."}}
	if !errors.As(err, &e) && !errors.Is(err, reply.ErrBody) {
		e.messages = []string{err.Error()}
	}
	why := ""
	for _, m := range e.messages {
		why += ": " + m
	}
	for f, m := range e.fields {
		why += ": " + f + ": " + m
	}
	ledger.Saw(r.Context(), "", "refused%s", why)
	reply.JSON(w, e.status, e.body())
}
