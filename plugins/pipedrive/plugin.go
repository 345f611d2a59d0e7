package main

import (
	"context"
	"time"

	"bulkhead.dev/sdk"
	"bulkhead.dev/sdk/rest"
	"bulkhead.dev/sdk/state"
)

// settings are what an operator configures.
type settings struct {
	BaseURL         string `json:"base_url" default:"https://api.pipedrive.com" description:"Base of the API, such as https://company.pipedrive.com."`
	APIToken        string `json:"api_token" setting:"required,secret" description:"API token of a user who sees the deals, their owners and contacts."`
	WebhookUser     string `json:"webhook_user" setting:"required" description:"User name that the webhook was registered with."`
	WebhookPassword string `json:"webhook_password" setting:"required,secret" description:"Password that the webhook was registered with; nothing else proves a delivery, so take a long random one."`
}

// plugin holds what the handlers need; it is filled by configure, before any job.
type plugin struct {
	api *rest.Client
	// names keeps owners, persons and organizations that were asked for: their names change seldom and each call costs.
	names state.KV[cachedName]
	now   func() time.Time
}

// configure makes the API's client. A token user has 20 calls in 2 seconds (core-api-concepts-rate-limiting, burst).
func (p *plugin) configure(_ context.Context, s settings, host *sdk.Host) error {
	api, err := rest.New(rest.Config{
		Name: "pipedrive", BaseURL: s.BaseURL, Auth: rest.Token("x-api-token", s.APIToken),
		Rates:        []rest.Rate{{Name: "token", Requests: 10, Per: 2 * time.Second}},
		ResetHeaders: []string{"x-ratelimit-reset"},
		Logger:       host.Log,
	})
	if err != nil {
		return sdk.FieldError("base_url", "%v", err)
	}
	p.api, p.names = api, state.KVOf[cachedName](host.State, "name/")
	if p.now == nil {
		p.now = time.Now
	}
	return nil
}
