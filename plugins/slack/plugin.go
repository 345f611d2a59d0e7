package main

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"bulkhead.dev/sdk"
	"bulkhead.dev/sdk/rest"
	"bulkhead.dev/sdk/state"
)

// settings are what an operator configures.
type settings struct {
	BaseURL       string `json:"base_url" default:"https://slack.com/api" description:"Base of the Web API."`
	BotToken      string `json:"bot_token" setting:"required,secret" description:"Bot token (xoxb-...) with chat:write; with channels:history (groups:history in a private channel) a message that was cut off is found again."`
	SigningSecret string `json:"signing_secret" setting:"required,secret" description:"Signing secret of the app (Basic Information)."`
	Channel       string `json:"channel" setting:"required" description:"Id of the channel that gets the news, such as C0123ABCD (channel details, at the end); the bot must be in it."`
}

// plugin holds what the handlers need; it is filled by configure, before any job.
type plugin struct {
	api     *rest.Client
	channel string
	// sent ties what a message is about to the message, so that nothing is said twice.
	sent state.Links
}

// configure makes the API's client. A channel takes about one message a second, and short bursts
// (docs.slack.dev/apis/web-api/rate-limits).
func (p *plugin) configure(_ context.Context, s settings, host *sdk.Host) error {
	// chat.postMessage would take a name, too; the methods that read a channel take ids alone.
	if !regexp.MustCompile(`^[CG][A-Z0-9]+$`).MatchString(s.Channel) {
		return sdk.FieldError("channel", "must be the channel's id, such as C0123ABCD, and not its name")
	}
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
	return &rest.Error{Status: statusOf(answer.Error), Message: answer.Error}
}

// statusOf maps Slack's error words (docs.slack.dev/reference/methods/chat.postMessage, Errors) to what rest knows how to
// go on after.
func statusOf(word string) int {
	switch word {
	case "ratelimited", "rate_limited", "message_limit_exceeded":
		return http.StatusTooManyRequests
	case "internal_error", "fatal_error", "service_unavailable", "request_timeout":
		return http.StatusServiceUnavailable
	case "not_authed", "invalid_auth", "account_inactive", "token_revoked", "token_expired":
		return http.StatusUnauthorized
	case "missing_scope", "not_in_channel", "channel_not_found", "is_archived", "no_permission", "not_allowed_token_type",
		"ekm_access_denied", "access_denied", "accesslimited", "team_access_not_granted", "org_login_required",
		"two_factor_setup_required":
		// An operator mends these at Slack's, and then the next attempt succeeds.
		return http.StatusForbidden
	}
	if strings.HasPrefix(word, "restricted_action") {
		return http.StatusForbidden
	}
	return http.StatusBadRequest
}

// refusedWith says whether err is Slack's refusal with one of these words.
func refusedWith(err error, words ...string) bool {
	var refused *rest.Error
	return errors.As(err, &refused) && slices.Contains(words, refused.Message)
}
