package main

import (
	"context"
	"strings"
	"sync"

	"bulkhead.dev/sdk"
	"bulkhead.dev/sdk/rest"
	"bulkhead.dev/sdk/state"
)

// settings are what an operator configures.
type settings struct {
	BaseURL       string `json:"base_url" setting:"required" description:"The site, such as https://company.atlassian.net."`
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
	// issues ties an issue's id to its key, with the hash of what was last seen of it.
	issues state.Links
	// onboarding ties a hire to the issue made for it, and each of its steps to a sub-task.
	onboarding state.Links

	mu    sync.Mutex
	types *issueTypes // nil until asked for
}

// configure makes the API's client. Jira Cloud limits by a cost that it keeps to itself and says when it is enough
// (Rate limiting), so there is no limit of our own but the number of calls at once.
func (p *plugin) configure(_ context.Context, s settings, host *sdk.Host) error {
	api, err := rest.New(rest.Config{
		Name: "jira", BaseURL: s.BaseURL, Auth: rest.Basic(s.Email, s.APIToken), Concurrency: 10,
		ResetHeaders: []string{"X-RateLimit-Reset"}, Logger: host.Log,
	})
	if err != nil {
		return sdk.FieldError("base_url", "%v", err)
	}
	p.api, p.site, p.project = api, strings.TrimSuffix(s.BaseURL, "/"), s.ProjectKey
	p.issues, p.onboarding = host.State.Links("issue"), host.State.Links("onboarding")
	return nil
}

// browse is where a person sees an issue.
func (p *plugin) browse(key string) string { return p.site + "/browse/" + key }
