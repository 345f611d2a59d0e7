package scene_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"bulkhead.dev/sandbox/internal/calltest"
	"bulkhead.dev/sandbox/internal/creds"
	"bulkhead.dev/sandbox/internal/door"
	"bulkhead.dev/sandbox/internal/scene"
)

// events answers the described events by name, as a host reads them.
func events(t *testing.T, set creds.Settings) map[string]map[string]any {
	t.Helper()
	raw, err := scene.Describe(set, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	var list []map[string]any
	if err := json.Unmarshal(raw, &list); err != nil {
		t.Fatal(err)
	}
	all := map[string]map[string]any{}
	for _, e := range list {
		all[calltest.At(e, "name")] = e
	}
	return all
}

func TestEveryEventIsComplete(t *testing.T) {
	t.Parallel()
	all := events(t, creds.Random())
	var names []string
	for name, e := range all {
		names = append(names, name)
		for _, key := range []string{"title", "instance", "path", "content_type", "expect.status", "expect.text", "effects", "body", "headers"} {
			if v := calltest.At(e, key); v == "" || v == "<nil>" {
				t.Errorf("%s lacks %s", name, key)
			}
		}
		calltest.Same(t, e, "method", "POST")
		route, status := "/webhooks/"+calltest.At(e, "instance")+"/events", "202"
		if name == "search" || name == "who-is-out" {
			route, status = "/interactive/"+calltest.At(e, "instance")+"/"+name, "200"
		}
		calltest.Same(t, e, "path", route)
		calltest.Same(t, e, "expect.status", status)
	}
	slices.Sort(names)
	if got := strings.Join(names, " "); got != "deal-won hire issue-updated mention search who-is-out" {
		t.Error(got)
	}
	for name, path := range map[string]string{"issue-updated": "headers.X-Atlassian-Webhook-Identifier", "deal-won": "body.meta.id", "mention": "body.event_id"} {
		if v := calltest.At(all[name], path); !strings.Contains(v, scene.Fresh) {
			t.Errorf("%s: %s is the same in every delivery: %s", name, path, v)
		}
	}
}

// What the bodies speak of is there when a plugin asks for it, and says the same.
func TestBodiesSpeakOfTheSeeds(t *testing.T) {
	t.Parallel()
	set, err := creds.Random().Override([]byte(`{"jira":{"project_key":"HR"}}`))
	if err != nil {
		t.Fatal(err)
	}
	all := events(t, set)
	desk := calltest.Desk{T: t, Handler: door.New(set, "http://sandbox", time.Now), Dress: func(r *http.Request) {
		r.Host = "localhost"
		r.SetBasicAuth(set.Jira.Email, set.Jira.APIToken)
		r.Header.Set("X-Api-Token", set.Pipedrive.APIToken)
		r.Header.Set("X-Api-Key", set.PeopleForce.APIKey)
	}}
	issue := desk.Call("GET", "/jira/rest/api/3/issue/"+calltest.At(all["issue-updated"], "body.issue.id"), "", 200)
	for _, path := range []string{"key", "fields.summary", "fields.status.id", "fields.issuetype.id", "fields.project.key", "fields.labels", "fields.assignee.accountId"} {
		calltest.Same(t, issue, path, calltest.At(all["issue-updated"], "body.issue."+path))
	}
	calltest.Same(t, issue, "key", "HR-4")
	ada := desk.Call("GET", "/peopleforce/api/public/v3/employees/"+calltest.At(all["hire"], "body.data.id"), "", 200)
	for here, there := range map[string]string{"email": "attributes.email", "hired_on": "attributes.hired_on", "position.name": "position.name",
		"department.id": "department.id", "location.name": "location.name", "reporting_to.id": "reporting_to.id"} {
		calltest.Same(t, ada, "data."+here, calltest.At(all["hire"], "body.data."+there))
	}
	deal := desk.Call("GET", "/pipedrive/api/v2/deals/"+calltest.At(all["deal-won"], "body.meta.entity_id"), "", 200)
	for _, key := range []string{"title", "status", "value", "owner_id", "person_id", "org_id", "stage_id"} {
		calltest.Same(t, deal, "data."+key, calltest.At(all["deal-won"], "body.data."+key))
	}
	found := desk.Call("POST", "/jira/rest/api/3/search/jql", `{"jql":"`+calltest.At(all["search"], "body.jql")+`"}`, 200)
	calltest.Len(t, found, "issues", 6)
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "http://localhost/slack/api/conversations.info?channel="+calltest.At(all["mention"], "body.event.channel"), nil)
	r.Header.Set("Authorization", "Bearer "+set.Slack.BotToken)
	w := httptest.NewRecorder()
	desk.Handler.ServeHTTP(w, r)
	if !strings.Contains(w.Body.String(), `"ok":true`) {
		t.Errorf("the channel of the mention: %s", w.Body)
	}
}
