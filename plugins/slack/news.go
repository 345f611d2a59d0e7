package main

import (
	"context"
	"fmt"
	"strings"

	"bulkhead.dev/sdk"
)

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
	return p.say(ctx, job, "hired:"+in.EmployeeID+":"+in.HiredOn, message{Channel: p.channel, Text: text})
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
	if in.Value != "" {
		text += " for " + join(" ", in.Value, in.Currency)
	}
	if client := join(", ", in.Organization, in.Person); client != "" {
		text += " (" + client + ")"
	}
	if in.Owner != "" {
		text += ", by " + escape(in.Owner)
	}
	return p.say(ctx, job, "won:"+in.DealID+":"+in.WonTime, message{Channel: p.channel, Text: text})
}

// escape writes text so that Slack takes no link, mention or markup of its own from it, on one line
// (docs.slack.dev/messaging/formatting-message-text). Asterisks and the like can't be escaped; they do no harm.
func escape(text string) string {
	text = strings.Join(strings.Fields(text), " ")
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
