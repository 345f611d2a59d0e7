package gateway

import (
	"context"
	"net/http"
	"regexp"

	"github.com/oklog/ulid/v2"
)

type requestKey struct{}

// upstreamForm is what a caller's own X-Request-Id may look like to be logged.
var upstreamForm = regexp.MustCompile(`^[A-Za-z0-9._:/+=@-]{1,128}$`)

// identify gives the request its id, <node>-<ULID>, and answers with it; a caller's own id is kept beside it.
func (g *Gateway) identify(w http.ResponseWriter, r *http.Request) *http.Request {
	id := g.node + "-" + ulid.Make().String()
	w.Header().Set("X-Request-Id", id)
	if upstream := r.Header.Get("X-Request-Id"); upstreamForm.MatchString(upstream) {
		g.log.Debug("request has an upstream id", "request_id", id, "upstream_id", upstream)
	}
	return r.WithContext(context.WithValue(r.Context(), requestKey{}, id))
}

// requestID returns the id that identify gave.
func requestID(ctx context.Context) string {
	id, _ := ctx.Value(requestKey{}).(string)
	return id
}
