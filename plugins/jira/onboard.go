package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"bulkhead.dev/sdk"
	"bulkhead.dev/sdk/rest"
)

// hired is what this plugin reads of peopleforce.employee.hired.
type hired struct {
	EmployeeID  string `json:"employee_id"`
	FullName    string `json:"full_name"`
	Email       string `json:"email,omitempty"`
	Position    string `json:"position,omitempty"`
	Department  string `json:"department,omitempty"`
	Location    string `json:"location,omitempty"`
	ManagerName string `json:"manager_name,omitempty"`
	HiredOn     string `json:"hired_on,omitempty"`
}

// step is a part of an onboarding that somebody has to do.
type step struct{ name, summary string }

func steps() []step {
	return []step{
		{"accounts", "Create accounts and access"},
		{"equipment", "Prepare laptop and equipment"},
		{"first-week", "Plan the first week"},
		{"welcome", "Introduce to the team"},
	}
}

// onHired makes the onboarding issue of a hire and a sub-task for each step, each of them once: what an earlier attempt
// left behind is found by its label.
func (p *plugin) onHired(ctx context.Context, job *sdk.Job, in hired) error {
	types, err := p.issueTypes(ctx)
	if err != nil {
		return err
	}
	hire := "hire-" + label(in.EmployeeID)
	if in.HiredOn != "" {
		hire += "-" + label(in.HiredOn)
	}
	parent, err := p.ensureIssue(ctx, hire, fields{
		"project": key(p.project), "issuetype": types.task, "summary": line("Onboarding: " + in.FullName),
		"description": document(facts(in)), "labels": []string{"bulkhead", "bh-" + hire},
	})
	if err != nil {
		return err
	}
	for _, s := range steps() {
		name := hire + "-" + s.name
		_, err := p.ensureIssue(ctx, name, fields{
			"project": key(p.project), "issuetype": types.subtask, "parent": key(parent),
			"summary": line(s.summary + ": " + in.FullName), "labels": []string{"bulkhead", "bh-" + name},
		})
		if err != nil {
			return fmt.Errorf("sub-task %s of %s: %w", s.name, parent, err)
		}
	}
	job.Log.Info("onboarding issue is there", "issue", parent, "url", p.browse(parent))
	return nil
}

// fields are those of an issue, as the API wants them.
type fields map[string]any

func key(k string) map[string]string { return map[string]string{"key": k} }

// line writes text as Jira takes a summary: one line of 255 characters at most.
func line(text string) string {
	runes := []rune(strings.Join(strings.Fields(text), " "))
	return string(runes[:min(len(runes), 255)])
}

// label writes text as a Jira label, which may hold no blank.
func label(text string) string { return strings.Join(strings.Fields(text), "-") }

// searchLag is how long Jira is given until a search finds what was just made. It takes seconds; minutes in bad times.
const searchLag = 30 * time.Second

// ensureIssue returns the key of the issue known as name, and makes it if there is none.
func (p *plugin) ensureIssue(ctx context.Context, name string, f fields) (string, error) {
	link, err := p.onboarding.Ensure(ctx, name,
		func(ctx context.Context) (string, error) { return p.findIssue(ctx, name) },
		func(ctx context.Context) (string, error) {
			var made struct {
				Key string `json:"key"`
			}
			err := p.api.PostJSON(ctx, "/rest/api/3/issue", map[string]any{"fields": f}, &made)
			var refused *rest.Error
			if errors.As(err, &refused) && refused.Status == http.StatusBadRequest {
				p.types.Store(nil) // the project may have other types by now
			}
			return made.Key, err
		})
	return link.Target, err
}

// findIssue looks for an issue that an earlier attempt may have made. A search that finds nothing proves nothing before
// it had the time to see what was made, so it is asked once more then.
func (p *plugin) findIssue(ctx context.Context, name string) (string, error) {
	answer, err := p.searchPage(ctx, fmt.Sprintf(`project = %q AND labels = %q`, p.project, "bh-"+name), 1, "")
	if err != nil {
		return "", err
	}
	if len(answer.Issues) > 0 {
		return answer.Issues[0].Key, p.missed.Delete(ctx, name)
	}
	first, known, err := p.missed.Get(ctx, name)
	if err != nil {
		return "", err
	}
	now := p.now().UTC()
	if !known {
		if err := p.missed.Put(ctx, name, now); err != nil {
			return "", err
		}
		first = now
	}
	if left := first.Add(searchLag).Sub(now); left > 0 {
		return "", sdk.RetryAfter(left, fmt.Errorf("no issue %s is found yet; the search may lag behind an earlier attempt", name))
	}
	return "", p.missed.Delete(ctx, name)
}

// issueTypes are the types that a project has for a task and for its parts, named as the API wants them.
type issueTypes struct{ task, subtask map[string]string }

// issueTypes asks the project for its types, which are named in the site's language, and keeps them.
func (p *plugin) issueTypes(ctx context.Context) (issueTypes, error) {
	if known := p.types.Load(); known != nil {
		return *known, nil
	}
	var answer struct {
		IssueTypes []struct {
			ID             string `json:"id"`
			Name           string `json:"name"`
			Subtask        bool   `json:"subtask"`
			HierarchyLevel int    `json:"hierarchyLevel"`
		} `json:"issueTypes"`
	}
	types := issueTypes{task: map[string]string{"name": "Task"}, subtask: map[string]string{"name": "Sub-task"}}
	err := p.api.GetJSON(ctx, rest.Path("/rest/api/3/issue/createmeta/%s/issuetypes", p.project), url.Values{"maxResults": {"200"}}, &answer)
	var refused *rest.Error
	switch {
	case errors.As(err, &refused) && refused.Status == http.StatusNotFound:
		return types, nil // an account that may not look at them may still create issues of the usual types
	case err != nil:
		return types, err
	}
	for _, t := range answer.IssueTypes {
		id := map[string]string{"id": t.ID}
		switch _, chosen := types.task["id"]; {
		case t.Subtask && types.subtask["id"] == "":
			types.subtask = id
		case t.Subtask:
		case t.Name == "Task", !chosen && t.HierarchyLevel == 0:
			types.task = id
		}
	}
	p.types.Store(&types)
	return types, nil
}

// facts are the lines of the description.
func facts(in hired) []string {
	var lines []string
	add := func(what, value string) {
		if value != "" {
			lines = append(lines, what+": "+value)
		}
	}
	add("First day", in.HiredOn)
	add("Position", in.Position)
	add("Department", in.Department)
	add("Location", in.Location)
	add("Manager", in.ManagerName)
	add("E-mail", in.Email)
	add("Employee in PeopleForce", in.EmployeeID)
	return lines
}

// document writes lines as a document with a bullet list (Atlassian Document Format, version 1).
func document(lines []string) map[string]any {
	items := make([]any, len(lines))
	for i, line := range lines {
		text := map[string]any{"type": "text", "text": line}
		paragraph := map[string]any{"type": "paragraph", "content": []any{text}}
		items[i] = map[string]any{"type": "listItem", "content": []any{paragraph}}
	}
	list := map[string]any{"type": "bulletList", "content": items}
	return map[string]any{"type": "doc", "version": 1, "content": []any{list}}
}
