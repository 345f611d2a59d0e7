package pipedrive

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"bulkhead.dev/sandbox/internal/ledger"
	"bulkhead.dev/sandbox/internal/reply"
)

// invalid is a refusal of v2's validation, in Pipedrive's words.
type invalid string

func (i invalid) Error() string { return string(i) }

func invalidf(format string, args ...any) error {
	return invalid("Validation failed: " + fmt.Sprintf(format, args...))
}

func (t *table) find(r *http.Request) record {
	id, err := strconv.Atoi(r.PathValue("id"))
	if err != nil {
		return nil
	}
	for _, row := range t.rows {
		if row.id() == id {
			return row
		}
	}
	return nil
}

func (t *table) anchor(row record) string {
	return "pipedrive-" + strings.ToLower(t.singular) + "-" + strconv.Itoa(row.id())
}

func (t *table) name(row record) string {
	for _, k := range []string{"title", "name", "subject"} {
		if v, ok := row[k].(string); ok {
			return v
		}
	}
	return ""
}

func (t *table) missing() string { return t.singular + " not found" }

func (s *Server) get(w http.ResponseWriter, r *http.Request, t *table) {
	row := t.find(r)
	if row == nil {
		fail(w, r, http.StatusNotFound, t.missing())
		return
	}
	ledger.Saw(r.Context(), t.anchor(row), "read %s '%s'", strings.ToLower(t.singular), t.name(row))
	ok(w, row, nil)
}

// list answers a page: filters, sort order, limit and an opaque cursor that stands on the last row, so that rows which
// move meanwhile lose nothing.
func (s *Server) list(w http.ResponseWriter, r *http.Request, t *table) {
	q := r.URL.Query()
	takes, err := filters(q.Get)
	if err != nil {
		fail(w, r, http.StatusBadRequest, err.Error())
		return
	}
	by, desc := cmp.Or(q.Get("sort_by"), "id"), q.Get("sort_direction") == "desc"
	if !slices.Contains([]string{"id", "update_time", "add_time", "due_date"}, by) {
		fail(w, r, http.StatusBadRequest, "Validation failed: sort_by: Must be one of id, update_time, add_time")
		return
	}
	limit, err := pageLimit(q.Get("limit"))
	if err != nil {
		fail(w, r, http.StatusBadRequest, err.Error())
		return
	}
	place := func(row record) string {
		key := fmt.Sprintf("%012d", row.id())
		if by != "id" {
			v, _ := row[by].(string) // no time: before all others
			key = v + "/" + key
		}
		return key
	}
	rows := []record{}
	for _, row := range t.rows {
		if takes(row) {
			rows = append(rows, row)
		}
	}
	slices.SortFunc(rows, func(a, b record) int {
		if c := strings.Compare(place(a), place(b)); !desc {
			return c
		}
		return strings.Compare(place(b), place(a))
	})
	if cursor := q.Get("cursor"); cursor != "" {
		raw, err := base64.RawURLEncoding.DecodeString(cursor)
		after, good := strings.CutPrefix(string(raw), by+"|")
		if err != nil || !good {
			fail(w, r, http.StatusBadRequest, "Validation failed: cursor: Invalid cursor")
			return
		}
		rows = slices.DeleteFunc(rows, func(row record) bool {
			c := strings.Compare(place(row), after)
			return (!desc && c <= 0) || (desc && c >= 0)
		})
	}
	var next any
	if len(rows) > limit {
		rows = rows[:limit]
		next = base64.RawURLEncoding.EncodeToString([]byte(by + "|" + place(rows[limit-1])))
	}
	ledger.Saw(r.Context(), "pipedrive", "read %d rows of %s", len(rows), strings.ToLower(t.singular)+"s")
	ok(w, rows, map[string]any{"next_cursor": next})
}

func pageLimit(s string) (int, error) {
	if s == "" {
		return 100, nil
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 || n > 500 {
		return 0, invalidf("limit: Must be a number from 1 to 500")
	}
	return n, nil
}

// filters reads the query's filters into one question.
func filters(get func(string) string) (func(record) bool, error) {
	same := map[string]int{}
	for _, name := range []string{"owner_id", "person_id", "org_id", "stage_id", "pipeline_id", "deal_id"} {
		if v := get(name); v != "" {
			n, err := strconv.Atoi(v)
			if err != nil {
				return nil, invalidf("%s: Expected number, received string", name)
			}
			same[name] = n
		}
	}
	var ids []string
	if v := get("ids"); v != "" {
		if ids = strings.Split(v, ","); len(ids) > 100 {
			return nil, invalidf("ids: At most 100")
		}
	}
	var since, until time.Time
	for name, at := range map[string]*time.Time{"updated_since": &since, "updated_until": &until} {
		if v := get(name); v != "" {
			t, err := time.Parse(time.RFC3339, v)
			if err != nil {
				return nil, invalidf("%s: Invalid datetime, RFC 3339 is expected", name)
			}
			*at = t
		}
	}
	var states []string
	if v := get("status"); v != "" {
		states = strings.Split(v, ",")
	}
	return func(row record) bool {
		for name, n := range same {
			if row[name] != n {
				return false
			}
		}
		if ids != nil && !slices.Contains(ids, strconv.Itoa(row.id())) {
			return false
		}
		state, _ := row["status"].(string)
		if deleted, _ := row["is_deleted"].(bool); deleted {
			state = "deleted"
			if states == nil {
				return false
			}
		}
		if states != nil && !slices.Contains(states, state) {
			return false
		}
		updated, _ := row["update_time"].(string)
		at, _ := time.Parse(time.RFC3339, updated) // none: the zero time
		return (since.IsZero() || !at.Before(since)) && (until.IsZero() || at.Before(until))
	}, nil
}

// merge sets what the body names. v2 is strict: numbers are numbers and booleans are booleans.
func (s *Server) merge(t *table, row record, body map[string]json.RawMessage) error {
	for name, raw := range body {
		var v any
		if err := json.Unmarshal(raw, &v); err != nil {
			return invalidf("%s: Invalid value", name)
		}
		number, isNumber := v.(float64)
		switch {
		case name == "id" || name == "add_time" || name == "update_time":
			continue
		case strings.HasSuffix(name, "_id") && name != "channel_id":
			if v != nil && !isNumber {
				return invalidf("%s: Expected number, received %T", name, v)
			}
			if isNumber {
				v = int(number)
			}
		case name == "value" && v != nil && !isNumber:
			return invalidf("value: Expected number, received string")
		case name == "status" && t.singular == "Deal" && !slices.Contains([]any{"open", "won", "lost"}, v):
			return invalidf("status: Must be one of open, won, lost")
		case name == "done" || strings.HasPrefix(name, "is_"):
			if _, isBool := v.(bool); !isBool {
				return invalidf("%s: Expected boolean, received %T", name, v)
			}
		case name == "custom_fields":
			given, isMap := v.(map[string]any)
			if !isMap {
				return invalidf("custom_fields: Expected object")
			}
			all := map[string]any{}
			if had, isMap := row["custom_fields"].(map[string]any); isMap {
				for k, e := range had {
					all[k] = e
				}
			}
			for k, e := range given {
				all[k] = e
			}
			v = all
		}
		row[name] = v
	}
	return nil
}

// settle keeps the times of a deal in step with its status.
func (s *Server) settle(t *table, row record, before any) {
	now := s.now().UTC().Format(time.RFC3339)
	row["update_time"] = now
	if t.singular == "Deal" && row["status"] != before {
		row["won_time"], row["lost_time"], row["close_time"] = nil, nil, nil
		if st := row["status"]; st == "won" || st == "lost" {
			row[fmt.Sprint(st, "_time")], row["close_time"] = now, now
		}
	}
}

func (s *Server) create(w http.ResponseWriter, r *http.Request, t *table) {
	var body map[string]json.RawMessage
	if err := reply.Decode(r, &body); err != nil {
		fail(w, r, http.StatusBadRequest, "Invalid JSON")
		return
	}
	row := blank(t.singular)
	if err := s.merge(t, row, body); err != nil {
		fail(w, r, http.StatusBadRequest, err.Error())
		return
	}
	switch {
	case t.name(row) == "" && t.singular != "Activity":
		field := map[string]string{"Deal": "title"}[t.singular]
		fail(w, r, http.StatusBadRequest, "Validation failed: "+cmp.Or(field, "name")+": Required")
		return
	case len(t.rows) >= maxRecords:
		fail(w, r, http.StatusForbidden, "The limit of "+t.singular+" records is reached")
		return
	}
	row["id"] = t.next
	t.next++
	if row["owner_id"] == nil {
		row["owner_id"] = OwnUser
	}
	row["creator_user_id"], row["add_time"] = OwnUser, s.now().UTC().Format(time.RFC3339)
	s.settle(t, row, "open")
	t.rows = append(t.rows, row)
	ledger.Did(r.Context(), t.anchor(row), "created %s %d '%s'", strings.ToLower(t.singular), row.id(), t.name(row))
	ok(w, row, nil)
}

func (s *Server) patch(w http.ResponseWriter, r *http.Request, t *table) {
	row := t.find(r)
	if row == nil {
		fail(w, r, http.StatusNotFound, t.missing())
		return
	}
	var body map[string]json.RawMessage
	if err := reply.Decode(r, &body); err != nil {
		fail(w, r, http.StatusBadRequest, "Invalid JSON")
		return
	}
	next := record{}
	for k, v := range row {
		next[k] = v
	}
	if err := s.merge(t, next, body); err != nil {
		fail(w, r, http.StatusBadRequest, err.Error())
		return
	}
	s.settle(t, next, row["status"])
	for k, v := range next {
		row[k] = v
	}
	ledger.Did(r.Context(), t.anchor(row), "edited %s %d '%s'", strings.ToLower(t.singular), row.id(), t.name(row))
	ok(w, row, nil)
}

func (s *Server) remove(w http.ResponseWriter, r *http.Request, t *table) {
	row := t.find(r)
	if row == nil {
		fail(w, r, http.StatusNotFound, t.missing())
		return
	}
	row["is_deleted"] = true
	s.settle(t, row, row["status"])
	ledger.Did(r.Context(), t.anchor(row), "deleted %s %d '%s'", strings.ToLower(t.singular), row.id(), t.name(row))
	ok(w, map[string]any{"id": row.id()}, nil)
}

// search looks for a term in the name and, for persons, in the e-mail addresses; data is an object of items.
func (s *Server) search(w http.ResponseWriter, r *http.Request, t *table) {
	q := r.URL.Query()
	term, exact := strings.ToLower(q.Get("term")), q.Get("exact_match") == "true"
	if len([]rune(term)) < 2 && !(exact && term != "") {
		fail(w, r, http.StatusBadRequest, "Validation failed: term: At least 2 characters")
		return
	}
	items := []any{}
	for _, row := range t.rows {
		texts := []string{t.name(row)}
		if emails, isList := row["emails"].([]any); isList {
			for _, e := range emails {
				if m, isMap := e.(map[string]any); isMap {
					texts = append(texts, fmt.Sprint(m["value"]))
				}
			}
		}
		if slices.ContainsFunc(texts, func(text string) bool {
			text = strings.ToLower(text)
			return text == term || (!exact && strings.Contains(text, term))
		}) && row["is_deleted"] != true && len(items) < 100 {
			item := map[string]any{"type": strings.ToLower(t.singular)}
			for k, v := range row {
				item[k] = v
			}
			items = append(items, map[string]any{"result_score": 1.0, "item": item})
		}
	}
	ledger.Saw(r.Context(), "pipedrive", "searched %ss for '%s': %d found", strings.ToLower(t.singular), term, len(items))
	ok(w, map[string]any{"items": items}, map[string]any{"next_cursor": nil})
}
