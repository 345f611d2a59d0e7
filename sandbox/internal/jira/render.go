package jira

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"

	"bulkhead.dev/sandbox/internal/jira/jql"
)

const stamp = "2006-01-02T15:04:05.000-0700"

func (s *Server) self(parts ...string) string { return s.cred.BaseURL + api + strings.Join(parts, "/") }

func (s *Server) kindBody(k kind) map[string]any {
	return map[string]any{"self": s.self("issuetype", k.id), "id": k.id, "name": k.name, "subtask": k.level < 0, "hierarchyLevel": k.level}
}

func (s *Server) statusBody(st status) map[string]any {
	return map[string]any{"self": s.self("status", st.id), "id": st.id, "name": st.name, "statusCategory": map[string]any{
		"id": st.category.id, "key": st.category.key, "name": st.category.name}}
}

func (s *Server) projectBody(p project) map[string]any {
	return map[string]any{"self": s.self("project", p.ID), "id": p.ID, "key": p.Key, "name": p.Name, "projectTypeKey": "software", "simplified": false}
}

func (s *Server) accountBody(id string) any {
	for _, a := range s.accounts {
		if a.ID == id {
			return map[string]any{"self": s.self("user?accountId=") + a.ID, "accountId": a.ID, "accountType": "atlassian",
				"emailAddress": a.Email, "displayName": a.Name, "active": true, "timeZone": "Etc/UTC"}
		}
	}
	return nil
}

// near is an issue as it stands inside another: parent or sub-task.
func (s *Server) near(it *issue) map[string]any {
	return map[string]any{"id": strconv.Itoa(it.id), "key": it.key, "self": s.self("issue", strconv.Itoa(it.id)), "fields": map[string]any{
		"summary": it.summary, "status": s.statusBody(it.status), "issuetype": s.kindBody(it.kind), "priority": s.priorityBody(it.priority)}}
}

func (s *Server) priorityBody(name string) map[string]any {
	id := strconv.Itoa(slices.Index(priorityNames(), name) + 1)
	return map[string]any{"self": s.self("priority", id), "id": id, "name": name}
}

// fieldsOf renders all fields of an issue. Callers hold mu.
func (s *Server) fieldsOf(it *issue) map[string]any {
	f := map[string]any{
		"summary": it.summary, "issuetype": s.kindBody(it.kind), "project": s.projectBody(it.project), "status": s.statusBody(it.status),
		"labels": slices.Concat([]string{}, it.labels), "priority": s.priorityBody(it.priority), "assignee": s.accountBody(it.assignee),
		"reporter": s.accountBody(it.reporter), "creator": s.accountBody(it.reporter), "created": it.created.Format(stamp),
		"updated": it.updated.Format(stamp), "description": nil, "duedate": nil, "resolution": nil, "subtasks": s.children(it),
		"comment": s.commentPage(it, 0, maxPerIssue),
	}
	if it.description != nil {
		f["description"] = it.description
	}
	if it.due != "" {
		f["duedate"] = it.due
	}
	if it.status.category.key == "done" {
		f["resolution"] = map[string]any{"self": s.self("resolution", "10000"), "id": "10000", "name": "Done"}
	}
	if it.parent != nil {
		f["parent"] = s.near(it.parent)
	}
	for name, v := range it.custom {
		f[name] = v
	}
	return f
}

func (s *Server) children(it *issue) []any {
	all := []any{}
	for _, c := range s.issues {
		if c.parent == it && c.kind.level < 0 {
			all = append(all, s.near(c))
		}
	}
	return all
}

// render answers an issue with the fields and properties that a caller asked for. Callers hold mu.
func (s *Server) render(it *issue, fields, properties []string) map[string]any {
	body := map[string]any{"id": strconv.Itoa(it.id), "key": it.key, "self": s.self("issue", strconv.Itoa(it.id)),
		"expand": "renderedFields,names,schema,operations,editmeta,changelog,versionedRepresentations"}
	if chosen := choose(s.fieldsOf(it), fields); len(chosen) > 0 {
		body["fields"] = chosen
	}
	if len(properties) > 0 {
		props := map[string]json.RawMessage{}
		for k, v := range it.properties {
			if slices.Contains(properties, k) || slices.Contains(properties, "*all") {
				props[k] = v
			}
		}
		body["properties"] = props
	}
	return body
}

// choose keeps the asked fields: names, *all, *navigable, and -name to leave one out. The field id is no field here.
func choose(all map[string]any, asked []string) map[string]any {
	kept := map[string]any{}
	for _, name := range asked {
		switch {
		case name == "*all":
			for k, v := range all {
				kept[k] = v
			}
		case name == "*navigable":
			for k, v := range all {
				if k != "comment" {
					kept[k] = v
				}
			}
		case strings.HasPrefix(name, "-"):
			delete(kept, name[1:])
		default:
			if v, ok := all[name]; ok {
				kept[name] = v
			}
		}
	}
	return kept
}

// record shows an issue to a query. Callers hold mu.
type record struct {
	s  *Server
	it *issue
}

func (r record) Values(field string) []string {
	it := r.it
	switch field {
	case "project":
		return []string{it.project.Key, it.project.ID, it.project.Name}
	case "key":
		return []string{it.key, strconv.Itoa(it.id)}
	case "labels":
		return it.labels
	case "status":
		return []string{it.status.name, it.status.id}
	case "statuscategory":
		return []string{it.status.category.name, it.status.category.key}
	case "issuetype":
		return []string{it.kind.name, it.kind.id}
	case "priority":
		return []string{it.priority}
	case "parent":
		if it.parent != nil {
			return []string{it.parent.key, strconv.Itoa(it.parent.id)}
		}
	case "assignee":
		return present(it.assignee)
	case "reporter":
		return present(it.reporter)
	case "duedate":
		return present(it.due)
	case "summary", "description", "text", "comment":
		return present(r.Text(field))
	}
	return nil
}

func present(s string) []string {
	if s == "" {
		return nil
	}
	return []string{s}
}

func (r record) Text(field string) string {
	var b strings.Builder
	if field == "summary" || field == "text" {
		b.WriteString(r.it.summary + "\n")
	}
	if field == "description" || field == "text" {
		b.WriteString(adfText(r.it.description) + "\n")
	}
	if field == "comment" || field == "text" {
		for _, c := range r.it.comments {
			b.WriteString(adfText(c.body) + "\n")
		}
	}
	return strings.TrimSpace(b.String())
}

func (r record) Time(field string) time.Time {
	switch field {
	case "created":
		return r.it.created
	case "updated":
		return r.it.updated
	}
	at, _ := time.Parse(time.DateOnly, r.it.due) // none: the zero time, which compares with nothing
	return at
}

func (r record) Property(key, path string) []string {
	var v any
	if json.Unmarshal(r.it.properties[key], &v) != nil {
		return nil
	}
	for _, step := range strings.FieldsFunc(path, func(c rune) bool { return c == '.' }) {
		m, ok := v.(map[string]any)
		if !ok {
			return nil
		}
		v = m[step]
	}
	switch v := v.(type) {
	case string:
		return []string{v}
	case bool:
		return []string{strconv.FormatBool(v)}
	case float64:
		return []string{strconv.FormatFloat(v, 'f', -1, 64)}
	case []any:
		var all []string
		for _, e := range v {
			if t, ok := e.(string); ok {
				all = append(all, t)
			}
		}
		return all
	}
	return nil
}

var _ jql.Record = record{}
