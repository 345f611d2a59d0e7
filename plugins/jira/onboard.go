package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

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
		"project": key(p.project), "issuetype": types.task, "summary": "Onboarding: " + in.FullName,
		"description": document(facts(in)), "labels": []string{"bulkhead", "bh-" + hire},
	})
	if err != nil {
		return err
	}
	for _, s := range steps() {
		name := hire + "-" + s.name
		_, err := p.ensureIssue(ctx, name, fields{
			"project": key(p.project), "issuetype": types.subtask, "parent": key(parent),
			"summary": s.summary + ": " + in.FullName, "labels": []string{"bulkhead", "bh-" + name},
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

// label writes text as a Jira label, which may hold no blank.
func label(text string) string { return strings.Join(strings.Fields(text), "-") }

// ensureIssue returns the key of the issue known as name, and makes it if there is none.
func (p *plugin) ensureIssue(ctx context.Context, name string, f fields) (string, error) {
	link, err := p.onboarding.Ensure(ctx, name,
		func(ctx context.Context) (string, error) {
			answer, err := p.searchPage(ctx, fmt.Sprintf(`project = %q AND labels = %q`, p.project, "bh-"+name), 1, "")
			if err != nil || len(answer.Issues) == 0 {
				return "", err
			}
			return answer.Issues[0].Key, nil
		},
		func(ctx context.Context) (string, error) {
			var made struct {
				Key string `json:"key"`
			}
			err := p.api.PostJSON(ctx, "/rest/api/3/issue", map[string]any{"fields": f}, &made)
			return made.Key, err
		})
	return link.Target, err
}

// issueTypes are the types that a project has for a task and for its parts, named as the API wants them.
type issueTypes struct{ task, subtask map[string]string }

// issueTypes asks the project for its types, once a process: they are named in the site's language.
func (p *plugin) issueTypes(ctx context.Context) (issueTypes, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.types != nil {
		return *p.types, nil
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
	err := p.api.GetJSON(ctx, rest.Path("/rest/api/3/issue/createmeta/%s/issuetypes", p.project), nil, &answer)
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
		case t.Subtask:
			types.subtask = id
		case t.Name == "Task", !chosen && t.HierarchyLevel == 0:
			types.task = id
		}
	}
	p.types = &types
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
