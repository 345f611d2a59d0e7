package main

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"bulkhead.dev/sdk"
)

// factWon says that a deal was won.
const factWon = "pipedrive.deal.won"

// event is a delivery of version 2 or 1; an account may hold webhooks of both, so the body tells which. Only meta is
// demanded of it: an event that is not known here is none of our business.
type event struct {
	Data     json.RawMessage `json:"data,omitempty"`    // version 2
	Current  json.RawMessage `json:"current,omitempty"` // version 1
	Previous json.RawMessage `json:"previous,omitempty"`
	Meta     struct {
		Action string `json:"action,omitempty"`
		Entity string `json:"entity,omitempty"` // version 2
		Object string `json:"object,omitempty"` // version 1
	} `json:"meta"`
}

// deal is what the versions say of a deal. Numbers keep the text in which they came: ids are no quantities, and the value
// is money.
type deal struct {
	ID       json.Number `json:"id"`
	Title    string      `json:"title"`
	Value    json.Number `json:"value"`
	Currency string      `json:"currency"`
	Status   string      `json:"status"`
	WonTime  string      `json:"won_time"`
	OwnerID  json.Number `json:"owner_id"`
	PersonID json.Number `json:"person_id"`
	OrgID    json.Number `json:"org_id"`
	// Version 1 alone: the owner's id by another name, and names.
	UserID     json.Number `json:"user_id"`
	OwnerName  string      `json:"owner_name"`
	PersonName string      `json:"person_name"`
	OrgName    string      `json:"org_name"`
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
	if e.Meta.Object != "" {
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
	id := now.ID.String()
	if id == "" {
		return sdk.Reject(fmt.Errorf("the deal of %s has no id", in.Meta.Action))
	}
	fact := won{DealID: id, Title: now.Title, Value: now.Value.String(), Currency: now.Currency, WonTime: wonTime(now.WonTime)}
	if err := p.addNames(ctx, now, &fact); err != nil {
		return err
	}
	// A deal that is opened again and won again has another time, and is another win.
	job.Emit(factWon, fact, sdk.WithKey("won:"+id+":"+fact.WonTime), sdk.WithSubject(id))
	job.Log.Info("a deal was won", "deal", id)
	return nil
}

// wonTime writes a time of version 1, which is UTC without saying so, as version 2 does: an account that has webhooks of
// both wins a deal once.
func wonTime(text string) string {
	if t, err := time.Parse(time.DateTime, text); err == nil {
		return t.Format(time.RFC3339)
	}
	return text
}
