package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"bulkhead.dev/sdk"
	"bulkhead.dev/sdk/rest"
)

// propertyKey is the entity property in which an issue bears what was last seen of it.
const propertyKey = "bulkhead.seen"

// updatedLayout is how Jira writes times.
const updatedLayout = "2006-01-02T15:04:05.000-0700"

// seen is what is kept of an issue.
type seen struct {
	Key  string `json:"key"`
	Hash string `json:"hash"`
	// Updated is the issue's own time of its last change; zero: it did not say.
	Updated time.Time `json:"updated,omitzero"`
}

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

// digest is what is kept of the view. Its hash tells two states of an issue apart; when it was updated is no part of that: a
// comment changes nothing that we show.
func (v view) digest() (seen, error) {
	updated, err := time.Parse(updatedLayout, v.Updated)
	if err != nil {
		updated = time.Time{}
	}
	v.Updated = ""
	raw, err := json.Marshal(v)
	sum := sha256.Sum256(raw)
	return seen{Key: v.Key, Hash: hex.EncodeToString(sum[:16]), Updated: updated}, err
}

// onEvent notes in Jira what was seen of an issue; all other events end here.
//
// Our own writes come back as events, too, and are not told from others' by their author, who may be a person's account.
// They end because there is nothing new in them: a property is no part of the view, and the issue that an onboarding
// makes is followed like any other.
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
		return p.seen.Delete(ctx, i.ID)
	}
	return p.follow(ctx, job, p.view(i))
}

// follow takes in a state of an issue. Jira promises no order: what is older than the last one seen is news no more.
func (p *plugin) follow(ctx context.Context, job *sdk.Job, v view) error {
	fresh, err := v.digest()
	if err != nil {
		return sdk.Reject(err)
	}
	last, known, err := p.seen.Get(ctx, v.ID)
	switch {
	case err != nil:
		return err
	case known && !fresh.Updated.IsZero() && fresh.Updated.Before(last.Updated):
		job.Log.Info("older than what was seen of the issue", "issue", v.Key)
		return nil
	case known && last.Hash == fresh.Hash:
		job.Log.Info("nothing new about the issue", "issue", v.Key)
		if fresh.Updated.Equal(last.Updated) {
			return nil
		}
		return p.seen.Put(ctx, v.ID, fresh)
	}
	// The vendor first, our own note after: a death in between repeats a write that changes nothing.
	there, err := p.note(ctx, v, fresh.Hash)
	if err != nil {
		return err
	}
	if !there {
		job.Log.Info("the issue is gone, or hidden from the account", "issue", v.Key)
		return p.seen.Delete(ctx, v.ID)
	}
	if err := p.seen.Put(ctx, v.ID, fresh); err != nil {
		return err
	}
	job.Log.Info("issue followed", "issue", v.Key, "status", v.Status)
	return nil
}

// note writes the property; false: there is no such issue any more.
func (p *plugin) note(ctx context.Context, v view, hash string) (there bool, err error) {
	err = p.api.PutJSON(ctx, rest.Path("/rest/api/3/issue/%s/properties/%s", v.ID, propertyKey),
		map[string]string{"key": v.Key, "status": v.Status, "hash": hash}, nil, rest.Subject(v.ID))
	var refused *rest.Error
	if errors.As(err, &refused) && refused.Status == http.StatusNotFound {
		return false, nil
	}
	return err == nil, err
}
