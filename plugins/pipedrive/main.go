// Command pipedrive is the plugin for Pipedrive: a deal that was won becomes a fact for other domains.
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
		Name: "pipedrive", Version: "0.1.0",
		Configure: sdk.Configure(p.configure),
		Policy:    sdk.Policy{Concurrency: 8, Timeout: time.Minute, MaxAttempts: 8, Backoff: time.Second, MaxBackoff: 10 * time.Minute},
		Facts:     []string{factWon},
		Routes: []sdk.Route{{
			Path: "events", Job: "pipedrive.event", Verify: sdk.PipedriveBasic("webhook_user", "webhook_password"),
			// A repeat counts its attempts inside the body, so the body's hash would know no repeat. An event has an id in
			// version 2 and a time in microseconds in version 1 (milliseconds in its early days); the id alone does not do,
			// because for users it is that of the user.
			Dedup: []sdk.Source{
				sdk.Pointer("/meta/company_id"), sdk.Pointer("/meta/id"), sdk.Pointer("/meta/entity"), sdk.Pointer("/meta/entity_id"),
				sdk.Pointer("/meta/object"), sdk.Pointer("/meta/action"), sdk.Pointer("/meta/timestamp"),
				sdk.Pointer("/meta/timestamp_micro"), sdk.Pointer("/meta/timestamp_milli"),
			},
			// Version 1 has the id elsewhere and goes without an order: each event says by itself whether a deal was won.
			Order: "/meta/entity_id", Handle: sdk.Handle(p.onEvent),
		}},
	}
}
