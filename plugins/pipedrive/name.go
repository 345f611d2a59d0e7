package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"net/http"

	"bulkhead.dev/sdk/rest"
)

// addNames adds the names of the people around a deal, which version 1 brings along and version 2 does not. They are
// asked for each time: it costs four tokens of at least 30,000 a day, and keeps no names of people here.
func (p *plugin) addNames(ctx context.Context, d deal, fact *won) error {
	fact.Owner, fact.Person, fact.Organization = d.OwnerName, d.PersonName, d.OrgName
	var err error
	if fact.Owner == "" {
		// Users exist in version 1 of the API alone.
		fact.Owner, fact.OwnerEmail, err = p.name(ctx, p.v1+"/users/%s", cmp.Or(d.OwnerID, d.UserID))
	}
	if err == nil && fact.Person == "" {
		fact.Person, _, err = p.name(ctx, v2+"/persons/%s", d.PersonID)
	}
	if err == nil && fact.Organization == "" {
		fact.Organization, _, err = p.name(ctx, v2+"/organizations/%s", d.OrgID)
	}
	return err
}

// name asks for the name of a user, person or organization, and the e-mail of a user. One that is gone, or invisible to
// the token, has none: a missing name must not hold up the news.
func (p *plugin) name(ctx context.Context, path string, id json.Number) (name, email string, err error) {
	if id == "" {
		return "", "", nil
	}
	var answer struct {
		Data struct {
			Name  string `json:"name"`
			Email string `json:"email"`
		} `json:"data"`
	}
	err = p.api.GetJSON(ctx, rest.Path(path, id), nil, &answer)
	var refused *rest.Error
	if errors.As(err, &refused) && nameless(refused) {
		return "", "", nil
	}
	return answer.Data.Name, answer.Data.Email, err
}

// nameless says whether the API answers that there is no such record for this token. A 403 that is no JSON is not the
// API's: it comes from before it when limits were passed over, and the next attempt may have more luck.
func nameless(e *rest.Error) bool {
	switch e.Status {
	case http.StatusNotFound, http.StatusGone:
		return true
	case http.StatusForbidden:
		return json.Valid(e.Body)
	}
	return false
}
