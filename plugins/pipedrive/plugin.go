package main

import (
	"context"
	"net/url"
	"time"

	"bulkhead.dev/sdk"
	"bulkhead.dev/sdk/rest"
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
	// v1 is the path of version 1 of the API, which is not the same on its two hosts; that of version 2 is.
	v1 string
}

// v2 is the path of version 2 of the API.
const v2 = "/api/v2"

// configure makes the API's client. A token of the smallest plan has 20 calls in 2 seconds
// (pipedrive.readme.io/docs/core-api-concepts-rate-limiting, burst); a bucket of half of it never goes beyond.
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
	p.api, p.v1 = api, "/api/v1"
	if base, err := url.Parse(s.BaseURL); err == nil && base.Hostname() == "api.pipedrive.com" {
		p.v1 = "/v1"
	}
	return nil
}
