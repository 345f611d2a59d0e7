package main

import (
	"context"
	"encoding/json"
	"fmt"

	"bulkhead.dev/sdk"
)

// factWon says that a deal was won.
const factWon = "pipedrive.deal.won"

// event is a delivery of version 2 or 1; accounts hold both, so the body tells which. Nothing is demanded of it: an
// event that is not known here is none of our business.
type event struct {
	Data     json.RawMessage `json:"data,omitempty"`
	Current  json.RawMessage `json:"current,omitempty"`
	Previous json.RawMessage `json:"previous,omitempty"`
	Meta     struct {
		Action string `json:"action,omitempty"`
		Entity string `json:"entity,omitempty"` // version 2
		Object string `json:"object,omitempty"` // version 1
	} `json:"meta"`
}

// deal is what both versions say of a deal.
type deal struct {
	ID       int64       `json:"id"`
	Title    string      `json:"title"`
	Value    json.Number `json:"value"`
	Currency string      `json:"currency"`
	Status   string      `json:"status"`
	WonTime  string      `json:"won_time"`
	OwnerID  int64       `json:"owner_id"` // version 2
	UserID   int64       `json:"user_id"`  // version 1: the owner
	PersonID int64       `json:"person_id"`
	OrgID    int64       `json:"org_id"`
}

// won is the fact's data.
type won struct {
	DealID       string `json:"deal_id"`
	Title        string `json:"title"`
	Value        string `json:"value,omitempty"`
	Currency     string `json:"currency,omitempty"`
	WonTime      string `json:"won_time,omitempty"`
	Owner        string `json:"owner,omitempty"`
	OwnerEmail   string `json:"owner_email,omitempty"`
	Person       string `json:"person,omitempty"`
	Organization string `json:"organization,omitempty"`
}

// deal returns the deal as it is now, and as it was; ok is false when the event is about something else.
func (e event) deal() (now, before deal, ok bool, err error) {
	current := e.Data
	if len(current) == 0 {
		current = e.Current
	}
	if (e.Meta.Entity != "deal" && e.Meta.Object != "deal") || isNull(current) {
		return now, before, false, nil
	}
	if err := json.Unmarshal(current, &now); err != nil {
		return now, before, false, fmt.Errorf("deal: %w", err)
	}
	if !isNull(e.Previous) {
		if err := json.Unmarshal(e.Previous, &before); err != nil {
			return now, before, false, fmt.Errorf("previous deal: %w", err)
		}
	}
	return now, before, true, nil
}

func isNull(raw json.RawMessage) bool { return len(raw) == 0 || string(raw) == "null" }

// onEvent turns the change of a deal to won into a fact; all other events end here.
func (p *plugin) onEvent(ctx context.Context, job *sdk.Job, in event) error {
	now, before, ok, err := in.deal()
	if err != nil {
		return sdk.Reject(err)
	}
	// Version 2 names only what changed: a status that did not change is absent, and the deal had been won before. A deal
	// that is created as won has no previous state at all.
	changed := isNull(in.Previous) || (before.Status != "" && before.Status != "won")
	if !ok || now.Status != "won" || !changed {
		job.Log.Info("event of no interest here", "action", in.Meta.Action, "entity", in.Meta.Entity+in.Meta.Object)
		return nil
	}
	owner := now.OwnerID
	if owner == 0 {
		owner = now.UserID
	}
	id := fmt.Sprint(now.ID)
	fact := won{DealID: id, Title: now.Title, Value: now.Value.String(), Currency: now.Currency, WonTime: now.WonTime}
	user, err := p.name(ctx, "user", owner)
	if err != nil {
		return err
	}
	fact.Owner, fact.OwnerEmail = user.Name, user.Email
	person, err := p.name(ctx, "person", now.PersonID)
	if err != nil {
		return err
	}
	fact.Person = person.Name
	organization, err := p.name(ctx, "organization", now.OrgID)
	if err != nil {
		return err
	}
	fact.Organization = organization.Name
	job.Emit(factWon, fact, sdk.WithKey("won:"+id+":"+fact.WonTime), sdk.WithSubject(id))
	job.Log.Info("a deal was won", "deal", id)
	return nil
}
