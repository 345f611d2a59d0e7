package pipedrive

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"bulkhead.dev/sandbox/internal/ledger"
	"bulkhead.dev/sandbox/internal/reply"
)

const v1Time = "2006-01-02 15:04:05"

func (s *Server) listUsers(w http.ResponseWriter, r *http.Request) {
	ledger.Saw(r.Context(), "pipedrive", "read the users")
	ok(w, s.users, nil)
}

func (s *Server) me(w http.ResponseWriter, r *http.Request) {
	body := record{"company_id": Company, "company_name": "Northlight", "company_domain": "northlight-sandbox", "company_country": "EE",
		"language": map[string]any{"language_code": "en", "country_code": "US"}}
	for k, v := range s.users[0] {
		body[k] = v
	}
	ledger.Saw(r.Context(), "pipedrive", "asked who the token is")
	ok(w, body, nil)
}

func (s *Server) getUser(w http.ResponseWriter, r *http.Request) {
	for _, u := range s.users {
		if strconv.Itoa(u.id()) == r.PathValue("id") {
			ledger.Saw(r.Context(), "pipedrive", "read user %s", u["name"])
			ok(w, u, nil)
			return
		}
	}
	fail(w, r, http.StatusNotFound, "User not found")
}

func (s *Server) findUsers(w http.ResponseWriter, r *http.Request) {
	term := strings.ToLower(r.URL.Query().Get("term"))
	if term == "" {
		fail(w, r, http.StatusBadRequest, "Validation failed: term: Required")
		return
	}
	field := "name"
	if v := r.URL.Query().Get("search_by_email"); v == "1" || v == "true" {
		field = "email"
	}
	found := []record{}
	for _, u := range s.users {
		if text, _ := u[field].(string); strings.Contains(strings.ToLower(text), term) {
			found = append(found, u)
		}
	}
	ledger.Saw(r.Context(), "pipedrive", "looked for user '%s': %d found", term, len(found))
	ok(w, found, nil)
}

func (s *Server) listNotes(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	start, _ := strconv.Atoi(q.Get("start")) // none: from the first
	limit, err := strconv.Atoi(q.Get("limit"))
	if err != nil || limit < 1 || limit > 500 {
		limit = 100
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	found := []record{}
	for _, n := range s.notes {
		takes := true
		for _, name := range []string{"deal_id", "person_id", "org_id"} {
			if v := q.Get(name); v != "" {
				id, isInt := n[name].(int)
				takes = takes && isInt && strconv.Itoa(id) == v
			}
		}
		if takes {
			found = append(found, n)
		}
	}
	start = min(max(start, 0), len(found))
	end := min(start+limit, len(found))
	paging := map[string]any{"start": start, "limit": limit, "more_items_in_collection": end < len(found)}
	if end < len(found) {
		paging["next_start"] = end
	}
	ledger.Saw(r.Context(), "pipedrive", "read %d notes", end-start)
	ok(w, found[start:end], map[string]any{"pagination": paging})
}

func (s *Server) createNote(w http.ResponseWriter, r *http.Request) {
	var in struct {
		Content  string `json:"content"`
		DealID   *int   `json:"deal_id"`
		PersonID *int   `json:"person_id"`
		OrgID    *int   `json:"org_id"`
	}
	if err := reply.Decode(r, &in); err != nil {
		fail(w, r, http.StatusBadRequest, "Invalid JSON")
		return
	}
	switch {
	case in.Content == "":
		fail(w, r, http.StatusBadRequest, "Content is required")
		return
	case in.DealID == nil && in.PersonID == nil && in.OrgID == nil:
		fail(w, r, http.StatusBadRequest, "At least one of the following fields is required: deal_id, person_id, org_id, lead_id, project_id")
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.notes) >= maxRecords {
		fail(w, r, http.StatusForbidden, "The limit of notes is reached")
		return
	}
	n := record{"id": 900 + len(s.notes), "content": in.Content, "deal_id": nil, "person_id": nil, "org_id": nil, "lead_id": nil, "user_id": OwnUser,
		"active_flag": true, "add_time": s.now().UTC().Format(v1Time), "update_time": s.now().UTC().Format(v1Time)}
	anchor, on := "pipedrive", "a record"
	for name, id := range map[string]*int{"person_id": in.PersonID, "org_id": in.OrgID, "deal_id": in.DealID} {
		if id != nil {
			n[name] = *id
		}
	}
	if in.DealID != nil {
		anchor, on = "pipedrive-deal-"+strconv.Itoa(*in.DealID), "deal "+strconv.Itoa(*in.DealID)
	}
	s.notes = append(s.notes, n)
	ledger.Did(r.Context(), anchor, "wrote a note on %s", on)
	ok(w, n, nil)
}

func (s *Server) seedUsers() {
	for i, u := range []struct{ name, email string }{
		{"Bulkhead Integration", "integration@northlight.example"},
		{"Ines Duarte", "ines.duarte@northlight.example"},
		{"Oskar Nowak", "oskar.nowak@northlight.example"},
	} {
		id := []int{OwnUser, Ines, 15010033}[i]
		s.users = append(s.users, record{"id": id, "name": u.name, "email": u.email, "active_flag": true, "activated": true, "default_currency": "EUR",
			"locale": "en_US", "lang": 1, "timezone_name": "Europe/Tallinn", "timezone_offset": "+02:00", "is_you": i == 0, "is_deleted": false, "role_id": 1,
			"created": "2026-01-05 08:00:00", "modified": s.now().UTC().Add(-72 * time.Hour).Format(v1Time), "icon_url": nil, "phone": nil,
			"access": []any{map[string]any{"app": "sales", "admin": i == 0}}})
	}
}
