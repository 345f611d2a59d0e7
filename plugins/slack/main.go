// Command slack is the plugin for Slack: news of other domains becomes messages in a channel.
package main

import (
	"time"

	"bulkhead.dev/sdk"
)

func main() {
	sdk.Serve(domain(&plugin{}))
}

// domain is all that the host will do for this plugin.
func domain(p *plugin) *sdk.Domain {
	return &sdk.Domain{
		Name: "slack", Version: "0.1.0",
		Configure: sdk.Configure(p.configure),
		Policy:    sdk.Policy{Concurrency: 8, Timeout: time.Minute, MaxAttempts: 8, Backoff: time.Second, MaxBackoff: 5 * time.Minute},
		Routes: []sdk.Route{{
			Path: "events", Job: "slack.event", Verify: sdk.SlackSignature("signing_secret"), Challenge: sdk.SlackChallenge(),
			// Slack repeats three times within minutes, and where an app has Delayed Events on, for a day.
			Dedup: []sdk.Source{sdk.Pointer("/event_id")}, DedupWindow: 25 * time.Hour,
			Handle: sdk.Handle(p.onEvent),
		}},
		Subscriptions: []sdk.Subscription{
			{Fact: "peopleforce.employee.hired", Job: "slack.welcome", Handle: sdk.Handle(p.onHired)},
			{Fact: "pipedrive.deal.won", Job: "slack.deal-won", Handle: sdk.Handle(p.onWon)},
		},
	}
}
