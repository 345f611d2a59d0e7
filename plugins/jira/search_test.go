package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"bulkhead.dev/sdk/plugintest"

	"github.com/google/go-cmp/cmp"
)

func TestASearchAnswersWhatPeopleWantToKnow(t *testing.T) {
	t.Parallel()
	s, r := start(t)
	var got found
	if err := r.done("jira.search", query{JQL: "key = ONB-4"}).Decode(&got); err != nil {
		t.Fatal(err)
	}
	if len(got.Issues) == 1 {
		if got.Issues[0].Updated == "" {
			t.Error("the issue does not say when it was updated")
		}
		got.Issues[0].Updated = ""
	}
	want := found{Issues: []view{{
		ID: "10004", Key: "ONB-4", Summary: "Write the first-week guide", Status: "In Progress", Type: "Story", Priority: "Medium",
		Assignee: "Ines Duarte", URL: fmt.Sprint(s.settings["base_url"]) + "/browse/ONB-4",
	}}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if changes := s.changes(); len(changes) != 0 {
		t.Errorf("a search changed %+v", changes)
	}
}

func TestTheSiteMayBeElsewhere(t *testing.T) {
	t.Parallel()
	s := startSandbox(t)
	s.settings["site_url"] = "https://company.example/"
	var got found
	if err := startPlugin(t, &plugin{}, s.settings).done("jira.search", query{JQL: "key = ONB-4"}).Decode(&got); err != nil {
		t.Fatal(err)
	}
	if len(got.Issues) != 1 || got.Issues[0].URL != "https://company.example/browse/ONB-4" {
		t.Errorf("issues %+v", got.Issues)
	}
}

func TestASearchReadsAllPagesUpToItsLimit(t *testing.T) {
	t.Parallel()
	s, r := start(t)
	const many = 250
	for from := 0; from < many; from += 50 { // as many as Jira takes at once
		var updates []string
		for i := range 50 {
			updates = append(updates, fmt.Sprintf(`{"fields":{"project":{"key":"ONB"},"issuetype":{"name":"Task"},"summary":"%d","labels":["many"]}}`, from+i))
		}
		s.jira(http.MethodPost, "/rest/api/3/issue/bulk", `{"issueUpdates":[`+strings.Join(updates, ",")+`]}`, nil)
	}
	for limit, want := range map[int]struct {
		issues int
		more   bool
	}{0: {20, true}, 1: {1, true}, 99: {99, true}, 100: {100, true}, 249: {249, true}, 250: {250, false}, 500: {250, false}} {
		var got found
		if err := r.done("jira.search", query{JQL: "labels = many ORDER BY created", Limit: limit}).Decode(&got); err != nil {
			t.Fatal(err)
		}
		keys := map[string]bool{}
		for _, i := range got.Issues {
			keys[i.Key] = true
		}
		if len(got.Issues) != want.issues || len(keys) != want.issues || got.More != want.more {
			t.Errorf("limit %d: %d issues with %d keys, more %t, want %+v", limit, len(got.Issues), len(keys), got.More, want)
		}
	}
	var none found
	if err := r.done("jira.search", query{JQL: "labels = none"}).Decode(&none); err != nil || none.Issues == nil || len(none.Issues) != 0 {
		t.Errorf("nothing to find: %+v, error %v, want an empty list", none, err)
	}
}

func TestAQueryThatJiraRefusesIsTheCallersFault(t *testing.T) {
	t.Parallel()
	_, r := start(t)
	for _, jql := range []string{"this is no ( query", "order by created"} { // the second asks for everything
		result := r.done("jira.search", query{JQL: jql})
		var problem struct{ Error, Detail string }
		if err := result.Decode(&problem); err != nil || result.Status != http.StatusBadRequest || problem.Error == "" || problem.Detail == "" {
			t.Errorf("%s: %d %s, error %v, want 400 with Jira's words", jql, result.Status, result.Data, err)
		}
	}
}

func TestASearchWithABadTokenIsNotTheCallersFault(t *testing.T) {
	t.Parallel()
	s := startSandbox(t)
	s.settings["api_token"] = "wrong-token"
	r := startPlugin(t, &plugin{}, s.settings)
	result := r.do(plugintest.Job{Type: "jira.search", Payload: query{JQL: "key = ONB-4"}})
	if result.Kind != plugintest.Retried || result.Fault != "vendor" {
		t.Errorf("%+v, want a retry for the vendor's fault", result)
	}
	if strings.Contains(result.Reason, "wrong-token") {
		t.Errorf("the reason bears the token: %s", result.Reason)
	}
	r.silent("wrong-token")
}

func TestTheSchemaOfASearch(t *testing.T) {
	t.Parallel()
	_, r := start(t)
	schema := r.schema(http.MethodPost, "search")
	for body, want := range map[string]bool{
		`{"jql":"project = ONB"}`: true, `{"jql":"project = ONB","limit":500}`: true, `{"jql":"project = ONB","limit":null}`: true,
		`{}`: false, `{"jql":""}`: false, `{"jql":"a","limit":0}`: false, `{"jql":"a","limit":501}`: false, `{"jql":"a","limit":"5"}`: false,
	} {
		if got := accepts(t, schema, json.RawMessage(body)); got != want {
			t.Errorf("%s: accepted %t, want %t", body, got, want)
		}
	}
}

func TestSettingsThatCannotBe(t *testing.T) {
	t.Parallel()
	if field := faultOf(t, map[string]any{
		"base_url": "http://company.example", "email": "a@example.com", "api_token": "t", "webhook_secret": "s", "project_key": "ONB",
	}); field != "base_url" {
		t.Errorf("the fault is of %q, want base_url: its calls would be readable to all", field)
	}
}
