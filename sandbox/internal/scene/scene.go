// Package scene says which events the vendors of the sandbox would send, and what comes of each: all that a host needs
// for a demo without knowing a vendor. The bodies are made here in the vendors' forms and speak of the seeded records.
package scene

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"bulkhead.dev/sandbox/internal/creds"
	"bulkhead.dev/sandbox/internal/jira"
	"bulkhead.dev/sandbox/internal/peopleforce"
	"bulkhead.dev/sandbox/internal/pipedrive"
	"bulkhead.dev/sandbox/internal/slack"
)

// Fresh stands in header values and in the body's strings where each delivery needs a value of its own; the sender puts
// a new one in before it signs.
const Fresh = "{{ulid}}"

// Event is one call that can be sent to a host.
type Event struct {
	Name        string            `json:"name"`
	Title       string            `json:"title"`
	Instance    string            `json:"instance"`     // the plugin that it is for
	Method      string            `json:"method"`       // HTTP method
	Path        string            `json:"path"`         // at the host
	Headers     map[string]string `json:"headers"`      // without signature; may hold Fresh
	ContentType string            `json:"content_type"` // of the body
	Body        any               `json:"body"`         // may hold Fresh in its strings
	Expect      Expect            `json:"expect"`
	Effects     string            `json:"effects"` // what will be seen at the vendors, in words
}

// Expect is the answer that a host gives at once; Text is for people.
type Expect struct {
	Status int    `json:"status"`
	Text   string `json:"text"`
}

type object = map[string]any

// Events answers all events; now is the time that their bodies speak of.
func Events(set creds.Settings, now time.Time) []Event {
	now = now.UTC()
	accepted := Expect{http.StatusAccepted, "accepted: the job's id and where its state can be seen"}
	events := []Event{
		{Name: "issue-updated", Title: "A Jira issue moves to In Progress", Instance: "jira", Path: "/webhooks/jira/events", Expect: accepted,
			Headers: map[string]string{"X-Atlassian-Webhook-Identifier": Fresh}, Body: issueUpdated(set.Jira, now),
			Effects: "Jira: " + set.Jira.ProjectKey + "-4 bears the mark that it is known and linked."},
		{Name: "hire", Title: "PeopleForce: Ada Okafor is hired", Instance: "peopleforce", Path: "/webhooks/peopleforce/events", Expect: accepted,
			Body: hire(now),
			Effects: "Jira: an issue 'Onboarding: Ada Okafor' with its sub-tasks in " + set.Jira.ProjectKey +
				". Slack: a welcome in the channel. Sent again, it is the same event and changes nothing."},
		{Name: "deal-won", Title: "Pipedrive: a deal is won", Instance: "pipedrive", Path: "/webhooks/pipedrive/events", Expect: accepted,
			Body:    dealWon(now),
			Effects: "Pipedrive: the deal's owner, person and organization are looked up. Slack: the won deal is announced in the channel."},
		{Name: "mention", Title: "Slack: somebody mentions the app", Instance: "slack", Path: "/webhooks/slack/events", Expect: accepted,
			Body:    mention(set.Slack, now),
			Effects: "Slack: the app answers in the message's thread. Sent again, it is another message, and is answered again."},
		{Name: "search", Title: "Search Jira and wait for the answer", Instance: "jira", Path: "/interactive/jira/search",
			Expect: Expect{http.StatusOK, "the issues of " + set.Jira.ProjectKey + ", oldest first"},
			Body:   object{"jql": "project = " + set.Jira.ProjectKey + " order by created", "limit": 20}, Effects: "Jira: one search, nothing changes."},
		{Name: "who-is-out", Title: "Who is out today?", Instance: "peopleforce", Path: "/interactive/peopleforce/who-is-out",
			Expect: Expect{http.StatusOK, "who is away today, without those who work from home"}, Body: object{},
			Effects: "PeopleForce: the leave requests are read, page by page; nothing changes."},
	}
	for i := range events {
		events[i].Method, events[i].ContentType = http.MethodPost, "application/json"
		if events[i].Headers == nil {
			events[i].Headers = map[string]string{}
		}
	}
	return events
}

// Describe answers Events as the JSON that the command prints.
func Describe(set creds.Settings, now time.Time) ([]byte, error) {
	raw, err := json.MarshalIndent(Events(set, now), "", "  ")
	if err != nil {
		return nil, fmt.Errorf("describe: %w", err)
	}
	return append(raw, '\n'), nil
}

const stamp = "2006-01-02T15:04:05.000-0700"

// issueUpdated is an admin webhook of Jira: texts are strings and addresses are those of API v2, as it really sends.
func issueUpdated(set creds.Jira, now time.Time) object {
	site := "https://northlight.example"
	self := func(what, id string) string { return site + "/rest/api/2/" + what + "/" + id }
	person := object{"self": site + "/rest/api/2/user?accountId=" + jira.MaraAccount, "accountId": jira.MaraAccount, "accountType": "atlassian",
		"displayName": "Mara Lindqvist", "active": true, "timeZone": "Europe/Tallinn"}
	return object{
		"timestamp": now.UnixMilli(), "webhookEvent": "jira:issue_updated", "issue_event_type_name": "issue_generic", "user": person,
		"issue": object{"id": "10004", "self": self("issue", "10004"), "key": set.ProjectKey + "-4", "fields": object{
			"summary": "Write the first-week guide", "description": "New colleagues ask the same ten questions: answer them once.",
			"issuetype": object{"self": self("issuetype", "10002"), "id": "10002", "name": "Story", "subtask": false, "hierarchyLevel": 0},
			"project":   object{"self": self("project", "10000"), "id": "10000", "key": set.ProjectKey, "name": "Onboarding", "projectTypeKey": "software"},
			"status": object{"self": self("status", "10001"), "id": "10001", "name": "In Progress",
				"statusCategory": object{"id": 4, "key": "indeterminate", "name": "In Progress"}},
			"priority": object{"self": self("priority", "3"), "id": "3", "name": "Medium"}, "labels": []string{"docs", "people"},
			"assignee": object{"accountId": "5f00sandbox0ines", "displayName": "Ines Duarte", "active": true}, "reporter": person,
			"created": now.Add(-120 * time.Hour).Format(stamp), "updated": now.Format(stamp), "duedate": nil, "resolution": nil, "subtasks": []any{},
			"customfield_10099": "delivery " + Fresh,
		}},
		"changelog": object{"id": strconv.FormatInt(now.UnixMilli()%1e9, 10), "items": []any{object{"field": "status", "fieldId": "status", "fieldtype": "jira",
			"from": "10000", "fromString": "To Do", "to": "10001", "toString": "In Progress"}}},
	}
}

func hire(now time.Time) object {
	at := func(t time.Time) string { return t.Format("2006-01-02T15:04:05.000Z07:00") }
	today := time.Date(now.Year(), now.Month(), now.Day(), 0, 0, 0, 0, time.UTC)
	return object{"action": "employee_create", "data": object{
		"id": peopleforce.Ada,
		"attributes": object{"employee_number": "NL-0053", "hired_on": today.Format(time.DateOnly), "probation_ends_on": today.AddDate(0, 3, 0).Format(time.DateOnly),
			"first_name": "Ada", "last_name": "Okafor", "email": "ada.okafor@northlight.example", "personal_email": nil, "gender": "female",
			"mobile_number": nil, "work_phone_number": "", "date_of_birth": nil, "termination_effective_date": nil, "termination_comment": nil, "avatar_url": nil},
		"reporting_to":    object{"id": peopleforce.Mara, "full_name": "Mara Lindqvist", "email": "mara.lindqvist@northlight.example"},
		"employment_type": object{"id": 311, "name": "Full-time"}, "position": object{"id": 7044, "name": "Support Engineer"},
		"department": object{"id": 512, "name": "Support"}, "division": object{"id": 61, "name": "Europe"}, "location": object{"id": 932, "name": "Porto"},
		"custom_fields": object{"0d2f6c1e-5a1b-4a9e-9b0f-1c6d3a7e8f21": object{"name": "T-shirt size", "value": "M", "group": "Personal"}},
		"meta":          object{"created_at": at(today.AddDate(0, 0, -14)), "updated_at": at(today.Add(time.Hour))},
	}}
}

// dealWon is a webhook v2; the number of the attempt stands in the body, so no two tries are the same bytes.
func dealWon(now time.Time) object {
	won := now.Add(-time.Hour).Format(time.RFC3339)
	id := strconv.Itoa(pipedrive.WonDeal)
	return object{
		"data": object{"id": pipedrive.WonDeal, "title": "Warehouse scanners, phase 1", "status": "won", "value": 11800.5, "currency": "EUR", "pipeline_id": 3,
			"stage_id": 18, "owner_id": pipedrive.Ines, "creator_user_id": pipedrive.Ines, "person_id": 2210, "org_id": 902, "label_ids": []int{}, "visible_to": "3",
			"probability": nil, "lost_reason": nil, "lost_time": nil, "won_time": won, "first_won_time": won, "close_time": won, "update_time": won,
			"stage_change_time": now.Add(-50 * time.Hour).Format(time.RFC3339), "add_time": now.Add(-900 * time.Hour).Format(time.RFC3339),
			"expected_close_date": now.AddDate(0, 1, 0).Format(time.DateOnly), "origin": "ManuallyCreated", "origin_id": nil, "channel": nil, "channel_id": nil,
			"is_archived": false, "archive_time": nil, "custom_fields": object{}},
		"previous": object{"status": "open", "won_time": nil, "first_won_time": nil, "close_time": nil, "update_time": now.Add(-10 * time.Hour).Format(time.RFC3339)},
		"meta": object{"action": "change", "entity": "deal", "entity_id": id, "id": Fresh, "correlation_id": Fresh,
			"company_id": strconv.Itoa(pipedrive.Company), "user_id": strconv.Itoa(pipedrive.Ines), "webhook_id": "5120077",
			"webhook_owner_id": strconv.Itoa(pipedrive.OwnUser), "version": "2.0", "type": "general", "change_source": "app", "is_bulk_edit": false,
			"permitted_user_ids": []string{strconv.Itoa(pipedrive.OwnUser), strconv.Itoa(pipedrive.Ines)}, "attempt": 1,
			"host": "northlight-sandbox.pipedrive.com", "timestamp": now.Format("2006-01-02T15:04:05.000Z")},
	}
}

// mention is of a message of its own in each delivery. Slack's server has it when the app answers: see slack.MentionText.
func mention(set creds.Slack, now time.Time) object {
	ts := fmt.Sprintf("%d.%s", now.Unix(), Fresh)
	channel := set.Channel
	if strings.HasPrefix(channel, "#") { // events name channels by id only
		channel = slack.General
	}
	return object{"token": "", "team_id": slack.Team, "api_app_id": "A0SANDBOX", "type": "event_callback", "event_id": "Ev" + Fresh, "event_time": now.Unix(),
		"event_context": "4-sandbox", "is_ext_shared_channel": false, "authorizations": []any{object{"enterprise_id": nil, "team_id": slack.Team,
			"user_id": slack.BotUser, "is_bot": true, "is_enterprise_install": false}},
		"event": object{"type": "app_mention", "user": slack.Mara, "text": slack.MentionText, "ts": ts, "event_ts": ts,
			"channel": channel, "team": slack.Team}}
}
