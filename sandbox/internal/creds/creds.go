// Package creds makes what the stand-ins check their callers by: random at every start, unless a file fixes it. Its
// types are also the settings that each plugin is configured with.
package creds

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
)

// Settings are the settings of the plugins, by plugin.
type Settings struct {
	Jira        Jira        `json:"jira"`
	Slack       Slack       `json:"slack"`
	Pipedrive   Pipedrive   `json:"pipedrive"`
	PeopleForce PeopleForce `json:"peopleforce"`
}

// Jira is what reaches the Jira stand-in.
type Jira struct {
	BaseURL       string `json:"base_url"`
	Email         string `json:"email"`
	APIToken      string `json:"api_token"`
	WebhookSecret string `json:"webhook_secret"`
	ProjectKey    string `json:"project_key"`
}

// Slack is what reaches the Slack stand-in; Channel is a channel's id.
type Slack struct {
	BaseURL       string `json:"base_url"`
	BotToken      string `json:"bot_token"`
	SigningSecret string `json:"signing_secret"`
	Channel       string `json:"channel"`
}

// Pipedrive is what reaches the Pipedrive stand-in.
type Pipedrive struct {
	BaseURL         string `json:"base_url"`
	APIToken        string `json:"api_token"`
	WebhookUser     string `json:"webhook_user"`
	WebhookPassword string `json:"webhook_password"`
}

// PeopleForce is what reaches the PeopleForce stand-in.
type PeopleForce struct {
	BaseURL       string `json:"base_url"`
	APIKey        string `json:"api_key"`
	WebhookSecret string `json:"webhook_secret"`
}

// Random makes new settings without base URLs. Its secrets have the length of the vendors' own.
func Random() Settings {
	return Settings{
		Jira:        Jira{Email: "integration@northlight.example", APIToken: "ATATT3x" + text(48), WebhookSecret: hexa(20), ProjectKey: "ONB"},
		Slack:       Slack{BotToken: "xoxb-" + text(36), SigningSecret: hexa(16), Channel: "C0SANDGEN"},
		Pipedrive:   Pipedrive{APIToken: hexa(20), WebhookUser: "pipedrive", WebhookPassword: text(24)},
		PeopleForce: PeopleForce{APIKey: text(32), WebhookSecret: hexa(20)},
	}
}

// Override puts what raw, a JSON value of the form of Settings, names over s. Keys it does not know are refused, and
// empty values; base URLs are ignored, they are the sandbox's own.
func (s Settings) Override(raw []byte) (Settings, error) {
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&s); err != nil {
		return Settings{}, fmt.Errorf("settings: %w", err)
	}
	if !regexp.MustCompile(`^[A-Z][A-Z0-9_]{1,9}$`).MatchString(s.Jira.ProjectKey) || s.Jira.ProjectKey == "OPS" {
		return Settings{}, errors.New("settings: jira.project_key: 2 to 10 capital letters and digits, not OPS (that project is there already)")
	}
	for _, v := range []string{s.Jira.Email, s.Jira.APIToken, s.Slack.BotToken, s.Slack.Channel, s.Pipedrive.APIToken, s.PeopleForce.APIKey} {
		if v == "" {
			return Settings{}, errors.New("settings: what callers are checked by can't be empty")
		}
	}
	return s.At(""), nil
}

// At sets the base URLs for a sandbox that is reached at url.
func (s Settings) At(url string) Settings {
	s.Jira.BaseURL = url + "/jira"
	s.Slack.BaseURL = url + "/slack/api"
	s.Pipedrive.BaseURL = url + "/pipedrive"
	s.PeopleForce.BaseURL = url + "/peopleforce/api/public/v3"
	return s
}

func random(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails: crypto/rand ends the process instead
	return b
}

func hexa(n int) string { return hex.EncodeToString(random(n)) }

func text(n int) string { return base64.RawURLEncoding.EncodeToString(random(n)) }
