package jira_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"bulkhead.dev/sandbox/internal/calltest"
	"bulkhead.dev/sandbox/internal/creds"
	"bulkhead.dev/sandbox/internal/fault"
	"bulkhead.dev/sandbox/internal/jira"
)

func open(t *testing.T) calltest.Desk {
	t.Helper()
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	cred := creds.Jira{BaseURL: "http://127.0.0.1:1/jira", Email: "me@example.com", APIToken: "token", ProjectKey: "ONB"}
	return calltest.Desk{T: t, Handler: jira.New(cred, func() time.Time { now = now.Add(time.Second); return now }), Prefix: "/rest/api/3/",
		Dress: func(r *http.Request) { r.SetBasicAuth("me@example.com", "token") }}
}

const adf = `{"type":"doc","version":1,"content":[{"type":"paragraph","content":[{"type":"text","text":"First day: today"}]}]}`

func TestAnIssueWithSubtasksIsFoundAgain(t *testing.T) {
	t.Parallel()
	d := open(t)
	made := d.Call("POST", "issue", `{"fields":{"project":{"key":"ONB"},"issuetype":{"name":"Task"},"summary":"Onboarding: Ada","description":`+adf+
		`,"labels":["bh-41207"]},"properties":[{"key":"bulkhead","value":{"source":"41207"}}]}`, http.StatusCreated)
	calltest.Same(t, made, "key", "ONB-7")
	d.Call("POST", "issue", `{"fields":{"project":{"id":"10000"},"issuetype":{"id":"10003"},"parent":{"key":"ONB-7"},"summary":"Laptop"}}`, http.StatusCreated)
	bulk := d.Call("POST", "issue/bulk", `{"issueUpdates":[
		{"fields":{"project":{"key":"ONB"},"issuetype":{"name":"Sub-task"},"parent":{"id":"`+calltest.At(made, "id")+`"},"summary":"Accounts"}},
		{"fields":{"project":{"key":"ONB"},"issuetype":{"name":"Sub-task"},"summary":"Orphan"}}]}`, http.StatusCreated)
	calltest.Same(t, bulk, "issues.0.key", "ONB-9")
	calltest.Same(t, bulk, "errors.0.failedElementNumber", "1")
	for _, query := range []string{`labels = \"bh-41207\"`, `issue.property[bulkhead].source = \"41207\"`, `text ~ \"first day\"`, `key in (ONB-7)`} {
		found := d.Call("POST", "search/jql", `{"jql":"project = ONB AND `+query+`","fields":["summary","subtasks"],"properties":["bulkhead"]}`, http.StatusOK)
		calltest.Same(t, found, "issues.0.key", "ONB-7")
		calltest.Same(t, found, "issues.0.fields.subtasks.1.key", "ONB-9")
		calltest.Same(t, found, "issues.0.properties.bulkhead.source", "41207")
		calltest.Same(t, found, "isLast", "true")
	}
	one := d.Call("GET", "issue/onb-8", "", http.StatusOK)
	calltest.Same(t, one, "fields.parent.key", "ONB-7")
	calltest.Same(t, one, "fields.issuetype.subtask", "true")
	d.Call("DELETE", "issue/ONB-7", "", http.StatusBadRequest)
	d.Call("DELETE", "issue/ONB-7?deleteSubtasks=true", "", http.StatusNoContent)
	d.Call("GET", "issue/ONB-8", "", http.StatusNotFound)
	calltest.Same(t, d.Call("POST", "issue", `{"fields":{"project":{"key":"ONB"},"issuetype":{"name":"Task"},"summary":"x"}}`, http.StatusCreated), "key", "ONB-10")
}

func TestPagesOfTheSearch(t *testing.T) {
	t.Parallel()
	d := open(t)
	body := `{"jql":"project in (ONB, OPS) order by key","maxResults":4%s}`
	var ids []string
	token := ""
	for range 5 {
		page := d.Call("POST", "search/jql", fmt.Sprintf(body, token), http.StatusOK)
		for i := range 4 {
			if id := calltest.At(page, fmt.Sprintf("issues.%d.id", i)); id != "<nil>" {
				ids = append(ids, id)
			}
		}
		calltest.Same(t, page, "issues.0.key", "<nil>") // the id alone unless fields are named
		if calltest.At(page, "isLast") == "true" {
			calltest.Same(t, page, "nextPageToken", "<nil>")
			break
		}
		token = `,"nextPageToken":"` + calltest.At(page, "nextPageToken") + `"`
	}
	if len(ids) != 9 || ids[0] != "10001" {
		t.Errorf("seeds: %v", ids)
	}
	d.Call("GET", "search/jql?jql=project%3DOPS&nextPageToken=bogus", "", http.StatusBadRequest)
	calltest.Same(t, d.Call("POST", "search/approximate-count", `{"jql":"project = OPS"}`, http.StatusOK), "count", "3")
	calltest.Same(t, d.Call("POST", "search/jql", `{"jql":"order by created"}`, http.StatusBadRequest), "errorMessages.0",
		"Unbounded JQL queries are not allowed here. Please add a search restriction to your query.")
	d.Call("POST", "search/jql", `{"jql":"project = NONE"}`, http.StatusBadRequest)
	d.Call("GET", "search?jql=project%3DOPS", "", http.StatusGone)
}

func TestPartsOfAnIssue(t *testing.T) {
	t.Parallel()
	d := open(t)
	d.Call("PUT", "issue/ONB-4/properties/bulkhead", `{"a":1}`, http.StatusCreated)
	d.Call("PUT", "issue/ONB-4/properties/bulkhead", `{"a":2}`, http.StatusOK)
	calltest.Same(t, d.Call("GET", "issue/ONB-4/properties/bulkhead", "", http.StatusOK), "value.a", "2")
	calltest.Same(t, d.Call("GET", "issue/ONB-4/properties", "", http.StatusOK), "keys.0.key", "bulkhead")
	d.Call("PUT", "issue/ONB-4/properties/bulkhead", `{`, http.StatusBadRequest)
	d.Call("DELETE", "issue/ONB-4/properties/bulkhead", "", http.StatusNoContent)
	d.Call("GET", "issue/ONB-4/properties/bulkhead", "", http.StatusNotFound)

	link := `{"globalId":"g1","object":{"title":"Ada","url":"https://x.example/1"}}`
	first := d.Call("POST", "issue/ONB-4/remotelink", link, http.StatusCreated)
	calltest.Same(t, d.Call("POST", "issue/ONB-4/remotelink", link, http.StatusOK), "id", calltest.At(first, "id"))
	calltest.Same(t, d.Call("GET", "issue/ONB-4/remotelink?globalId=g1", "", http.StatusOK), "object.title", "Ada")
	d.Call("POST", "issue/ONB-4/remotelink", `{"object":{"title":"x"}}`, http.StatusBadRequest)
	d.Call("DELETE", "issue/ONB-4/remotelink/"+calltest.At(first, "id"), "", http.StatusNoContent)

	calltest.Same(t, d.Call("POST", "issue/ONB-4/comment", `{"body":`+adf+`}`, http.StatusCreated), "author.accountId", jira.OwnAccount)
	d.Call("POST", "issue/ONB-4/comment", `{"body":"text"}`, http.StatusBadRequest)
	calltest.Same(t, d.Call("GET", "issue/ONB-4/comment?startAt=1", "", http.StatusOK), "total", "2")

	calltest.Same(t, d.Call("GET", "issue/ONB-4/transitions", "", http.StatusOK), "transitions.1.id", "31")
	d.Call("POST", "issue/ONB-4/transitions", `{"transition":{"id":"31"}}`, http.StatusNoContent)
	d.Call("POST", "issue/ONB-4/transitions", `{"transition":{"id":"31"}}`, http.StatusBadRequest)
	calltest.Same(t, d.Call("GET", "issue/ONB-4?fields=status", "", http.StatusOK), "fields.status.name", "Done")
	calltest.Same(t, d.Call("POST", "issue/bulkfetch", `{"issueIdsOrKeys":["ONB-4","ONB-99"]}`, http.StatusOK), "issueErrors.0.id", "ONB-99")
}

func TestEdits(t *testing.T) {
	t.Parallel()
	d := open(t)
	d.Call("PUT", "issue/ONB-5", `{"fields":{"summary":"New","priority":{"name":"High"}},"update":{"labels":[{"add":"a"},{"remove":"office"}]}}`, http.StatusNoContent)
	it := d.Call("GET", "issue/ONB-5", "", http.StatusOK)
	calltest.Same(t, it, "fields.labels", "[a]")
	calltest.Same(t, it, "fields.priority.name", "High")
	d.Call("PUT", "issue/ONB-5", `{"fields":{"summary":"Half","labels":["has space"]}}`, http.StatusBadRequest)
	calltest.Same(t, d.Call("GET", "issue/ONB-5", "", http.StatusOK), "fields.summary", "New") // a refused edit leaves nothing behind
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	d := open(t)
	const start = `{"fields":{"project":{"key":"ONB"},"issuetype":{"name":"Task"}`
	for field, body := range map[string]string{
		"summary":     start + `}}`,
		"project":     `{"fields":{"issuetype":{"name":"Task"},"summary":"x"}}`,
		"issuetype":   `{"fields":{"project":{"key":"ONB"},"summary":"x"}}`,
		"description": start + `,"summary":"x","description":"text"}}`,
		"labels":      start + `,"summary":"x","labels":["a b"]}}`,
		"parentId":    start + `,"summary":"x","parent":{"key":"ONB-2"}}}`,
		"colour":      start + `,"summary":"x","colour":"red"}}`,
		"assignee":    start + `,"summary":"x","assignee":{"accountId":"nobody"}}}`,
		"duedate":     start + `,"summary":"x","duedate":"soon"}}`,
	} {
		if calltest.At(d.Call("POST", "issue", body, http.StatusBadRequest), "errors."+field) == "<nil>" {
			t.Errorf("%s: the answer does not name it", field)
		}
	}
	d.Call("POST", "issue", `{`, http.StatusBadRequest)
	calltest.Same(t, d.Call("GET", "issue/ONB-999", "", http.StatusNotFound), "errorMessages.0", "Issue does not exist or you do not have permission to see it.")
	d.Call("GET", "nothing", "", http.StatusNotFound)
	d.Call("GET", "project/NONE", "", http.StatusNotFound)
}

func TestWhoMayCall(t *testing.T) {
	t.Parallel()
	d := open(t)
	calltest.Same(t, d.Call("GET", "myself", "", http.StatusOK), "accountId", jira.OwnAccount)
	calltest.Same(t, d.Call("GET", "issue/createmeta/ONB/issuetypes", "", http.StatusOK), "issueTypes.4.name", "Sub-task")
	calltest.Same(t, d.Call("GET", "user/search?query=mara", "", http.StatusOK), "list.0.accountId", jira.MaraAccount)
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/rest/api/3/myself", nil)
	r.SetBasicAuth("me@example.com", "other")
	w := httptest.NewRecorder()
	d.Handler.ServeHTTP(w, r)
	if w.Code != http.StatusUnauthorized {
		t.Errorf("a wrong token: %d", w.Code)
	}
	w = httptest.NewRecorder()
	refuser := jira.New(creds.Jira{ProjectKey: "ONB"}, time.Now)
	refuser.Refuse(w, fault.Rule{Status: http.StatusTooManyRequests, RetryAfter: "60"})
	if w.Code != http.StatusTooManyRequests || w.Header().Get("Ratelimit-Reason") != "jira-burst-based" || !strings.Contains(w.Body.String(), "rate-limited") {
		t.Errorf("429: %v %s", w.Header(), w.Body)
	}
}
