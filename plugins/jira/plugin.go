package main

import (
	"cmp"
	"context"
	"strings"
	"sync/atomic"
	"time"

	"bulkhead.dev/sdk"
	"bulkhead.dev/sdk/rest"
	"bulkhead.dev/sdk/state"
)

// settings are what an operator configures.
type settings struct {
	BaseURL       string `json:"base_url" setting:"required" description:"The site, such as https://company.atlassian.net; for a scoped token https://api.atlassian.com/ex/jira/<cloud id>."`
	SiteURL       string `json:"site_url" description:"Where people see the site; needed only where base_url is another address."`
	Email         string `json:"email" setting:"required" description:"E-mail of the account that the API token belongs to."`
	APIToken      string `json:"api_token" setting:"required,secret" description:"API token of that account."`
	WebhookSecret string `json:"webhook_secret" setting:"required,secret" description:"Secret of the webhook (System, WebHooks)."`
	ProjectKey    string `json:"project_key" setting:"required" description:"Project in which onboarding issues are made."`
}

// plugin holds what the handlers need; it is filled by configure, before any job.
type plugin struct {
	api     *rest.Client
	site    string
	project string
	now     func() time.Time
	// seen is what was last seen of an issue, by its id.
	seen state.KV[seen]
	// onboarding ties a hire to the issue made for it, and each of its steps to a sub-task.
	onboarding state.Links
	// missed is when a search first did not find what may have been made before, by its name.
	missed state.KV[time.Time]
	types  atomic.Pointer[issueTypes] // nil until asked for
}

// Names of the limits that Jira's answers tell apart.
const (
	perMethod = "method"
	perIssue  = "issue"
)

// configure makes the API's client. The limits are those that Jira Cloud sets on bursts and on writes to one issue
// (developer.atlassian.com/cloud/jira/platform/rate-limiting); the quota by the hour it says only when it is used up.
func (p *plugin) configure(_ context.Context, s settings, host *sdk.Host) error {
	api, err := rest.New(rest.Config{
		Name: "jira", BaseURL: s.BaseURL, Auth: rest.Basic(s.Email, s.APIToken), Concurrency: 10,
		Rates: []rest.Rate{
			{Name: perMethod, Requests: 25, Per: time.Second, Scope: func(r *rest.Request) string { return r.Method }},
			// 20 in 2 seconds and 100 in 30, both of which this stays within.
			{Name: perIssue, Requests: 3, Per: time.Second, Burst: 10, Scope: func(r *rest.Request) string { return r.Subject }},
		},
		Pause: pause, ResetHeaders: []string{"X-RateLimit-Reset"}, Logger: host.Log,
	})
	if err != nil {
		return sdk.FieldError("base_url", "%v", err)
	}
	p.api, p.project = api, s.ProjectKey
	p.site = strings.TrimSuffix(cmp.Or(s.SiteURL, s.BaseURL), "/")
	p.seen = state.KVOf[seen](host.State, "seen/")
	p.onboarding = host.State.Links("onboarding")
	p.missed = state.KVOf[time.Time](host.State, "missed/")
	return nil
}

// pause says what a 429 is about, so that one busy issue holds up no other.
func pause(e *rest.Error) string {
	switch e.Header.Get("RateLimit-Reason") {
	case "jira-per-issue-on-write":
		return perIssue
	case "jira-burst-based":
		return perMethod
	}
	return "" // a quota: everything waits
}

// browse is where a person sees an issue.
func (p *plugin) browse(key string) string { return p.site + "/browse/" + key }
