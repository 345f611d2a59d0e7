package jira

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"bulkhead.dev/sandbox/internal/ledger"
	"bulkhead.dev/sandbox/internal/reply"
)

const gone = "Issue does not exist or you do not have permission to see it."

// find answers the issue of the path. Callers hold mu.
func (s *Server) find(r *http.Request) (*issue, error) {
	name := r.PathValue("issue")
	if it := s.index[strings.ToUpper(name)]; it != nil {
		return it, nil
	}
	return nil, refuse(http.StatusNotFound, gone)
}

func (it *issue) anchor() string { return "jira-" + it.key }

func (s *Server) created(it *issue) map[string]any {
	id := strconv.Itoa(it.id)
	return map[string]any{"id": id, "key": it.key, "self": s.self("issue", id)}
}

func (s *Server) create(w http.ResponseWriter, r *http.Request) {
	var d draft
	if err := reply.Decode(r, &d); err != nil {
		fail(w, r, err)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	it, err := s.make(d)
	if err != nil {
		fail(w, r, err)
		return
	}
	s.insert(it)
	under := ""
	if it.parent != nil {
		under = " under " + it.parent.key
	}
	ledger.Did(r.Context(), it.anchor(), "created %s '%s'%s", it.key, it.summary, under)
	reply.JSON(w, http.StatusCreated, s.created(it))
}

// createBulk makes up to 50 issues; those that can't be made stand in errors, the others are made all the same.
func (s *Server) createBulk(w http.ResponseWriter, r *http.Request) {
	var in struct {
		IssueUpdates []draft `json:"issueUpdates"`
	}
	if err := reply.Decode(r, &in); err != nil {
		fail(w, r, err)
		return
	}
	if n := len(in.IssueUpdates); n == 0 || n > 50 {
		fail(w, r, refuse(http.StatusBadRequest, "The bulk operation takes 1 to 50 issues."))
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	done, faults, keys, anchor, subtasks := []any{}, []any{}, []string{}, "", 0
	under := ""
	for i, d := range in.IssueUpdates {
		it, err := s.make(d)
		if err != nil {
			e, _ := err.(*refusal) //nolint:errorlint // make answers nothing else
			faults = append(faults, map[string]any{"status": e.status, "failedElementNumber": i, "elementErrors": e.body()})
			continue
		}
		s.insert(it)
		if it.kind.level < 0 {
			subtasks++
			under = " under " + it.parent.key
		}
		done, keys, anchor = append(done, s.created(it)), append(keys, it.key), it.anchor()
	}
	if len(done) == 0 {
		ledger.Saw(r.Context(), "", "refused all %d issues of a bulk create", len(faults))
		reply.JSON(w, http.StatusBadRequest, map[string]any{"issues": done, "errors": faults})
		return
	}
	what := "issues"
	if subtasks == len(done) {
		what = "sub-tasks"
	}
	ledger.Did(r.Context(), anchor, "created %d %s%s (%s)", len(done), what, under, strings.Join(keys, ", "))
	reply.JSON(w, http.StatusCreated, map[string]any{"issues": done, "errors": faults})
}

func list(values []string) []string {
	var all []string
	for _, v := range values {
		for _, one := range strings.Split(v, ",") {
			if one = strings.TrimSpace(one); one != "" {
				all = append(all, one)
			}
		}
	}
	return all
}

func (s *Server) get(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	it, err := s.find(r)
	if err != nil {
		fail(w, r, err)
		return
	}
	fields := list(r.URL.Query()["fields"])
	if len(fields) == 0 {
		fields = []string{"*all"}
	}
	ledger.Saw(r.Context(), it.anchor(), "read %s", it.key)
	reply.JSON(w, http.StatusOK, s.render(it, fields, list(r.URL.Query()["properties"])))
}

func (s *Server) bulkFetch(w http.ResponseWriter, r *http.Request) {
	var in struct {
		Names      []string `json:"issueIdsOrKeys"`
		Fields     []string `json:"fields"`
		Properties []string `json:"properties"`
	}
	if err := reply.Decode(r, &in); err != nil {
		fail(w, r, err)
		return
	}
	if n := len(in.Names); n == 0 || n > 100 {
		fail(w, r, refuse(http.StatusBadRequest, "issueIdsOrKeys has to name 1 to 100 issues."))
		return
	}
	if len(in.Fields) == 0 {
		in.Fields = []string{"*navigable"}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	found, lost := []any{}, []any{}
	for _, name := range in.Names {
		if it := s.index[strings.ToUpper(name)]; it != nil {
			found = append(found, s.render(it, in.Fields, in.Properties))
		} else {
			lost = append(lost, map[string]any{"id": name, "errorMessage": gone})
		}
	}
	ledger.Saw(r.Context(), "jira", "read %d issues by id, %d are not there", len(found), len(lost))
	reply.JSON(w, http.StatusOK, map[string]any{"issues": found, "issueErrors": lost})
}

func (s *Server) update(w http.ResponseWriter, r *http.Request) {
	var d draft
	if err := reply.Decode(r, &d); err != nil {
		fail(w, r, err)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	it, err := s.find(r)
	if err != nil {
		fail(w, r, err)
		return
	}
	next, wrong := it.clone(), map[string]string{}
	s.apply(next, d, wrong)
	if p := next.parent; p != nil && p.kind.level != next.kind.level+1 {
		wrong["parentId"] = "Given parent work item does not belong to appropriate hierarchy."
	}
	if len(wrong) > 0 {
		fail(w, r, &refusal{status: http.StatusBadRequest, fields: wrong})
		return
	}
	next.updated = s.now().UTC()
	*it = *next
	names := make([]string, 0, len(d.Fields)+len(d.Update))
	for n := range d.Fields {
		names = append(names, n)
	}
	for n := range d.Update {
		names = append(names, n)
	}
	slices.Sort(names)
	ledger.Did(r.Context(), it.anchor(), "edited %s (%s)", it.key, strings.Join(names, ", "))
	if r.URL.Query().Get("returnIssue") == "true" {
		reply.JSON(w, http.StatusOK, s.render(it, []string{"*all"}, nil))
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// clone copies what apply may change, so that a refused edit leaves nothing behind.
func (it *issue) clone() *issue {
	c := *it
	c.custom, c.properties = map[string]json.RawMessage{}, map[string]json.RawMessage{}
	for k, v := range it.custom {
		c.custom[k] = v
	}
	for k, v := range it.properties {
		c.properties[k] = v
	}
	return &c
}

func (s *Server) remove(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	it, err := s.find(r)
	if err == nil && len(s.children(it)) > 0 && r.URL.Query().Get("deleteSubtasks") != "true" {
		err = refuse(http.StatusBadRequest, fmt.Sprintf("The issue '%s' has subtasks. You must specify the 'deleteSubtasks' parameter to delete this issue and all its subtasks.", it.key))
	}
	if err != nil {
		fail(w, r, err)
		return
	}
	s.issues = slices.DeleteFunc(s.issues, func(c *issue) bool {
		out := c == it || (c.parent == it && c.kind.level < 0)
		if out {
			delete(s.index, c.key)
			delete(s.index, strconv.Itoa(c.id))
		} else if c.parent == it {
			c.parent = nil
		}
		return out
	})
	ledger.Did(r.Context(), "jira", "deleted %s", it.key)
	w.WriteHeader(http.StatusNoContent)
}
