package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"net/http"

	"bulkhead.dev/sdk"
	"bulkhead.dev/sdk/rest"
)

// defaultLimit is how many issues a search answers that names no number; pageSize is what Jira gives at once.
const (
	defaultLimit = 20
	pageSize     = 100
)

// query is the body of a search.
type query struct {
	JQL   string `json:"jql" jsonschema:"minLength=1,maxLength=10000" jsonschema_description:"What to look for, in Jira's query language."`
	Limit int    `json:"limit,omitempty" jsonschema:"minimum=1,maximum=500" jsonschema_description:"Issues at most; 20 when absent."`
}

// found is the answer of a search.
type found struct {
	Issues []view `json:"issues"`
	// More says that there are issues beyond the limit.
	More bool `json:"more"`
}

// searchFields are what a view needs.
func searchFields() []string {
	return []string{"summary", "status", "issuetype", "priority", "assignee", "updated"}
}

// page is a page of POST /search/jql.
type page struct {
	Issues        []issue `json:"issues"`
	NextPageToken string  `json:"nextPageToken"`
}

// search answers a JQL search. A query that Jira does not understand is the caller's fault and answered as such, with
// Jira's own words.
func (p *plugin) search(ctx context.Context, _ *sdk.Job, q query) (*sdk.Response, error) {
	limit := cmp.Or(q.Limit, defaultLimit)
	out := found{Issues: []view{}}
	issues := rest.Cursor(ctx, func(ctx context.Context, token string) ([]issue, string, error) {
		// One more than is answered says whether there are more.
		answer, err := p.searchPage(ctx, q.JQL, min(limit+1-len(out.Issues), pageSize), token)
		return answer.Issues, answer.NextPageToken, err
	})
	for i, err := range issues {
		var refused *rest.Error
		if errors.As(err, &refused) && refused.Status == http.StatusBadRequest {
			return respond(http.StatusBadRequest, map[string]string{"error": "Jira does not accept the query", "detail": refused.Message})
		}
		if err != nil {
			return nil, err
		}
		if len(out.Issues) == limit {
			out.More = true
			break
		}
		out.Issues = append(out.Issues, p.view(i))
	}
	return respond(http.StatusOK, out)
}

func (p *plugin) searchPage(ctx context.Context, jql string, size int, token string) (page, error) {
	request := map[string]any{"jql": jql, "maxResults": size, "fields": searchFields()}
	if token != "" {
		request["nextPageToken"] = token
	}
	var answer page
	err := p.api.PostJSON(ctx, "/rest/api/3/search/jql", request, &answer, rest.Repeatable())
	return answer, err
}

func respond(status int, v any) (*sdk.Response, error) {
	body, err := json.Marshal(v)
	return &sdk.Response{Status: status, Body: body}, err
}
