package main

import (
	"context"
	"time"
	_ "time/tzdata" // zones are known where the machine has none installed

	"bulkhead.dev/sdk"
	"bulkhead.dev/sdk/rest"
	"bulkhead.dev/sdk/state"
)

// settings are what an operator configures.
type settings struct {
	BaseURL       string `json:"base_url" default:"https://app.peopleforce.io/api/public/v3" description:"Base of the API, with its version."`
	APIKey        string `json:"api_key" setting:"required,secret" description:"Company API key (Settings, Open API keys) that may read leave requests."`
	WebhookSecret string `json:"webhook_secret" setting:"required,secret" description:"Secret of the webhook; PeopleForce calls it optional, Bulkhead does not."`
	Timezone      string `json:"timezone" default:"UTC" description:"Time zone in which today is today, such as Europe/Tallinn."`
	LongestLeave  int    `json:"longest_leave_days" default:"400" description:"Leaves that began longer ago than so many days are not looked for. Raise it where parental leave takes years; every 50 leaves cost a call."`
	Pace          int    `json:"calls_per_second" default:"5" description:"Calls to the API a second, at most."`
}

// plugin holds what the handlers need; it is filled by configure, before any job.
type plugin struct {
	api          *rest.Client
	zone         *time.Location
	longestLeave int
	now          func() time.Time
	// hires are the hires that were told of, by employee.
	hires state.KV[hire]
}

// configure makes the API's client. The vendor publishes no rate limits; clients in the field keep to five calls a second.
func (p *plugin) configure(_ context.Context, s settings, host *sdk.Host) error {
	zone, err := time.LoadLocation(s.Timezone)
	if err != nil {
		return sdk.FieldError("timezone", "is no time zone: %v", err)
	}
	if s.LongestLeave < 1 || s.LongestLeave > 4000 {
		return sdk.FieldError("longest_leave_days", "must be between 1 and 4000")
	}
	if s.Pace < 1 {
		return sdk.FieldError("calls_per_second", "must be above 0")
	}
	api, err := rest.New(rest.Config{
		Name: "peopleforce", BaseURL: s.BaseURL, Auth: rest.Token("X-API-KEY", s.APIKey),
		Rates:  []rest.Rate{{Name: "key", Requests: s.Pace, Per: time.Second}},
		Logger: host.Log,
	})
	if err != nil {
		return sdk.FieldError("base_url", "%v", err)
	}
	p.api, p.zone, p.longestLeave = api, zone, s.LongestLeave
	p.hires = state.KVOf[hire](host.State, "hire/")
	return nil
}
