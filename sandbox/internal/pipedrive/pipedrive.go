// Package pipedrive stands in for Pipedrive's API, v2 with v1 where only that exists, in what integrations use: deals,
// persons, organizations and activities with cursors, users and notes. It keeps its records in memory.
//
// Facts about the real thing: developers.pipedrive.com/docs/api/v1 and the guides at pipedrive.readme.io.
package pipedrive

import (
	"crypto/subtle"
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
	maxRecords = 50_000 // of one kind
	burst      = 80     // calls of a token in a window of two seconds; told, not enforced
	moreInfo   = "Please check developers.pipedrive.com for more information about Pipedrive API."
)

// Server is the stand-in: an http.Handler for paths without a prefix (/api/v2/deals, /v1/users, /api/v1/users).
type Server struct {
	cred creds.Pipedrive
	now  func() time.Time
	mux  *http.ServeMux

	mu     sync.Mutex
	tables map[string]*table
	users  []record
	notes  []record
	window time.Time // begin of the burst window
	calls  int       // calls in it
}

// record is an object of the API, as it is answered.
type record map[string]any

func (r record) id() int {
	n, _ := r["id"].(int)
	return n
}

// table is all records of one kind, oldest first.
type table struct {
	singular string
	rows     []record
	next     int
}

// New makes the stand-in with its seeds; now is the clock.
func New(cred creds.Pipedrive, now func() time.Time) *Server {
	s := &Server{cred: cred, now: now, mux: http.NewServeMux(), tables: map[string]*table{}}
	for kind, singular := range map[string]string{"deals": "Deal", "persons": "Person", "organizations": "Organization", "activities": "Activity",
		"pipelines": "Pipeline", "stages": "Stage"} {
		s.tables[kind] = &table{singular: singular, next: 5001}
		at := "/api/v2/" + kind
		s.mux.HandleFunc("GET "+at, s.on(kind, s.list))
		s.mux.HandleFunc("GET "+at+"/{id}", s.on(kind, s.get))
		if kind == "pipelines" || kind == "stages" {
			continue
		}
		s.mux.HandleFunc("POST "+at, s.on(kind, s.create))
		s.mux.HandleFunc("PATCH "+at+"/{id}", s.on(kind, s.patch))
		s.mux.HandleFunc("DELETE "+at+"/{id}", s.on(kind, s.remove))
		if kind != "activities" {
			s.mux.HandleFunc("GET "+at+"/search", s.on(kind, s.search))
		}
	}
	s.mux.HandleFunc("GET /v1/users", s.listUsers)
	s.mux.HandleFunc("GET /v1/users/me", s.me)
	s.mux.HandleFunc("GET /v1/users/find", s.findUsers)
	s.mux.HandleFunc("GET /v1/users/{id}", s.getUser)
	s.mux.HandleFunc("GET /v1/notes", s.listNotes)
	s.mux.HandleFunc("POST /v1/notes", s.createNote)
	s.mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		fail(w, r, http.StatusNotFound, "Unknown method .")
	})
	s.seed()
	return s
}

func (s *Server) on(kind string, fn func(http.ResponseWriter, *http.Request, *table)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		fn(w, r, s.tables[kind])
	}
}

// ServeHTTP answers one call, after the check of the token.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	token := r.Header.Get("X-Api-Token")
	if bearer, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); ok && token == "" {
		token = bearer
	}
	if token == "" {
		token = r.URL.Query().Get("api_token")
	}
	if subtle.ConstantTimeCompare([]byte(token), []byte(s.cred.APIToken)) != 1 {
		ledger.Saw(r.Context(), "", "refused: not the API token")
		reply.JSON(w, http.StatusUnauthorized, map[string]any{"success": false, "error": "unauthorized access", "errorCode": http.StatusUnauthorized,
			"error_info": "Please check developers.pipedrive.com"})
		return
	}
	s.limits(w)
	if rest, ok := strings.CutPrefix(r.URL.Path, "/api/v1/"); ok {
		r = r.Clone(r.Context())
		r.URL.Path, r.URL.RawPath = "/v1/"+rest, ""
	}
	s.mux.ServeHTTP(w, r)
}

// limits tells what is left of the burst window.
func (s *Server) limits(w http.ResponseWriter) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	if now.Sub(s.window) >= 2*time.Second {
		s.window, s.calls = now, 0
	}
	s.calls++
	w.Header().Set("X-Ratelimit-Limit", strconv.Itoa(burst))
	w.Header().Set("X-Ratelimit-Remaining", strconv.Itoa(max(burst-s.calls, 0)))
	w.Header().Set("X-Ratelimit-Reset", strconv.Itoa(max(int((s.window.Add(2*time.Second).Sub(now)+time.Second-1)/time.Second), 0)))
}

// Refuse answers an injected fault as Pipedrive would.
func (s *Server) Refuse(w http.ResponseWriter, f fault.Rule) {
	message := "Internal server error"
	switch f.Status {
	case http.StatusTooManyRequests:
		message = "request over limit"
		w.Header().Set("X-Ratelimit-Limit", strconv.Itoa(burst))
		w.Header().Set("X-Ratelimit-Remaining", "0")
		w.Header().Set("X-Ratelimit-Reset", "2")
	case http.StatusUnauthorized:
		message = "unauthorized access"
	case http.StatusForbidden:
		message = "Forbidden"
	case http.StatusServiceUnavailable:
		message = "Service unavailable"
	}
	if f.Error != "" {
		message = f.Error
	}
	reply.JSON(w, f.Status, map[string]any{"success": false, "error": message, "errorCode": f.Status, "error_info": moreInfo, "data": nil, "additional_data": nil})
}

func fail(w http.ResponseWriter, r *http.Request, status int, message string) {
	ledger.Saw(r.Context(), "", "refused: %s", message)
	reply.JSON(w, status, map[string]any{"success": false, "error": message, "error_info": moreInfo, "data": nil, "additional_data": nil})
}

func ok(w http.ResponseWriter, data any, additional any) {
	body := map[string]any{"success": true, "data": data}
	if additional != nil {
		body["additional_data"] = additional
	}
	reply.JSON(w, http.StatusOK, body)
}
