// Package peopleforce stands in for PeopleForce's API v3 in what integrations use: employees, their notes, leave requests
// and the lists of the organisation. It keeps its records in memory; dates are relative to the start.
//
// Facts about the real thing: developer.peopleforce.io/reference.
package peopleforce

import (
	"crypto/subtle"
	"net/http"
	"net/url"
	"slices"
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
	api      = "/api/public/v3"
	perPage  = 50 // fixed by the vendor
	maxNotes = 50_000
)

// Server is the stand-in: an http.Handler for paths without a prefix (/api/public/v3/employees).
type Server struct {
	cred creds.PeopleForce
	now  func() time.Time
	mux  *http.ServeMux

	mu        sync.Mutex
	employees []employee // by id; made at the start and not changed
	leaves    []leave    // by first day
	notes     []note
}

type named struct {
	ID   int    `json:"id"`
	Name string `json:"name"`
}

type note struct {
	id, employee int
	body         string
	at           time.Time
}

// New makes the stand-in with its seeds; now is the clock.
func New(cred creds.PeopleForce, now func() time.Time) *Server {
	s := &Server{cred: cred, now: now, mux: http.NewServeMux()}
	for path, h := range map[string]http.HandlerFunc{
		"GET /employees":              s.list,
		"GET /employees/terminated":   s.terminated,
		"GET /employees/{id}":         s.get,
		"GET /employees/{id}/notes":   s.listNotes,
		"POST /employees/{id}/notes":  s.addNote,
		"GET /leave_requests":         s.listLeaves,
		"GET /leave_requests/pending": s.pendingLeaves,
		"GET /leave_requests/{id}":    s.getLeave,
		"GET /leave_types":            s.names("leave types", leaveTypeBodies()),
		"GET /departments":            s.names("departments", bodies(departments())),
		"GET /positions":              s.names("positions", bodies(positions())),
		"GET /divisions":              s.names("divisions", bodies([]named{{61, "Europe"}})),
		"GET /locations":              s.names("locations", bodies(locations())),
		"GET /employment_types":       s.names("employment types", bodies([]named{{311, "Full-time"}, {312, "Part-time"}})),
	} {
		method, rest, _ := strings.Cut(path, " ")
		s.mux.HandleFunc(method+" "+api+rest, h)
	}
	s.mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { fail(w, r, http.StatusNotFound, "Not Found") })
	s.seed()
	return s
}

// ServeHTTP answers one call, after the check of X-API-KEY.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if subtle.ConstantTimeCompare([]byte(r.Header.Get("X-Api-Key")), []byte(s.cred.APIKey)) != 1 {
		fail(w, r, http.StatusUnauthorized, "Bad Credentials")
		return
	}
	s.mux.ServeHTTP(w, r)
}

// Refuse answers an injected fault as PeopleForce would.
func (s *Server) Refuse(w http.ResponseWriter, f fault.Rule) {
	message := http.StatusText(f.Status)
	switch {
	case f.Error != "":
		message = f.Error
	case f.Status == http.StatusUnauthorized:
		message = "Bad Credentials"
	}
	reply.JSON(w, f.Status, map[string]any{"message": message})
}

func fail(w http.ResponseWriter, r *http.Request, status int, message string) {
	ledger.Saw(r.Context(), "", "refused: %s", message)
	reply.JSON(w, status, map[string]any{"message": message})
}

// page answers one page of rows in the vendor's envelope.
func page[T any](w http.ResponseWriter, r *http.Request, what string, rows []T, body func(T) any) {
	number, err := strconv.Atoi(r.URL.Query().Get("page"))
	if err != nil || number < 1 {
		number = 1
	}
	pages := max((len(rows)+perPage-1)/perPage, 1)
	from := min((number-1)*perPage, len(rows))
	shown := rows[from:min(from+perPage, len(rows))]
	data := []any{}
	for _, row := range shown {
		data = append(data, body(row))
	}
	ledger.Saw(r.Context(), "peopleforce", "read %d of %d %s", len(data), len(rows), what)
	reply.JSON(w, http.StatusOK, map[string]any{"data": data, "metadata": map[string]any{"pagination": map[string]any{
		"page": number, "pages": pages, "count": len(data), "items": len(rows)}}})
}

func (s *Server) names(what string, rows []any) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		page(w, r, what, rows, func(row any) any { return row })
	}
}

func bodies(all []named) []any {
	rows := []any{}
	for _, n := range all {
		rows = append(rows, n)
	}
	return rows
}

// many answers the values of an array parameter: name[]=a&name[]=b.
func many(q url.Values, name string) []string { return slices.Concat(q[name+"[]"], q[name]) }

// isIn says whether v is among the values; none at all takes everything.
func isIn(values []string, v string) bool {
	return len(values) == 0 || slices.ContainsFunc(values, func(o string) bool { return strings.EqualFold(o, v) })
}

func (s *Server) listNotes(w http.ResponseWriter, r *http.Request) {
	e, found := s.find(r)
	if !found {
		fail(w, r, http.StatusNotFound, "Not Found")
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	all := []any{}
	for _, n := range s.notes {
		if n.employee == e.id {
			all = append(all, n.show())
		}
	}
	ledger.Saw(r.Context(), e.anchor(), "read the notes of %s", e.name())
	reply.JSON(w, http.StatusOK, map[string]any{"data": all})
}

func (n note) show() map[string]any {
	return map[string]any{"id": n.id, "body": n.body, "created_at": n.at.Format(stamp), "updated_at": n.at.Format(stamp), "created_by": nil}
}

func (s *Server) addNote(w http.ResponseWriter, r *http.Request) {
	e, found := s.find(r)
	if !found {
		fail(w, r, http.StatusNotFound, "Not Found")
		return
	}
	var in struct {
		Body string `json:"body"`
	}
	if err := reply.Decode(r, &in); err != nil || in.Body == "" {
		reply.JSON(w, http.StatusBadRequest, map[string]any{"success": false, "errors": []any{map[string]any{"message": "Body can't be blank"}}})
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.notes) >= maxNotes {
		fail(w, r, http.StatusUnprocessableEntity, "Too many notes")
		return
	}
	n := note{id: 7001 + len(s.notes), employee: e.id, body: in.Body, at: s.now()}
	s.notes = append(s.notes, n)
	ledger.Did(r.Context(), e.anchor(), "wrote a note on %s", e.name())
	reply.JSON(w, http.StatusCreated, map[string]any{"data": n.show()})
}
