package peopleforce

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"bulkhead.dev/sandbox/internal/ledger"
	"bulkhead.dev/sandbox/internal/reply"
)

const stamp = "2006-01-02T15:04:05.000Z07:00"

type employee struct {
	id                                   int
	number, first, last, email, gender   string
	status                               string // hired, probation, employed or terminated
	hired, terminated                    time.Time
	position, department, location, kind named
	manager                              int // 0: none
	updated                              time.Time
}

func (e employee) name() string   { return e.first + " " + e.last }
func (e employee) anchor() string { return "peopleforce-" + strconv.Itoa(e.id) }

func day(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.Format(time.DateOnly)
}

// find answers the employee of the path.
func (s *Server) find(r *http.Request) (employee, bool) {
	id, err := strconv.Atoi(r.PathValue("id"))
	if err != nil {
		return employee{}, false
	}
	return s.byID(id)
}

func (s *Server) byID(id int) (employee, bool) {
	for _, e := range s.employees {
		if e.id == id {
			return e, true
		}
	}
	return employee{}, false
}

func (s *Server) short(id int) any {
	e, found := s.byID(id)
	if !found {
		return nil
	}
	return map[string]any{"id": e.id, "first_name": e.first, "last_name": e.last, "email": e.email}
}

// common is what the list and the single employee have in common.
func (s *Server) common(e employee) map[string]any {
	return map[string]any{"id": e.id, "access": true, "full_name": e.name(), "first_name": e.first, "middle_name": nil, "last_name": e.last,
		"email": e.email, "personal_email": nil, "avatar_url": nil, "date_of_birth": nil, "hired_on": day(e.hired),
		"probation_ends_on": day(e.hired.AddDate(0, 3, 0)), "position": e.position, "job_level": nil, "location": e.location,
		"employment_type": e.kind, "division": named{61, "Europe"}, "department": e.department, "reporting_to": s.short(e.manager)}
}

// slim is a row of the list: no custom fields, gender a word.
func (s *Server) slim(e employee) any {
	b := s.common(e)
	for k, v := range map[string]any{"active": e.status != "terminated", "gender": e.gender, "mobile_number": nil, "work_phone_number": nil,
		"employee_number": e.number, "skype_username": nil, "slack_username": nil, "twitter_username": nil, "facebook_url": nil, "linkedin_url": nil} {
		b[k] = v
	}
	return b
}

// full is a single employee: gender an object, custom fields by internal name.
func (s *Server) full(e employee) any {
	b := s.common(e)
	reports := []any{}
	for _, o := range s.employees {
		if o.manager == e.id {
			reports = append(reports, s.short(o.id))
		}
	}
	for k, v := range map[string]any{"status": e.status, "gender": named{map[string]int{"male": 1, "female": 2}[e.gender], e.gender},
		"direct_reports": reports, "termination_effective_on": day(e.terminated), "termination_comment": nil, "termination_eligible_for_rehire": nil,
		"termination_type": nil, "termination_reason": nil, "fields": map[string]any{"t_shirt_size": map[string]any{"value": "M"}},
		"created_at": e.hired.AddDate(0, 0, -14).Format(stamp), "updated_at": e.updated.Format(stamp)} {
		b[k] = v
	}
	return b
}

func (s *Server) get(w http.ResponseWriter, r *http.Request) {
	e, found := s.find(r)
	if !found {
		fail(w, r, http.StatusNotFound, "Not Found")
		return
	}
	ledger.Saw(r.Context(), e.anchor(), "read employee %s", e.name())
	reply.JSON(w, http.StatusOK, map[string]any{"data": s.full(e)})
}

// list leaves out those who have left, unless status says otherwise.
func (s *Server) list(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	status := q.Get("status")
	rows := []employee{}
	for _, e := range s.employees {
		gone := e.status == "terminated"
		takes := status == "all" || status == e.status || ((status == "" || status == "active") && !gone)
		if takes && isIn(many(q, "ids"), strconv.Itoa(e.id)) && isIn(many(q, "emails"), e.email) && isIn(many(q, "employee_numbers"), e.number) &&
			(q.Get("manager_id") == "" || q.Get("manager_id") == strconv.Itoa(e.manager)) &&
			within(q, "hired_on", e.hired) && within(q, "updated_at", e.updated) && within(q, "created_at", e.hired.AddDate(0, 0, -14)) {
			rows = append(rows, e)
		}
	}
	page(w, r, "employees", rows, s.slim)
}

func (s *Server) terminated(w http.ResponseWriter, r *http.Request) {
	rows := []employee{}
	for _, e := range s.employees {
		if e.status == "terminated" && within(r.URL.Query(), "terminated_on", e.terminated) {
			rows = append(rows, e)
		}
	}
	page(w, r, "former employees", rows, s.full)
}

// within applies name[gte] and name[lte]: a date or a time; a bound that is neither is ignored, as unknown filters are.
func within(q url.Values, name string, at time.Time) bool {
	if low, ok := bound(q.Get(name + "[gte]")); ok && at.Before(low) {
		return false
	}
	high := q.Get(name + "[lte]")
	if t, ok := bound(high); ok {
		if !strings.Contains(high, "T") {
			t = t.AddDate(0, 0, 1).Add(-time.Nanosecond)
		}
		return !at.After(t)
	}
	return true
}

func bound(v string) (time.Time, bool) {
	for _, form := range []string{time.RFC3339, time.DateOnly} {
		if t, err := time.Parse(form, v); err == nil {
			return t, true
		}
	}
	return time.Time{}, false
}
