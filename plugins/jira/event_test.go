package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"bulkhead.dev/sdk/plugintest"
)

// start runs the plugin beside a sandbox.
func start(t *testing.T) (*sandbox, *running) {
	t.Helper()
	s := startSandbox(t)
	return s, startPlugin(t, &plugin{now: time.Now}, s.settings)
}

// at is a time as Jira writes it, so many minutes after some beginning.
func at(minutes int) string {
	return time.Date(2026, 11, 24, 10, minutes, 0, 0, time.FixedZone("", -8*3600)).Format(updatedLayout)
}

// issueEvent is a webhook about the seeded issue ONB-4, in the form of version 2 that Jira sends: texts are strings, and much is
// there that is not read.
func issueEvent(event, status, updated string) json.RawMessage {
	return fmt.Appendf(nil, `{"timestamp":1795538314075,"webhookEvent":%q,"issue_event_type_name":"issue_generic",
		"user":{"accountId":"5f00sandbox0mara","displayName":"Mara Lindqvist","emailAddress":"mara@example.com","accountType":"atlassian"},
		"issue":{"id":"10004","self":"https://example.atlassian.net/rest/api/2/10004","key":"ONB-4","fields":{
			"summary":"Guide","description":"Secret plans of Mara","status":{"name":%q,"id":"3"},"issuetype":{"name":"Story","subtask":false},
			"priority":{"name":"Medium"},"assignee":{"displayName":"Ines Duarte"},"updated":%q,"resolution":null,"project":{"key":"ONB"}}},
		"changelog":{"id":"10230","items":[{"field":"status","fromString":"To Do","toString":%q}]}}`, event, status, updated, status)
}

func TestAnIssueIsFollowedByItsContent(t *testing.T) {
	t.Parallel()
	const updated, created = "jira:issue_updated", "jira:issue_created"
	for name, tc := range map[string]struct {
		events []json.RawMessage
		writes int
		last   string // the status that the issue bears
	}{
		"once":                   {[]json.RawMessage{issueEvent(created, "To Do", at(0))}, 1, "To Do"},
		"the same again":         {[]json.RawMessage{issueEvent(created, "To Do", at(0)), issueEvent(updated, "To Do", at(0))}, 1, "To Do"},
		"a comment in between":   {[]json.RawMessage{issueEvent(updated, "To Do", at(0)), issueEvent(updated, "To Do", at(1))}, 1, "To Do"},
		"a change":               {[]json.RawMessage{issueEvent(updated, "To Do", at(0)), issueEvent(updated, "Done", at(1))}, 2, "Done"},
		"two within one instant": {[]json.RawMessage{issueEvent(updated, "To Do", at(0)), issueEvent(updated, "Done", at(0))}, 2, "Done"},
		"an older one comes late": {
			[]json.RawMessage{issueEvent(updated, "Done", at(1)), issueEvent(updated, "To Do", at(0))}, 1, "Done",
		},
		"an older one comes after its change was undone": {[]json.RawMessage{
			issueEvent(updated, "To Do", at(0)), issueEvent(updated, "To Do", at(2)), issueEvent(updated, "Done", at(1)),
		}, 1, "To Do"},
		"no time": {[]json.RawMessage{issueEvent(updated, "Done", at(0)), issueEvent(updated, "To Do", "")}, 2, "To Do"},
		"forgotten when it is deleted": {[]json.RawMessage{
			issueEvent(updated, "Done", at(1)), issueEvent("jira:issue_deleted", "Done", at(1)), issueEvent(updated, "Done", at(1)),
		}, 2, "Done"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, r := start(t)
			for _, event := range tc.events {
				r.done("jira.event", event)
			}
			if changes := s.changes(); len(changes) != tc.writes {
				t.Errorf("changes at Jira: %+v, want %d", changes, tc.writes)
			}
			var property struct {
				Value struct{ Key, Status, Hash string }
			}
			s.jira(http.MethodGet, "/rest/api/3/issue/ONB-4/properties/"+propertyKey, "", &property)
			if v := property.Value; v.Key != "ONB-4" || v.Status != tc.last || len(v.Hash) != 32 {
				t.Errorf("the issue bears %+v, want the status %q", v, tc.last)
			}
			r.silent("Mara", "Ines", "mara@example.com", "Secret")
		})
	}
}

// jira does a call of the test's own at the sandbox's Jira.
func (s *sandbox) jira(method, path, body string, out any) {
	s.t.Helper()
	req := &http.Request{Header: http.Header{}}
	req.SetBasicAuth(fmt.Sprint(s.settings["email"]), fmt.Sprint(s.settings["api_token"]))
	s.ask(method, fmt.Sprint(s.settings["base_url"])+path, body, req.Header, out)
}

func TestAnIssueThatIsGoneIsNotRemembered(t *testing.T) {
	t.Parallel()
	s, r := start(t)
	gone := strings.Replace(string(issueEvent("jira:issue_updated", "Done", at(0))), `"id":"10004"`, `"id":"99999"`, 1)
	for range 2 {
		r.done("jira.event", json.RawMessage(gone))
	}
	if calls := s.calls(); len(calls) != 2 || calls[0].Status != http.StatusNotFound || calls[1].Status != http.StatusNotFound {
		t.Errorf("calls %+v, want two that found nothing", calls)
	}
}

func TestEventsOfNoInterestAreDone(t *testing.T) {
	t.Parallel()
	s, r := start(t)
	schema := r.schema(http.MethodPost, "events")
	events := samples(t, "*.json")
	for name, body := range map[string]string{
		"comment":  `{"timestamp":1550286678321,"webhookEvent":"comment_created","comment":{"id":"10019","body":"Added"},"issue":{"id":"10040","key":"TES-41","fields":{"summary":"s"}}}`,
		"worklog":  `{"timestamp":1790102915652,"webhookEvent":"worklog_created","worklog":{"issueId":"10014","id":"10066"}}`,
		"property": `{"webhookEvent":"issue_property_set","property":{"key":"bulkhead.seen"},"issue":null}`,
		"sprint":   `{"webhookEvent":"sprint_started","sprint":{"id":7},"issue":"none of an issue's form"}`,
		"version":  `{"webhookEvent":"jira:version_merged"}`,
	} {
		events[name] = json.RawMessage(body)
	}
	for name, body := range events {
		if !accepts(t, schema, body) {
			t.Errorf("%s is refused by the schema", name)
		}
		r.done("jira.event", body)
	}
	if changes := s.changes(); len(changes) != 0 {
		t.Errorf("changes at Jira: %+v, want none: those of the samples are of another site", changes)
	}
}

func TestTheSchemaDemandsTheEventAlone(t *testing.T) {
	t.Parallel()
	r := startPlugin(t, &plugin{}, map[string]any{
		"base_url": "http://127.0.0.1:1", "email": "a@example.com", "api_token": "token", "webhook_secret": "s", "project_key": "ONB",
	})
	schema := r.schema(http.MethodPost, "events")
	for body, want := range map[string]bool{
		`{"webhookEvent":"x"}`: true, `{"webhookEvent":"x","issue":7,"more":[]}`: true,
		`{}`: false, `{"webhookEvent":null}`: false, `{"webhookEvent":1}`: false, `[]`: false,
	} {
		if got := accepts(t, schema, []byte(body)); got != want {
			t.Errorf("%s: accepted %t, want %t", body, got, want)
		}
	}
}

func TestAnIssueWithoutItsFormIsRejected(t *testing.T) {
	t.Parallel()
	_, r := start(t)
	for name, body := range map[string]string{
		"no issue": `{"webhookEvent":"jira:issue_updated"}`,
		"no key":   `{"webhookEvent":"jira:issue_updated","issue":{"id":"10004"}}`,
		"no id":    `{"webhookEvent":"jira:issue_deleted","issue":{"key":"ONB-4"}}`,
		"another":  `{"webhookEvent":"jira:issue_updated","issue":{"id":10004,"key":"ONB-4","fields":"Mara"}}`,
	} {
		result := r.do(plugintest.Job{Type: "jira.event", Payload: json.RawMessage(body)})
		if result.Kind != plugintest.Rejected || strings.Contains(result.Reason, "Mara") {
			t.Errorf("%s: %+v, want it rejected without its content", name, result)
		}
	}
}

func TestRefusalsOfJira(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		fault map[string]any
		want  plugintest.Result
	}{
		"too many calls": {map[string]any{"status": 429, "retry_after": "120"}, plugintest.Result{Kind: plugintest.Retried, Free: true, After: 2 * time.Minute}},
		"a bad token":    {map[string]any{"status": 401}, plugintest.Result{Kind: plugintest.Retried}},
		"no right":       {map[string]any{"status": 403}, plugintest.Result{Kind: plugintest.Retried}},
		"not found":      {map[string]any{"status": 404}, plugintest.Result{Kind: plugintest.Done}},
		"a slip of Jira": {map[string]any{"status": 502}, plugintest.Result{Kind: plugintest.Done}}, // repeated inside the call
		"a lost answer":  {map[string]any{"mode": "lost_reply"}, plugintest.Result{Kind: plugintest.Done}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, r := start(t)
			s.fault(tc.fault)
			got := r.do(plugintest.Job{Type: "jira.event", Payload: issueEvent("jira:issue_updated", "Done", at(0))})
			if got.Kind != tc.want.Kind || got.Free != tc.want.Free || got.After != tc.want.After {
				t.Errorf("%+v, want %+v", got, tc.want)
			}
			if got.Kind == plugintest.Retried && got.Fault != "vendor" {
				t.Errorf("the fault is %s's, want the vendor's", got.Fault)
			}
		})
	}
}

// A limit of one issue holds up that issue, and no other.
func TestABusyIssueHoldsUpNoOther(t *testing.T) {
	t.Parallel()
	jira := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.URL.Path, "/10004/") {
			w.Header().Set("Retry-After", "90")
			w.Header().Set("RateLimit-Reason", "jira-per-issue-on-write")
			w.WriteHeader(http.StatusTooManyRequests)
			_, _ = io.WriteString(w, "<html>Rate limit exceeded</html>")
			return
		}
		w.WriteHeader(http.StatusCreated)
	}))
	defer jira.Close()
	r := startPlugin(t, &plugin{}, map[string]any{
		"base_url": jira.URL, "email": "a@example.com", "api_token": "token", "webhook_secret": "s", "project_key": "ONB",
	})
	busy := issueEvent("jira:issue_updated", "Done", at(0))
	other := strings.Replace(string(busy), `"id":"10004"`, `"id":"10005"`, 1)
	for range 2 { // the second one does not go out
		if got := r.do(plugintest.Job{Type: "jira.event", Payload: busy}); got.Kind != plugintest.Retried || !got.Free || got.After < time.Minute {
			t.Errorf("the busy issue: %+v, want it later at no cost", got)
		}
	}
	r.done("jira.event", json.RawMessage(other))
}
