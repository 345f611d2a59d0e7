package gateway

import (
	"fmt"
	"net/http"
	"net/url"
)

// Sign adds to the header what the route at method and path demands of its vendor: its recipe carried out the other
// way round. A route for people gets nothing. The path is below the public URL's own.
func (g *Gateway) Sign(method, path string, header http.Header, body []byte) error {
	handler, pattern := g.routes.Load().mux.Handler(&http.Request{Method: method, URL: &url.URL{Path: path}})
	e, ok := handler.(*endpoint)
	if !ok || pattern == "" {
		return fmt.Errorf("%s %s is no route of a plugin", method, path)
	}
	if e.unready != "" {
		return fmt.Errorf("%s %s: %s", method, path, e.unready)
	}
	if e.verifier != nil {
		e.verifier.Sign(header, body, g.now())
	}
	return nil
}
