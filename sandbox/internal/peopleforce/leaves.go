package peopleforce

import (
	"net/http"
	"net/url"
	"strconv"
	"time"

	"bulkhead.dev/sandbox/internal/ledger"
	"bulkhead.dev/sandbox/internal/reply"
)

type leave struct {
	id, employee int
	kind         leaveType
	state        string // pending, approved, rejected or withdrawn
	first, last  time.Time
	daily        float64 // days of each day: 0.5 is a half day
	comment      string
	updated      time.Time
}

type leaveType struct {
	id                         int
	name, visibility, activity string
}

func leaveTypes() []leaveType {
	return []leaveType{
		{81, "Vacation", "public", "not_working_paid"},
		{82, "Sick leave", "private", "not_working_paid"},
		{83, "Parental leave", "public", "not_working_unpaid"},
		{84, "Home office", "public", "working_paid"},
	}
}

func leaveTypeBodies() []any {
	rows := []any{}
	for _, t := range leaveTypes() {
		rows = append(rows, map[string]any{"id": t.id, "name": t.name, "unit": "days", "hex_color": "#3f7cac", "fa_class": "fa-sun",
			"created_at": "2026-01-05T08:00:00.000+02:00"})
	}
	return rows
}

func (l leave) days() int { return int(l.last.Sub(l.first).Hours()/24+0.5) + 1 }

// body renders a leave request; calendar days are counted, so every day has an entry.
func (s *Server) body(l leave) any {
	entries := []any{}
	for i := range l.days() {
		entries = append(entries, map[string]any{"date": l.first.AddDate(0, 0, i).Format(time.DateOnly), "amount": l.daily, "starts_at": nil, "ends_at": nil})
	}
	approval := map[string]any{"state": l.state, "assigned_to": map[string]any{"id": Mara, "full_name": "Mara Lindqvist"}}
	return map[string]any{"id": l.id, "employee_id": l.employee, "employee": s.short(l.employee), "leave_type_id": l.kind.id, "leave_type": l.kind.name,
		"state": l.state, "amount": float64(l.days()) * l.daily, "tracking_time_in": "days", "on_demand": false, "starts_on": l.first.Format(time.DateOnly),
		"ends_on": l.last.Format(time.DateOnly), "comment": l.comment, "attachment_url": nil, "attachments": []any{}, "entries": entries,
		"approvals": []any{approval}, "leave_type_policy": map[string]any{"name": l.kind.name + " policy", "visibility": l.kind.visibility, "activity_type": l.kind.activity},
		"created_at": l.updated.Add(-time.Hour).Format(stamp), "updated_at": l.updated.Format(stamp)}
}

// listLeaves filters as the vendor does: starts_on and ends_on select leaves that lie inside the window.
func (s *Server) listLeaves(w http.ResponseWriter, r *http.Request) {
	s.answerLeaves(w, r, many(r.URL.Query(), "states"))
}

func (s *Server) pendingLeaves(w http.ResponseWriter, r *http.Request) {
	s.answerLeaves(w, r, []string{"pending"})
}

func (s *Server) answerLeaves(w http.ResponseWriter, r *http.Request, states []string) {
	q := r.URL.Query()
	from, hasFrom := bound(q.Get("starts_on"))
	to, hasTo := bound(q.Get("ends_on"))
	rows := []leave{}
	for _, l := range s.leaves {
		if isIn(states, l.state) && isIn(many(q, "employee_ids"), strconv.Itoa(l.employee)) && (!hasFrom || !l.first.Before(from)) && (!hasTo || !l.last.After(to)) &&
			seconds(q, "updated_at", l.updated) && seconds(q, "created_at", l.updated.Add(-time.Hour)) {
			rows = append(rows, l)
		}
	}
	page(w, r, "leave requests", rows, s.body)
}

// seconds applies name[gt] and name[lt], Unix seconds.
func seconds(q url.Values, name string, at time.Time) bool {
	if n, err := strconv.ParseInt(q.Get(name+"[gt]"), 10, 64); err == nil && at.Unix() <= n {
		return false
	}
	n, err := strconv.ParseInt(q.Get(name+"[lt]"), 10, 64)
	return err != nil || at.Unix() < n
}

func (s *Server) getLeave(w http.ResponseWriter, r *http.Request) {
	for _, l := range s.leaves {
		if strconv.Itoa(l.id) == r.PathValue("id") {
			ledger.Saw(r.Context(), "peopleforce", "read leave request %d", l.id)
			reply.JSON(w, http.StatusOK, map[string]any{"data": s.body(l)})
			return
		}
	}
	fail(w, r, http.StatusNotFound, "Not Found")
}
