package main

import (
	"context"
	"time"

	"bulkhead.dev/sdk"
	"bulkhead.dev/sdk/rest"
)

// settings are what an operator configures.
type settings struct {
	BaseURL       string `json:"base_url" default:"https://app.peopleforce.io/api/public/v3" description:"Base of the API, with its version."`
	APIKey        string `json:"api_key" setting:"required,secret" description:"Company API key (Settings, Open API keys) that may read employees and leave requests."`
	WebhookSecret string `json:"webhook_secret" setting:"required,secret" description:"Secret of the webhook; PeopleForce calls it optional, Bulkhead does not."`
	Timezone      string `json:"timezone" default:"UTC" description:"Time zone in which today is today, such as Europe/Tallinn."`
}

// plugin holds what the handlers need; it is filled by configure, before any job.
type plugin struct {
	api  *rest.Client
	zone *time.Location
	now  func() time.Time
}

// configure makes the API's client. The vendor publishes no rate limits; clients in the field keep to five calls a second.
func (p *plugin) configure(_ context.Context, s settings, host *sdk.Host) error {
	zone, err := time.LoadLocation(s.Timezone)
	if err != nil {
		return sdk.FieldError("timezone", "is no time zone: %v", err)
	}
	api, err := rest.New(rest.Config{
		Name: "peopleforce", BaseURL: s.BaseURL, Auth: rest.Token("X-API-KEY", s.APIKey),
		Rates:  []rest.Rate{{Name: "key", Requests: 5, Per: time.Second}},
		Logger: host.Log,
	})
	if err != nil {
		return sdk.FieldError("base_url", "%v", err)
	}
	p.api, p.zone = api, zone
	return nil
}
