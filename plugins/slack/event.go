package main

import (
	"context"

	"bulkhead.dev/sdk"
)

// event is a delivery of the Events API. Only its type is demanded: what is not known here is none of our business.
type event struct {
	Type    string `json:"type"`
	EventID string `json:"event_id,omitempty"`
	Event   struct {
		Type     string `json:"type,omitempty"`
		Channel  string `json:"channel,omitempty"`
		User     string `json:"user,omitempty"`
		BotID    string `json:"bot_id,omitempty"`
		TS       string `json:"ts,omitempty"`
		ThreadTS string `json:"thread_ts,omitempty"`
	} `json:"event,omitzero"`
}

// onEvent answers a mention in its thread; all other events end here. Messages of bots are left alone, our own with them,
// or two bots would talk for ever.
func (p *plugin) onEvent(ctx context.Context, job *sdk.Job, in event) error {
	if in.Event.Type != "app_mention" || in.Event.BotID != "" {
		job.Log.Info("event of no interest here", "type", in.Type, "event", in.Event.Type)
		return nil
	}
	thread := in.Event.ThreadTS
	if thread == "" {
		thread = in.Event.TS
	}
	_, err := p.sent.Ensure(ctx, "mention:"+in.Event.Channel+":"+in.Event.TS,
		func(context.Context) (string, error) { return "", nil },
		func(ctx context.Context) (string, error) {
			return p.post(ctx, message{
				Channel: in.Event.Channel, ThreadTS: thread,
				Text: "Hello! I bring news of new colleagues and of deals that were won. Nothing else to ask me yet.",
			})
		})
	return err
}
