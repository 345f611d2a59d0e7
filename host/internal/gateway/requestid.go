package gateway

import (
	"context"
	"net/http"
	"strings"

	"github.com/oklog/ulid/v2"
)

type identityKey struct{}

// identity is how a call is found again.
type identity struct {
	// id is <node>-<ULID>, made here.
	id string
	// upstream is the caller's own X-Request-Id, where it has one that can be logged.
	upstream string
}

// identify gives the request its id and answers with it; a caller's own id is kept beside it.
func (g *Gateway) identify(w http.ResponseWriter, r *http.Request) *http.Request {
	who := identity{id: g.node + "-" + ulid.Make().String()}
	if upstream := r.Header.Get("X-Request-Id"); loggable(upstream) {
		who.upstream = upstream
	}
	w.Header().Set("X-Request-Id", who.id)
	return r.WithContext(context.WithValue(r.Context(), identityKey{}, who))
}

// loggable says whether a caller's id is short and plain.
func loggable(id string) bool {
	return id != "" && len(id) <= 128 && strings.IndexFunc(id, func(r rune) bool {
		return (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && !strings.ContainsRune("._:/+=@-", r)
	}) < 0
}

// identityOf returns what identify gave.
func identityOf(r *http.Request) identity {
	who, _ := r.Context().Value(identityKey{}).(identity)
	return who
}

// fields are the names and values of a log line about a call.
func (g *Gateway) fields(r *http.Request, more ...any) []any {
	who := identityOf(r)
	fields := []any{"request_id", who.id}
	if who.upstream != "" {
		fields = append(fields, "upstream_id", who.upstream)
	}
	return append(fields, more...)
}
