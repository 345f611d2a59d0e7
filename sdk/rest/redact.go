package rest

import (
	"net/url"
	"strings"
)

// redacted stands where a secret was.
const redacted = "REDACTED"

// minSecret is the shortest secret that is cut out of texts, in bytes.
const minSecret = 4

// redactor cuts secrets out of what is logged or goes into errors.
type redactor struct{ replacer *strings.Replacer }

func newRedactor(config Config) *redactor {
	secrets := config.Secrets
	if known, ok := config.Auth.(interface{ secrets() []string }); ok {
		secrets = append(known.secrets(), secrets...)
	}
	var pairs []string
	for _, secret := range secrets {
		if len(secret) < minSecret {
			continue
		}
		for _, form := range []string{secret, url.QueryEscape(secret), url.PathEscape(secret), (&url.URL{Path: secret}).EscapedPath()} {
			pairs = append(pairs, form, redacted)
		}
	}
	return &redactor{strings.NewReplacer(pairs...)}
}

// text cuts out known secrets.
func (r *redactor) text(text string) string { return r.replacer.Replace(text) }

// url writes a URL without user, fragment, known secrets, and values of query parameters whose names sound secret.
func (r *redactor) url(u *url.URL) string {
	shown := *u
	shown.User, shown.Fragment, shown.RawFragment = nil, "", ""
	if shown.RawQuery != "" {
		pairs := strings.Split(shown.RawQuery, "&")
		for i, pair := range pairs {
			name, _, _ := strings.Cut(pair, "=")
			if secretName(name) {
				pairs[i] = name + "=" + redacted
			}
		}
		shown.RawQuery = strings.Join(pairs, "&")
	}
	return r.text(shown.String())
}

// secretName says whether a query parameter sounds like a secret. A page token that is hidden too does no harm.
func secretName(name string) bool {
	plain, err := url.QueryUnescape(name)
	if err != nil {
		return true
	}
	plain = strings.NewReplacer("-", "", "_", "", ".", "").Replace(strings.ToLower(plain))
	for _, part := range []string{"token", "secret", "passw", "pwd", "apikey", "accesskey", "signature", "credential", "auth"} {
		if strings.Contains(plain, part) {
			return true
		}
	}
	switch plain {
	case "key", "sig", "code", "sid", "jwt", "session":
		return true
	}
	return false
}
