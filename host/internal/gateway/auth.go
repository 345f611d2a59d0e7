package gateway

import (
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
	"strings"

	"bulkhead.dev/sdk/pluginv1"
)

// Authenticator says who calls a route for people and programs; an error is answered with 401.
type Authenticator interface {
	Authenticate(r *http.Request) (*pluginv1.Principal, error)
}

// authenticate says who calls a route for people and programs. What a page of another site sends is refused whoever its
// reader is (net/http.CrossOriginProtection).
func (g *Gateway) authenticate(r *http.Request) (*pluginv1.Principal, error) {
	if err := g.origins.Check(r); err != nil {
		return nil, problem(http.StatusForbidden, "cross-origin", "The call comes from a page of another site", "call this route from the host's own pages or from a program")
	}
	return g.people.Authenticate(r)
}

// BearerToken lets in who presents the one token, compared in constant time. An empty token lets nobody in.
type BearerToken struct {
	// Who is the principal of a call with this token.
	Who string
	// Token is the secret itself.
	Token string
}

// Authenticate implements Authenticator (RFC 6750, section 2.1).
func (b BearerToken) Authenticate(r *http.Request) (*pluginv1.Principal, error) {
	scheme, got, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	// Hashes have one length, so the comparison tells nothing of the secret's.
	want, have := sha256.Sum256([]byte(b.Token)), sha256.Sum256([]byte(strings.TrimSpace(got)))
	equal := subtle.ConstantTimeCompare(want[:], have[:]) == 1
	if !strings.EqualFold(scheme, "Bearer") || b.Token == "" || !equal {
		return nil, problem(http.StatusUnauthorized, "unauthenticated", "The caller is not known", "send a valid bearer token")
	}
	return &pluginv1.Principal{Who: b.Who, Roles: []string{"admin"}}, nil
}

// Everyone lets every caller in under one name. It is for demo mode, which listens on loopback alone.
type Everyone struct {
	Who string
}

// Authenticate implements Authenticator and never fails.
func (e Everyone) Authenticate(*http.Request) (*pluginv1.Principal, error) {
	return &pluginv1.Principal{Who: e.Who}, nil
}
