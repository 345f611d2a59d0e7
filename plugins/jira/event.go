package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"bulkhead.dev/sdk"
	"bulkhead.dev/sdk/rest"
)

// propertyKey is the entity property in which an issue bears what we last saw of it; writing it calls no webhook of
// kind issue_updated, so our own writes do not come back as news.
const propertyKey = "bulkhead.seen"

// event is a webhook's body. Only webhookEvent is demanded: the other members depend on it, and an event that is not
// known here is none of our business.
type event struct {
	WebhookEvent string          `json:"webhookEvent"`
	Issue        json.RawMessage `json:"issue,omitempty"`
}

// issue is what we read of an issue, in a webhook and from a search alike.
type issue struct {
	ID     string `json:"id"`
	Key    string `json:"key"`
	Fields struct {
		Summary   string  `json:"summary"`
		Status    *named  `json:"status"`
		IssueType *named  `json:"issuetype"`
		Priority  *named  `json:"priority"`
		Assignee  *person `json:"assignee"`
		Updated   string  `json:"updated"`
	} `json:"fields"`
}

type named struct {
	Name string `json:"name"`
}

type person struct {
	DisplayName string `json:"displayName"`
}

// view is an issue mapped to what people outside Jira want to know of it.
type view struct {
	ID       string `json:"id"`
	Key      string `json:"key"`
	Summary  string `json:"summary"`
	Status   string `json:"status,omitempty"`
	Type     string `json:"type,omitempty"`
	Priority string `json:"priority,omitempty"`
	Assignee string `json:"assignee,omitempty"`
	Updated  string `json:"updated,omitempty"`
	URL      string `json:"url,omitempty"`
}

func (p *plugin) view(i issue) view {
	v := view{ID: i.ID, Key: i.Key, Summary: i.Fields.Summary, Updated: i.Fields.Updated, URL: p.browse(i.Key)}
	if i.Fields.Status != nil {
		v.Status = i.Fields.Status.Name
	}
	if i.Fields.IssueType != nil {
		v.Type = i.Fields.IssueType.Name
	}
	if i.Fields.Priority != nil {
		v.Priority = i.Fields.Priority.Name
	}
	if i.Fields.Assignee != nil {
		v.Assignee = i.Fields.Assignee.DisplayName
	}
	return v
}

// hash tells two states of an issue apart. When it was updated is no part of it: a comment changes nothing that we show.
func (v view) hash() (string, error) {
	v.Updated = ""
	raw, err := json.Marshal(v)
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:16]), err
}

// onEvent keeps the link of an issue up to date and notes in Jira what was seen; all other events end here.
func (p *plugin) onEvent(ctx context.Context, job *sdk.Job, in event) error {
	switch in.WebhookEvent {
	case "jira:issue_created", "jira:issue_updated", "jira:issue_deleted":
	default:
		job.Log.Info("event of no interest here", "event", in.WebhookEvent)
		return nil
	}
	var i issue
	if err := json.Unmarshal(in.Issue, &i); err != nil {
		return sdk.Reject(fmt.Errorf("issue of %s: %w", in.WebhookEvent, err))
	}
	if i.ID == "" || i.Key == "" {
		return sdk.Reject(fmt.Errorf("issue of %s has no id or key", in.WebhookEvent))
	}
	if in.WebhookEvent == "jira:issue_deleted" {
		job.Log.Info("an issue was deleted", "issue", i.Key)
		return p.issues.Delete(ctx, i.ID)
	}
	seen := p.view(i)
	hash, err := seen.hash()
	if err != nil {
		return sdk.Reject(err)
	}
	link, known, err := p.issues.Get(ctx, i.ID)
	if err != nil {
		return err
	}
	if known && link.Hash == hash {
		job.Log.Info("nothing new about the issue", "issue", i.Key)
		return nil
	}
	// The vendor first, the link after: a death in between repeats a write that changes nothing.
	if err := p.note(ctx, seen, hash); err != nil {
		return err
	}
	if err := p.issues.Put(ctx, i.ID, i.Key, hash); err != nil {
		return err
	}
	job.Log.Info("issue followed", "issue", i.Key, "status", seen.Status)
	return nil
}

// note writes the property; an issue that is gone meanwhile has nothing to be noted at.
func (p *plugin) note(ctx context.Context, v view, hash string) error {
	err := p.api.PutJSON(ctx, rest.Path("/rest/api/3/issue/%s/properties/%s", v.ID, propertyKey),
		map[string]string{"key": v.Key, "status": v.Status, "hash": hash}, nil)
	var refused *rest.Error
	if errors.As(err, &refused) && refused.Status == http.StatusNotFound {
		return nil
	}
	return err
}
