package jira

import (
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

type issue struct {
	id               int
	project          project
	key              string
	kind             kind
	summary          string
	description      json.RawMessage // ADF, or nil
	labels           []string
	parent           *issue
	status           status
	priority         string
	assignee         string // account id, or ""
	reporter         string
	due              string // yyyy-mm-dd, or ""
	created, updated time.Time
	custom           map[string]json.RawMessage
	properties       map[string]json.RawMessage
	comments         []comment
	links            []link
}

type kind struct {
	id, name string
	level    int // -1 sub-task, 0, 1 epic
}

type status struct {
	id, name, transition string
	category             category
}

type category struct {
	id        int
	key, name string
}

func kinds() []kind {
	return []kind{{"10001", "Task", 0}, {"10002", "Story", 0}, {"10004", "Bug", 0}, {"10000", "Epic", 1}, {"10003", "Sub-task", -1}}
}

func allStatuses() []status {
	return []status{
		{"10000", "To Do", "11", category{2, "new", "To Do"}},
		{"10001", "In Progress", "21", category{4, "indeterminate", "In Progress"}},
		{"10002", "Done", "31", category{3, "done", "Done"}},
	}
}

func priorityNames() []string { return []string{"Highest", "High", "Medium", "Low", "Lowest"} }

// draft is the body of a create or an update.
type draft struct {
	Fields     map[string]json.RawMessage              `json:"fields"`
	Update     map[string][]map[string]json.RawMessage `json:"update"`
	Properties []struct {
		Key   string          `json:"key"`
		Value json.RawMessage `json:"value"`
	} `json:"properties"`
}

type ref struct {
	ID        string `json:"id"`
	Key       string `json:"key"`
	Name      string `json:"name"`
	AccountID string `json:"accountId"`
}

// make builds an issue of a draft without putting it anywhere. Callers hold mu.
func (s *Server) make(d draft) (*issue, error) {
	now := s.now().UTC()
	it := &issue{priority: "Medium", reporter: OwnAccount, status: allStatuses()[0], created: now, updated: now,
		custom: map[string]json.RawMessage{}, properties: map[string]json.RawMessage{}}
	wrong := map[string]string{}
	it.project = s.readProject(d.Fields["project"], wrong)
	it.kind = readKind(d.Fields["issuetype"], wrong)
	if len(d.Fields["summary"]) == 0 {
		wrong["summary"] = "You must specify a summary of the issue."
	}
	s.apply(it, d, wrong)
	if it.kind.level < 0 && it.parent == nil && wrong["parent"] == "" {
		wrong["parentId"] = "Issue type is a sub-task but parent issue key or id not specified."
	}
	if p := it.parent; p != nil && p.kind.level != it.kind.level+1 {
		wrong["parentId"] = "Given parent work item does not belong to appropriate hierarchy."
	}
	if p := it.parent; p != nil && wrong["project"] == "" && p.project != it.project {
		wrong["parentId"] = "The parent work item is in another project."
	}
	if len(s.issues) >= maxIssues {
		return nil, refuse(http.StatusBadRequest, "The project has too many issues.")
	}
	if len(wrong) > 0 {
		return nil, &refusal{status: http.StatusBadRequest, fields: wrong}
	}
	return it, nil
}

// insert gives the issue its id and key. Callers hold mu.
func (s *Server) insert(it *issue) {
	s.counters[it.project.Key]++
	s.lastIssue++
	it.id = 10000 + s.lastIssue
	it.key = it.project.Key + "-" + strconv.Itoa(s.counters[it.project.Key])
	s.issues = append(s.issues, it)
	s.index[strconv.Itoa(it.id)], s.index[it.key] = it, it
}

// apply sets what a draft names and notes what is wrong by field.
func (s *Server) apply(it *issue, d draft, wrong map[string]string) {
	for name, raw := range d.Fields {
		if msg := s.set(it, name, raw); msg != "" {
			wrong[name] = msg
		}
	}
	for name, ops := range d.Update {
		for _, op := range ops {
			for verb, raw := range op {
				if msg := s.change(it, name, verb, raw); msg != "" {
					wrong[name] = msg
				}
			}
		}
	}
	for _, p := range d.Properties {
		if msg := checkProperty(p.Key, p.Value); msg != "" {
			wrong["properties"] = msg
		} else {
			it.properties[p.Key] = p.Value
		}
	}
}

func (s *Server) set(it *issue, name string, raw json.RawMessage) (wrong string) {
	null := string(raw) == "null"
	var text string
	isText := json.Unmarshal(raw, &text) == nil
	var named ref
	_ = json.Unmarshal(raw, &named) // not an object: no name, and refused below
	switch name {
	case "project", "issuetype": // read by make; an update may only repeat them
	case "summary":
		switch {
		case !isText || strings.TrimSpace(text) == "":
			return "You must specify a summary of the issue."
		case strings.ContainsAny(text, "\r\n"):
			return "The summary is invalid because it contains newline characters."
		case len([]rune(text)) > 255:
			return "Summary can't exceed 255 characters."
		}
		it.summary = text
	case "description", "environment":
		if !null && !isADF(raw) {
			return "Operation value must be an Atlassian Document (see the Atlassian Document Format)"
		}
		if null {
			raw = nil
		}
		if name == "description" {
			it.description = raw
		} else {
			it.custom[name] = raw
		}
	case "labels":
		var labels []string
		if json.Unmarshal(raw, &labels) != nil {
			return "data was not an array"
		}
		it.labels = nil
		for _, l := range labels {
			if msg := it.label(l); msg != "" {
				return msg
			}
		}
	case "parent":
		p := s.index[named.ID+named.Key]
		if p == nil && !null {
			return "Could not find issue by id or key."
		}
		it.parent = p
	case "priority":
		all := priorityNames()
		if n, err := strconv.Atoi(named.ID); err == nil && n >= 1 && n <= len(all) {
			named.Name = all[n-1]
		}
		if !slices.Contains(all, named.Name) {
			return "The priority selected is invalid."
		}
		it.priority = named.Name
	case "assignee", "reporter":
		id := named.AccountID + named.ID
		if id != "" && !slices.ContainsFunc(s.accounts, func(a account) bool { return a.ID == id }) {
			return "The user does not exist or is not assignable."
		}
		if name == "assignee" {
			it.assignee = id
		} else {
			it.reporter = id
		}
	case "duedate":
		if _, err := time.Parse(time.DateOnly, text); err != nil && !null {
			return "Error parsing date string: " + text
		}
		it.due = text
	default:
		if !strings.HasPrefix(name, "customfield_") {
			return "Field '" + name + "' cannot be set. It is not on the appropriate screen, or unknown."
		}
		it.custom[name] = raw
	}
	return ""
}

func (s *Server) change(it *issue, name, verb string, raw json.RawMessage) (wrong string) {
	var text string
	switch {
	case verb == "set":
		return s.set(it, name, raw)
	case name == "labels" && (verb == "add" || verb == "remove") && json.Unmarshal(raw, &text) == nil:
		if verb == "add" {
			return it.label(text)
		}
		it.labels = slices.DeleteFunc(slices.Clone(it.labels), func(l string) bool { return l == text })
		return ""
	}
	return "Field '" + name + "' does not support the operation '" + verb + "'."
}

func (it *issue) label(l string) (wrong string) {
	switch {
	case strings.ContainsAny(l, " \t\r\n"):
		return "The label '" + l + "' contains spaces which is invalid."
	case l == "" || len([]rune(l)) > 255:
		return "The label is invalid: it has to have 1 to 255 characters."
	case !slices.Contains(it.labels, l):
		it.labels = append(slices.Clone(it.labels), l)
	}
	return ""
}

func (s *Server) readProject(raw json.RawMessage, wrong map[string]string) project {
	var named ref
	_ = json.Unmarshal(raw, &named) // absent or no object: no project, and refused here
	for _, p := range s.projects {
		if (named.Key != "" && p.Key == named.Key) || (named.ID != "" && p.ID == named.ID) {
			return p
		}
	}
	wrong["project"] = "Specify a valid project ID or key"
	return project{}
}

func readKind(raw json.RawMessage, wrong map[string]string) kind {
	var named ref
	_ = json.Unmarshal(raw, &named) // as above
	for _, k := range kinds() {
		if k.id == named.ID || (named.ID == "" && strings.EqualFold(k.name, named.Name)) {
			return k
		}
	}
	wrong["issuetype"] = "Specify a valid issue type"
	return kind{}
}

func checkProperty(key string, value json.RawMessage) (wrong string) {
	switch {
	case key == "" || len([]rune(key)) > 255:
		return "The property key has to have 1 to 255 characters."
	case len(value) == 0 || !json.Valid(value):
		return "The property value has to be valid JSON."
	case len(value) > 32768:
		return "The property value has to be at most 32768 characters long."
	}
	return ""
}
