// Command pipedrive is the plugin for Pipedrive: a deal that was won becomes a fact for other domains.
package main

import (
	"time"

	"bulkhead.dev/sdk"
)

func main() {
	sdk.Serve(domain())
}

// domain is all that the host will do for this plugin.
func domain() *sdk.Domain {
	p := &plugin{}
	return &sdk.Domain{
		Name: "pipedrive", Version: "0.1.0",
		Configure: sdk.Configure(p.configure),
		Policy:    sdk.Policy{Concurrency: 8, Timeout: time.Minute, MaxAttempts: 8, Backoff: time.Second, MaxBackoff: 10 * time.Minute},
		Facts:     []string{factWon},
		Routes: []sdk.Route{{
			Path: "events", Job: "pipedrive.event", Verify: sdk.PipedriveBasic("webhook_user", "webhook_password"),
			// A repeat counts its attempts inside the body, so the body's hash would know no repeat. The first five
			// name an event of version 2, the others one of version 1.
			Dedup: []sdk.Source{
				sdk.Pointer("/meta/company_id"), sdk.Pointer("/meta/id"), sdk.Pointer("/meta/entity"), sdk.Pointer("/meta/entity_id"),
				sdk.Pointer("/meta/timestamp"), sdk.Pointer("/meta/action"), sdk.Pointer("/meta/object"), sdk.Pointer("/meta/timestamp_micro"),
			},
			Order: "/meta/entity_id", Handle: sdk.Handle(p.onEvent),
		}},
	}
}
