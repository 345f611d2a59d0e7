// Command peopleforce is the plugin for PeopleForce: hires become facts for other domains, and people may ask who is
// out today.
package main

import (
	"time"

	"bulkhead.dev/sdk"
)

func main() {
	sdk.Serve(domain(&plugin{now: time.Now}))
}

// domain is all that the host will do for this plugin.
func domain(p *plugin) *sdk.Domain {
	whoIsOut := sdk.Answer(p.whoIsOut)
	return &sdk.Domain{
		Name: "peopleforce", Version: "0.1.0",
		Configure: sdk.Configure(p.configure),
		Policy:    sdk.Policy{Concurrency: 8, Timeout: time.Minute, MaxAttempts: 8, Backoff: time.Second, MaxBackoff: 10 * time.Minute},
		Facts:     []string{factHired},
		Routes: []sdk.Route{
			{
				Path: "events", Job: "peopleforce.event", Verify: sdk.PeopleForce("webhook_secret"),
				// Deliveries have no id of their own, and nothing in them counts attempts. The days tell two starts, or two
				// terminations, of one person apart where the record itself was not touched in between.
				Dedup: []sdk.Source{
					sdk.Pointer("/action"), sdk.Pointer("/data/id"), sdk.Pointer("/data/meta/updated_at"),
					sdk.Pointer("/data/attributes/hired_on"), sdk.Pointer("/data/attributes/termination_effective_date"),
				},
				Order: "/data/id", Handle: sdk.Handle(p.onEvent),
			},
			// One question, by POST with a body and by GET with a query.
			{Path: "who-is-out", Sync: true, Job: "peopleforce.who-is-out", Handle: whoIsOut},
			{Method: "GET", Path: "who-is-out", Sync: true, Job: "peopleforce.who-is-out.get", Handle: whoIsOut},
		},
	}
}
