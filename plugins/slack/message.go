package main

import (
	"context"
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"bulkhead.dev/sdk"
	"bulkhead.dev/sdk/rest"
)

// Methods of the Web API, as paths.
const (
	postMessage = "/chat.postMessage"
	history     = "/conversations.history"
	replies     = "/conversations.replies"
)

// metadataType marks our messages; its payload names what they are about, so that one can be found again.
const metadataType = "bulkhead_news"

// searchBack is how long before its job came a message about the same thing may have been posted, by another job.
const searchBack = 24 * time.Hour

// message is the body of chat.postMessage.
type message struct {
	Channel  string    `json:"channel"`
	Text     string    `json:"text"`
	ThreadTS string    `json:"thread_ts,omitempty"`
	Metadata *metadata `json:"metadata,omitempty"`
	// Links in news are not worth a preview.
	UnfurlLinks bool `json:"unfurl_links"`
}

type metadata struct {
	EventType    string            `json:"event_type"`
	EventPayload map[string]string `json:"event_payload"`
}

// posted is what we read of a message in a channel. The payloads of others hold what they like.
type posted struct {
	TS       string `json:"ts"`
	Metadata struct {
		EventType    string         `json:"event_type"`
		EventPayload map[string]any `json:"event_payload"`
	} `json:"metadata"`
}

// say posts m once, whatever is repeated: about names what it is about.
func (p *plugin) say(ctx context.Context, job *sdk.Job, about string, m message) error {
	m.Metadata = &metadata{EventType: metadataType, EventPayload: map[string]string{"about": about}}
	link, err := p.sent.Ensure(ctx, about,
		func(ctx context.Context) (string, error) { return p.find(ctx, job, about, m) },
		func(ctx context.Context) (string, error) { return p.post(ctx, m) })
	if err != nil {
		return err
	}
	job.Log.Info("said", "about", about, "channel", m.Channel, "ts", link.Target)
	return nil
}

// post sends a message and returns its timestamp, which is its id in the channel.
func (p *plugin) post(ctx context.Context, m message) (string, error) {
	var answer struct {
		TS string `json:"ts"`
	}
	request := rest.Request{Method: http.MethodPost, Path: postMessage, Subject: m.Channel} // a channel has its own rate
	if err := p.api.DoJSON(ctx, request, m, &answer); err != nil {
		return "", err
	}
	return answer.TS, nil
}

// find looks for the message whose answer was lost, in its channel or thread. A bot that may not read there can't look:
// then the message may come twice, which is better than not at all.
func (p *plugin) find(ctx context.Context, job *sdk.Job, about string, m message) (string, error) {
	for found, err := range p.since(ctx, m.Channel, m.ThreadTS, job.Time.Add(-searchBack)) {
		switch {
		case refusedWith(err, "missing_scope", "not_in_channel", "not_allowed_token_type"):
			job.Log.Warn("the bot may not read the channel, so it can't look for a message that was cut off", "channel", m.Channel)
			return "", nil
		case err != nil:
			return "", err
		case found.Metadata.EventType == metadataType && found.Metadata.EventPayload["about"] == about:
			return found.TS, nil
		}
	}
	return "", nil
}

// since lists what was posted in a channel, or in one of its threads, from a time on.
func (p *plugin) since(ctx context.Context, channel, thread string, from time.Time) iter.Seq2[posted, error] {
	query := url.Values{
		"channel": {channel}, "limit": {"200"}, "include_all_metadata": {"true"}, "oldest": {strconv.FormatInt(from.Unix(), 10)},
	}
	method := history
	if thread != "" {
		method = replies
		query.Set("ts", thread)
	}
	return rest.Cursor(ctx, func(ctx context.Context, cursor string) ([]posted, string, error) {
		if cursor != "" {
			query.Set("cursor", cursor)
		}
		var page struct {
			Messages []posted `json:"messages"`
			Next     struct {
				Cursor string `json:"next_cursor"`
			} `json:"response_metadata"`
		}
		err := p.api.GetJSON(ctx, method, query, &page)
		return page.Messages, page.Next.Cursor, err
	})
}
