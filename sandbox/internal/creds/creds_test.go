package creds_test

import (
	"strings"
	"testing"

	"bulkhead.dev/sandbox/internal/creds"
)

func TestRandomIsRandom(t *testing.T) {
	t.Parallel()
	a, b := creds.Random(), creds.Random()
	for name, pair := range map[string][2]string{
		"jira token": {a.Jira.APIToken, b.Jira.APIToken}, "jira secret": {a.Jira.WebhookSecret, b.Jira.WebhookSecret},
		"slack token": {a.Slack.BotToken, b.Slack.BotToken}, "slack secret": {a.Slack.SigningSecret, b.Slack.SigningSecret},
		"pipedrive token": {a.Pipedrive.APIToken, b.Pipedrive.APIToken}, "pipedrive password": {a.Pipedrive.WebhookPassword, b.Pipedrive.WebhookPassword},
		"peopleforce key": {a.PeopleForce.APIKey, b.PeopleForce.APIKey}, "peopleforce secret": {a.PeopleForce.WebhookSecret, b.PeopleForce.WebhookSecret},
	} {
		if pair[0] == pair[1] || len(pair[0]) < 32 {
			t.Errorf("%s: %q and %q", name, pair[0], pair[1])
		}
	}
}

func TestOverride(t *testing.T) {
	t.Parallel()
	set, err := creds.Random().Override([]byte(`{"jira":{"api_token":"fixed","project_key":"HR","base_url":"http://elsewhere"}}`))
	if err != nil {
		t.Fatal(err)
	}
	if set.Jira.APIToken != "fixed" || set.Jira.ProjectKey != "HR" || set.Jira.BaseURL != "/jira" || set.Jira.WebhookSecret == "" {
		t.Errorf("%+v", set.Jira)
	}
	for raw, want := range map[string]string{
		`{"jira":{"colour":"red"}}`:      "colour",
		`{"jira":{"project_key":"x y"}}`: "project_key",
		`{"jira":{"project_key":"OPS"}}`: "project_key",
		`{"slack":{"bot_token":""}}`:     "empty",
		`[`:                              "settings",
	} {
		if _, err := creds.Random().Override([]byte(raw)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", raw, err, want)
		}
	}
}
