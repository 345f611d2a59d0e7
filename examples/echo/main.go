// Command echo is a whole plugin: it takes events from a webhook and answers what it is asked.
//
//	go build -o bin/plugins/echo ./examples/echo
//
// The host runs it from its next start. Set plugins.echo.settings.secret to what the sender signs with; then
// POST /webhooks/echo/events takes signed JSON, and POST /interactive/echo/say answers {"text": "..."}.
package main

import (
	"context"

	"bulkhead.dev/sdk"
)

type settings struct {
	Secret string `json:"secret" setting:"required,secret" description:"signs the events (X-Hub-Signature)"`
}

type message struct {
	Text string `json:"text"`
}

func main() {
	sdk.Serve(&sdk.Domain{
		Name: "echo", Version: "1.0.0",
		Configure: sdk.Configure(func(context.Context, settings, *sdk.Host) error { return nil }),
		Routes: []sdk.Route{
			{Path: "events", Verify: sdk.HubSignature("secret"), Handle: sdk.Handle(hear)},
			{Path: "say", Sync: true, Handle: sdk.Answer(say)},
		},
	})
}

func hear(_ context.Context, job *sdk.Job, in message) error {
	job.Log.Info("heard", "text", in.Text)
	return nil
}

func say(_ context.Context, _ *sdk.Job, in message) (message, error) { return in, nil }
