// Package calltest lets the tests of the stand-ins call them and look into the answers.
package calltest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// Desk calls one stand-in.
type Desk struct {
	T       *testing.T
	Handler http.Handler
	Prefix  string              // before every path
	Dress   func(*http.Request) // puts on what the stand-in checks
}

// Call makes one call, demands the status and answers the body; an array stands in it as "list". A body that begins
// with { or [ is JSON, any other a form.
func (d Desk) Call(method, path, body string, status int) map[string]any {
	d.T.Helper()
	r := httptest.NewRequestWithContext(d.T.Context(), method, d.Prefix+path, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	if body != "" && !strings.ContainsAny(body[:1], "{[") {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	if d.Dress != nil {
		d.Dress(r)
	}
	w := httptest.NewRecorder()
	d.Handler.ServeHTTP(w, r)
	if w.Code != status {
		d.T.Fatalf("%s %s: %d %s, want %d", method, path, w.Code, w.Body, status)
	}
	var out any
	if w.Body.Len() > 0 {
		if err := json.Unmarshal(w.Body.Bytes(), &out); err != nil {
			d.T.Fatalf("%s %s: %v in %s", method, path, err, w.Body)
		}
	}
	if m, ok := out.(map[string]any); ok {
		return m
	}
	return map[string]any{"list": out}
}

// At walks into an answer, "issues.0.key"; what is not there is "<nil>". Whole numbers are written as such.
func At(v any, path string) string {
	for _, step := range strings.Split(path, ".") {
		switch c := v.(type) {
		case map[string]any:
			v = c[step]
		case []any:
			var i int
			if _, err := fmt.Sscan(step, &i); err != nil || i >= len(c) {
				return "<nil>"
			}
			v = c[i]
		default:
			return "<nil>"
		}
	}
	if f, ok := v.(float64); ok && f == float64(int64(f)) {
		return fmt.Sprint(int64(f))
	}
	return fmt.Sprint(v)
}

// Same demands that want stands at path.
func Same(t *testing.T, v any, path, want string) {
	t.Helper()
	if got := At(v, path); got != want {
		t.Errorf("%s: %s, want %s", path, got, want)
	}
}

// Len demands that so many elements stand at path.
func Len(t *testing.T, v any, path string, want int) {
	t.Helper()
	if At(v, fmt.Sprintf("%s.%d", path, want)) != "<nil>" || (want > 0 && At(v, fmt.Sprintf("%s.%d", path, want-1)) == "<nil>") {
		t.Errorf("%s: not %d elements: %s", path, want, At(v, path))
	}
}
