package gateway

import (
	"net/http"
	"net/url"
	"path"
	"strings"
	"unicode/utf8"
)

// clean says whether a path stands for itself alone. ServeMux would redirect some that do not: a vendor does not follow,
// and a redirect loses the body. An escaped slash or a control character is in no path that was given out.
func clean(u *url.URL) bool {
	return path.Clean(u.Path) == u.Path && utf8.ValidString(u.Path) &&
		strings.IndexFunc(u.Path, func(r rune) bool { return r < ' ' || r == 0x7f }) < 0 &&
		!strings.Contains(strings.ToLower(u.RawPath), "%2f")
}

// cutPrefix returns r with the path below the prefix; false, and r itself, when it is not below it.
func cutPrefix(r *http.Request, prefix string) (*http.Request, bool) {
	below, ok := strings.CutPrefix(r.URL.Path, prefix)
	if prefix == "" || !ok || !strings.HasPrefix(below, "/") {
		return r, false
	}
	u := *r.URL
	u.Path, u.RawPath = below, "" // without escaped slashes the usual escapes say the same
	r2 := r.WithContext(r.Context())
	r2.URL = &u
	return r2, true
}
