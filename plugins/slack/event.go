package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"bulkhead.dev/sdk"
)

// event is a delivery of the Events API. Only its type is demanded: what the event holds depends on it, to the point that
// channel and user are ids in some events and objects in others, and what is not known here is none of our business.
type event struct {
	Type  string          `json:"type"`
	Event json.RawMessage `json:"event,omitempty"`
}

// mention is an event of type app_mention.
type mention struct {
	Channel  string `json:"channel"`
	BotID    string `json:"bot_id"`
	TS       string `json:"ts"`
	ThreadTS string `json:"thread_ts"`
}

// reply is said to whoever mentions the app.
const reply = "Hello! I bring news of new colleagues and of deals that were won. There is nothing else to ask me yet."

// onEvent answers a mention in its thread, once for each message: an edit of the message mentions the app again. All other
// events end here. Messages of bots are left alone, our own with them, or two bots would talk for ever.
func (p *plugin) onEvent(ctx context.Context, job *sdk.Job, in event) error {
	var kind struct {
		Type string `json:"type"`
	}
	_ = json.Unmarshal(in.Event, &kind) // an event without an object, or without a type, has none that is known here
	if in.Type != "event_callback" || kind.Type != "app_mention" {
		job.Log.Info("event of no interest here", "type", in.Type, "event", kind.Type)
		return nil
	}
	var m mention
	if err := json.Unmarshal(in.Event, &m); err != nil {
		return sdk.Reject(fmt.Errorf("event app_mention: %w", err))
	}
	if m.Channel == "" || m.TS == "" {
		return sdk.Reject(errors.New("event app_mention has no channel or ts"))
	}
	if m.BotID != "" {
		job.Log.Info("a bot mentions the app", "channel", m.Channel, "bot", m.BotID)
		return nil
	}
	answer := message{Channel: m.Channel, ThreadTS: cmp.Or(m.ThreadTS, m.TS), Text: reply}
	err := p.say(ctx, job, "mention:"+m.Channel+":"+m.TS, answer)
	if refusedWith(err, "thread_not_found", "message_not_found", "cannot_reply_to_message") {
		job.Log.Info("the message is gone meanwhile", "channel", m.Channel, "ts", m.TS)
		return nil
	}
	return err
}
