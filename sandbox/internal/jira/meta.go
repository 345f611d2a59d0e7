package jira

import (
	"net/http"
	"strings"

	"bulkhead.dev/sandbox/internal/ledger"
	"bulkhead.dev/sandbox/internal/reply"
)

func (s *Server) answer(w http.ResponseWriter, r *http.Request, what string, v any) {
	ledger.Saw(r.Context(), "jira", "read %s", what)
	reply.JSON(w, http.StatusOK, v)
}

func (s *Server) myself(w http.ResponseWriter, r *http.Request) {
	s.answer(w, r, "its own account", s.accountBody(OwnAccount))
}

func (s *Server) serverInfo(w http.ResponseWriter, r *http.Request) {
	s.answer(w, r, "the server's version", map[string]any{"baseUrl": s.cred.BaseURL, "deploymentType": "Cloud", "version": "1001.0.0-SNAPSHOT",
		"versionNumbers": []int{1001, 0, 0}, "serverTime": s.now().UTC().Format(stamp), "serverTitle": "Jira (sandbox)"})
}

func (s *Server) projectSearch(w http.ResponseWriter, r *http.Request) {
	all := []any{}
	for _, p := range s.projects {
		all = append(all, s.projectBody(p))
	}
	s.answer(w, r, "the projects", map[string]any{"values": all, "startAt": 0, "maxResults": 50, "total": len(all), "isLast": true})
}

func (s *Server) pathProject(w http.ResponseWriter, r *http.Request) (project, bool) {
	for _, p := range s.projects {
		if name := r.PathValue("project"); p.ID == name || strings.EqualFold(p.Key, name) {
			return p, true
		}
	}
	fail(w, r, refuse(http.StatusNotFound, "No project could be found with key '"+r.PathValue("project")+"'."))
	return project{}, false
}

func (s *Server) project(w http.ResponseWriter, r *http.Request) {
	if p, ok := s.pathProject(w, r); ok {
		body := s.projectBody(p)
		body["issueTypes"], body["lead"] = s.kindBodies(), s.accountBody(MaraAccount)
		s.answer(w, r, "project "+p.Key, body)
	}
}

func (s *Server) kindBodies() []any {
	all := []any{}
	for _, k := range kinds() {
		all = append(all, s.kindBody(k))
	}
	return all
}

func (s *Server) issueTypes(w http.ResponseWriter, r *http.Request) {
	s.answer(w, r, "the issue types", s.kindBodies())
}

func (s *Server) createMeta(w http.ResponseWriter, r *http.Request) {
	if p, ok := s.pathProject(w, r); ok {
		all := s.kindBodies()
		s.answer(w, r, "the issue types of "+p.Key, map[string]any{"issueTypes": all, "startAt": 0, "maxResults": 50, "total": len(all)})
	}
}

func (s *Server) statuses(w http.ResponseWriter, r *http.Request) {
	all := []any{}
	for _, st := range allStatuses() {
		all = append(all, s.statusBody(st))
	}
	s.answer(w, r, "the statuses", all)
}

func (s *Server) priorities(w http.ResponseWriter, r *http.Request) {
	all := []any{}
	for _, name := range priorityNames() {
		all = append(all, s.priorityBody(name))
	}
	s.answer(w, r, "the priorities", all)
}

func (s *Server) fields(w http.ResponseWriter, r *http.Request) {
	all := []any{}
	for _, f := range [][3]string{{"summary", "Summary", "string"}, {"description", "Description", "string"}, {"labels", "Labels", "array"},
		{"issuetype", "Issue Type", "issuetype"}, {"project", "Project", "project"}, {"parent", "Parent", "issuelink"}, {"status", "Status", "status"},
		{"priority", "Priority", "priority"}, {"assignee", "Assignee", "user"}, {"reporter", "Reporter", "user"}, {"duedate", "Due date", "date"},
		{"created", "Created", "datetime"}, {"updated", "Updated", "datetime"}} {
		all = append(all, map[string]any{"id": f[0], "key": f[0], "name": f[1], "custom": false, "orderable": true, "navigable": true,
			"searchable": true, "schema": map[string]any{"type": f[2], "system": f[0]}})
	}
	s.answer(w, r, "the fields", all)
}

// userSearch finds by the beginning of a word of the name or of the e-mail, as Jira does.
func (s *Server) userSearch(w http.ResponseWriter, r *http.Request) {
	query, all := strings.ToLower(r.URL.Query().Get("query")), []any{}
	for _, a := range s.accounts {
		starts := strings.HasPrefix(strings.ToLower(a.Email), query)
		for _, word := range strings.Fields(strings.ToLower(a.Name)) {
			starts = starts || strings.HasPrefix(word, query)
		}
		if starts || r.URL.Query().Get("accountId") == a.ID {
			all = append(all, s.accountBody(a.ID))
		}
	}
	s.answer(w, r, "users by '"+query+"'", all)
}
