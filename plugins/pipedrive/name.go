package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"bulkhead.dev/sdk/rest"
)

// nameAge is how long a name is believed.
const nameAge = 24 * time.Hour

// cachedName is a name that the API gave, as it is kept.
type cachedName struct {
	Name  string    `json:"name"`
	Email string    `json:"email,omitempty"`
	At    time.Time `json:"at"`
}

// paths of the three kinds of names. Users exist in version 1 of the API alone.
func namePath(kind string, id int64) string {
	switch kind {
	case "user":
		return rest.Path("/v1/users/%v", id)
	case "person":
		return rest.Path("/api/v2/persons/%v", id)
	default:
		return rest.Path("/api/v2/organizations/%v", id)
	}
}

// name asks for the name of a user, person or organization. One that is gone, or invisible to the token, has none: a
// missing name must not hold up the news.
func (p *plugin) name(ctx context.Context, kind string, id int64) (cachedName, error) {
	if id == 0 {
		return cachedName{}, nil
	}
	key := fmt.Sprintf("%s/%d", kind, id)
	if cached, ok, err := p.names.Get(ctx, key); err != nil {
		return cachedName{}, err
	} else if ok && p.now().Sub(cached.At) < nameAge {
		return cached, nil
	}
	var answer struct {
		Data struct {
			Name  string `json:"name"`
			Email string `json:"email"`
		} `json:"data"`
	}
	err := p.api.GetJSON(ctx, namePath(kind, id), nil, &answer)
	var refused *rest.Error
	if errors.As(err, &refused) && (refused.Status == http.StatusNotFound || refused.Status == http.StatusForbidden) {
		return cachedName{}, nil
	}
	if err != nil {
		return cachedName{}, err
	}
	fresh := cachedName{Name: answer.Data.Name, Email: answer.Data.Email, At: p.now()}
	return fresh, p.names.Put(ctx, key, fresh)
}
