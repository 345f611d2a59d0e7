// Command jira is the plugin for Jira Cloud: it follows issues by their webhooks, answers searches, and gives everybody
// who is hired an onboarding issue.
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
	return &sdk.Domain{
		Name: "jira", Version: "0.1.0",
		Configure: sdk.Configure(p.configure),
		Policy:    sdk.Policy{Concurrency: 16, Timeout: time.Minute, MaxAttempts: 8, Backoff: time.Second, MaxBackoff: 10 * time.Minute},
		Routes: []sdk.Route{
			{
				Path: "events", Job: "jira.event", Verify: sdk.HubSignature("webhook_secret"),
				// The same for each repeat of a delivery, which go on for less than two hours.
				Dedup: []sdk.Source{sdk.Header("X-Atlassian-Webhook-Identifier")}, DedupWindow: 2 * time.Hour,
				Order: "/issue/id", MaxBody: 8 << 20, Handle: sdk.Handle(p.onEvent),
			},
			{Path: "search", Sync: true, Job: "jira.search", Handle: sdk.Answer(p.search)},
		},
		Subscriptions: []sdk.Subscription{
			{Fact: "peopleforce.employee.hired", Job: "jira.onboard", Order: "/employee_id", Handle: sdk.Handle(p.onHired)},
		},
	}
}
