package jira

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"time"
)

// seed puts in a few issues that a small company would have. Ids and keys are the same at every start.
func (s *Server) seed() {
	s.accounts = []account{
		{OwnAccount, "Bulkhead Integration", s.cred.Email},
		{MaraAccount, "Mara Lindqvist", "mara.lindqvist@northlight.example"},
		{"5f00sandbox0tomas", "Tomas Vesely", "tomas.vesely@northlight.example"},
		{"5f00sandbox0ines", "Ines Duarte", "ines.duarte@northlight.example"},
	}
	s.projects = []project{{"10000", s.cred.ProjectKey, "Onboarding"}, {"10001", "OPS", "Operations"}}
	onb, ops := s.cred.ProjectKey, "OPS"
	now := s.now().UTC()
	for _, d := range []struct {
		project, kind, summary, text, parent, assignee string
		status                                         int
		age                                            time.Duration
		labels                                         []string
	}{
		{onb, "Task", "Onboarding: Jonas Berg", "Everything that has to be ready on the first day.", "", MaraAccount, 1, 190 * time.Hour, []string{"onboarding"}},
		{onb, "Sub-task", "Order a laptop", "", onb + "-1", "5f00sandbox0tomas", 2, 189 * time.Hour, nil},
		{onb, "Sub-task", "Introduce the team", "", onb + "-1", MaraAccount, 0, 188 * time.Hour, nil},
		{onb, "Story", "Write the first-week guide", "New colleagues ask the same ten questions: answer them once.", "", "5f00sandbox0ines", 1, 120 * time.Hour, []string{"docs", "people"}},
		{onb, "Bug", "Badge printer prints blank cards", "Since the last ribbon change.", "", "5f00sandbox0tomas", 0, 50 * time.Hour, []string{"office"}},
		{onb, "Task", "Renew the parking permits", "", "", "", 2, 30 * time.Hour, nil},
		{ops, "Epic", "Warehouse scanners", "Roll the new scanners out to all three sites.", "", "5f00sandbox0ines", 1, 400 * time.Hour, []string{"rollout"}},
		{ops, "Task", "Plan the cut-over weekend", "", ops + "-1", "5f00sandbox0ines", 0, 48 * time.Hour, []string{"rollout"}},
		{ops, "Bug", "Night batch is late on Mondays", "", "", "5f00sandbox0tomas", 0, 20 * time.Hour, nil},
	} {
		fields := map[string]any{"project": map[string]string{"key": d.project}, "issuetype": map[string]string{"name": d.kind}, "summary": d.summary, "labels": append([]string{}, d.labels...)}
		if d.text != "" {
			fields["description"] = paragraph(d.text)
		}
		if d.parent != "" {
			fields["parent"] = map[string]string{"key": d.parent}
		}
		if d.assignee != "" {
			fields["assignee"] = map[string]string{"accountId": d.assignee}
		}
		it, err := s.make(draft{Fields: rawFields(fields)})
		if err != nil {
			continue // a test counts the seeds
		}
		it.created, it.updated, it.status, it.reporter = now.Add(-d.age), now.Add(-d.age/2), allStatuses()[d.status], MaraAccount
		s.insert(it)
	}
	if it := s.index[onb+"-4"]; it != nil {
		it.comments = append(it.comments, comment{20000, "5f00sandbox0tomas", paragraph("I can add the part about the office network."), now.Add(-40 * time.Hour)})
	}
}

func rawFields(fields map[string]any) map[string]json.RawMessage {
	raw := map[string]json.RawMessage{}
	for k, v := range fields {
		b, err := json.Marshal(v)
		if err == nil {
			raw[k] = b
		}
	}
	return raw
}

// View is an issue as the page draws it.
type View struct {
	ID, Key, Kind, Summary, Text, Status, StatusKey, Assignee string
	Labels                                                    []string
	Properties                                                []string // "key = value"
	Comments                                                  []string
	Links                                                     []LinkView
	Children                                                  []View
}

// LinkView is a remote link as the page draws it.
type LinkView struct{ Title, URL string }

// Views answers the newest issues that are no sub-tasks, newest first, limit at most, and how many there are in all.
func (s *Server) Views(limit int) ([]View, int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	children, tops := map[*issue][]View{}, []*issue{}
	for _, it := range s.issues {
		if it.kind.level < 0 {
			children[it.parent] = append(children[it.parent], s.view(it))
		} else {
			tops = append(tops, it)
		}
	}
	views := []View{}
	for i := len(tops) - 1; i >= 0 && len(views) < limit; i-- {
		v := s.view(tops[i])
		v.Children = children[tops[i]]
		views = append(views, v)
	}
	return views, len(s.issues)
}

func (s *Server) view(it *issue) View {
	v := View{ID: strconv.Itoa(it.id), Key: it.key, Kind: it.kind.name, Summary: it.summary, Text: adfText(it.description), Status: it.status.name,
		StatusKey: it.status.category.key, Labels: it.labels}
	for _, a := range s.accounts {
		if a.ID == it.assignee {
			v.Assignee = a.Name
		}
	}
	for k, p := range it.properties {
		v.Properties = append(v.Properties, fmt.Sprintf("%s = %s", k, p))
	}
	slices.Sort(v.Properties)
	for _, c := range it.comments[max(0, len(it.comments)-5):] {
		v.Comments = append(v.Comments, adfText(c.body))
	}
	for _, l := range it.links {
		v.Links = append(v.Links, LinkView{l.title, l.url})
	}
	return v
}
