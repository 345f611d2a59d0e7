package main

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"bulkhead.dev/sdk"
	"bulkhead.dev/sdk/rest"
)

// Methods of the Web API, as paths.
const (
	postMessage = "/chat.postMessage"
	history     = "/conversations.history"
)

// metadataType marks our messages; its payload names what they are about, so that one can be found again.
const metadataType = "bulkhead_news"

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

// tell posts news once, whatever is repeated: about names what it is about.
func (p *plugin) tell(ctx context.Context, job *sdk.Job, about, text string) error {
	link, err := p.sent.Ensure(ctx, about,
		func(ctx context.Context) (string, error) { return p.find(ctx, job, about) },
		func(ctx context.Context) (string, error) {
			return p.post(ctx, message{
				Channel: p.channel, Text: text,
				Metadata: &metadata{EventType: metadataType, EventPayload: map[string]string{"about": about}},
			})
		})
	if err != nil {
		return err
	}
	job.Log.Info("told", "about", about, "ts", link.Target)
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

// find looks for a message about something among the latest of the channel. A bot that may not read the channel can't
// look: then a message whose answer was lost may come twice, which is better than none.
func (p *plugin) find(ctx context.Context, job *sdk.Job, about string) (string, error) {
	var answer struct {
		Messages []struct {
			TS       string    `json:"ts"`
			Metadata *metadata `json:"metadata"`
		} `json:"messages"`
	}
	query := url.Values{"channel": {p.channel}, "limit": {"200"}, "include_all_metadata": {"true"}}
	err := p.api.GetJSON(ctx, history, query, &answer)
	if refusedWith(err, "missing_scope") {
		job.Log.Warn("the bot may not read the channel, so it can't look for a message that was cut off")
		return "", nil
	}
	if err != nil {
		return "", err
	}
	for _, m := range answer.Messages {
		if m.Metadata != nil && m.Metadata.EventType == metadataType && m.Metadata.EventPayload["about"] == about {
			return m.TS, nil
		}
	}
	return "", nil
}

// escape writes text so that Slack shows it as it is (docs.slack.dev, Formatting message text).
func escape(text string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(text)
}

// join writes what is there of parts, separated.
func join(separator string, parts ...string) string {
	var there []string
	for _, part := range parts {
		if part != "" {
			there = append(there, escape(part))
		}
	}
	return strings.Join(there, separator)
}

// hired is what this plugin reads of peopleforce.employee.hired.
type hired struct {
	EmployeeID  string `json:"employee_id"`
	FullName    string `json:"full_name"`
	Position    string `json:"position,omitempty"`
	Department  string `json:"department,omitempty"`
	ManagerName string `json:"manager_name,omitempty"`
	HiredOn     string `json:"hired_on,omitempty"`
}

func (p *plugin) onHired(ctx context.Context, job *sdk.Job, in hired) error {
	text := fmt.Sprintf(":wave: Welcome *%s*!", escape(in.FullName))
	if what := join(", ", in.Position, in.Department); what != "" {
		text += " " + what + "."
	}
	if in.HiredOn != "" {
		text += " First day: " + escape(in.HiredOn) + "."
	}
	if in.ManagerName != "" {
		text += " Reports to " + escape(in.ManagerName) + "."
	}
	return p.tell(ctx, job, "hired:"+in.EmployeeID+":"+in.HiredOn, text)
}

// won is what this plugin reads of pipedrive.deal.won.
type won struct {
	DealID       string `json:"deal_id"`
	Title        string `json:"title"`
	Value        string `json:"value,omitempty"`
	Currency     string `json:"currency,omitempty"`
	WonTime      string `json:"won_time,omitempty"`
	Owner        string `json:"owner,omitempty"`
	Person       string `json:"person,omitempty"`
	Organization string `json:"organization,omitempty"`
}

func (p *plugin) onWon(ctx context.Context, job *sdk.Job, in won) error {
	text := fmt.Sprintf(":tada: Deal won: *%s*", escape(in.Title))
	if amount := join(" ", in.Value, in.Currency); amount != "" {
		text += " for " + amount
	}
	if client := join(", ", in.Organization, in.Person); client != "" {
		text += " (" + client + ")"
	}
	if in.Owner != "" {
		text += ", by " + escape(in.Owner)
	}
	return p.tell(ctx, job, "won:"+in.DealID+":"+in.WonTime, text)
}
