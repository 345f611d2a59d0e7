package main

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"bulkhead.dev/sdk"
	"bulkhead.dev/sdk/rest"
	"bulkhead.dev/sdk/state"
)

// settings are what an operator configures.
type settings struct {
	BaseURL       string `json:"base_url" default:"https://slack.com/api" description:"Base of the Web API."`
	BotToken      string `json:"bot_token" setting:"required,secret" description:"Bot token (xoxb-...) with chat:write; with channels:history a message that was cut off is found again."`
	SigningSecret string `json:"signing_secret" setting:"required,secret" description:"Signing secret of the app (Basic Information)."`
	Channel       string `json:"channel" setting:"required" description:"Id of the channel that gets the news; the bot must be in it."`
}

// plugin holds what the handlers need; it is filled by configure, before any job.
type plugin struct {
	api     *rest.Client
	channel string
	// sent ties what a message is about to the message, so that no news is told twice.
	sent state.Links
}

// configure makes the API's client. A channel takes about one message a second (rate limits, chat.postMessage).
func (p *plugin) configure(_ context.Context, s settings, host *sdk.Host) error {
	api, err := rest.New(rest.Config{
		Name: "slack", BaseURL: s.BaseURL, Auth: rest.Bearer(s.BotToken), Check: check, Logger: host.Log,
		Rates: []rest.Rate{{Name: "channel", Requests: 1, Per: time.Second, Burst: 3, Scope: func(r *rest.Request) string {
			if r.Path != postMessage {
				return ""
			}
			return r.Subject
		}}},
	})
	if err != nil {
		return sdk.FieldError("base_url", "%v", err)
	}
	p.api, p.channel, p.sent = api, s.Channel, host.State.Links("message")
	return nil
}

// check turns Slack's 200 with "ok": false into an error with the status that it stands for.
func check(r *rest.Response) error {
	var answer struct {
		OK    bool   `json:"ok"`
		Error string `json:"error"`
	}
	if err := json.Unmarshal(r.Body, &answer); err != nil || answer.OK {
		return nil // what is no JSON is judged by whoever decodes it
	}
	return &rest.Error{Status: statusOf(answer.Error), Message: answer.Error, Header: r.Header}
}

// statusOf maps Slack's error words (docs.slack.dev, chat.postMessage, Errors) to what rest knows how to go on after.
func statusOf(word string) int {
	switch word {
	case "ratelimited", "rate_limited", "message_limit_exceeded":
		return http.StatusTooManyRequests
	case "internal_error", "fatal_error", "service_unavailable", "request_timeout":
		return http.StatusServiceUnavailable
	case "not_authed", "invalid_auth", "account_inactive", "token_revoked", "token_expired":
		return http.StatusUnauthorized
	case "missing_scope", "not_in_channel", "channel_not_found", "is_archived", "restricted_action", "no_permission",
		"ekm_access_denied", "access_denied", "team_access_not_granted":
		// An operator mends these at Slack's, and then the next attempt succeeds.
		return http.StatusForbidden
	default:
		return http.StatusBadRequest
	}
}

// refusedWith says whether err is Slack's refusal with that word.
func refusedWith(err error, word string) bool {
	var refused *rest.Error
	return errors.As(err, &refused) && refused.Message == word
}
