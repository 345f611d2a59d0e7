package rest_test

import (
	"bytes"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/hashicorp/go-hclog"

	"bulkhead.dev/sdk/rest"
)

// TestNoSecretIsShown: logs and errors of good and bad calls, with secrets wherever vendors put them.
func TestNoSecretIsShown(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const inPath, inHeader, inBody = "12345:pa+th/secret", "header-secret", "body-secret"
		v, config := serve(t, func(w http.ResponseWriter, r *http.Request) {
			if strings.HasSuffix(r.URL.Path, "/bad") {
				w.Header().Set("Set-Cookie", "session=answer-secret")
				w.WriteHeader(http.StatusInternalServerError)
				_, _ = io.WriteString(w, `{"message":"no `+inPath+` and `+inHeader+`"}`)
			}
		})
		var out bytes.Buffer
		config.BaseURL = "http://localhost/bot" + url.PathEscape(inPath)
		config.Auth = rest.Bearer(inHeader)
		config.Secrets = []string{inPath, "", "abc"}
		config.Logger = hclog.New(&hclog.LoggerOptions{Output: &out, Level: hclog.Trace})
		config.MaxAttempts = 2
		c := client(t, config)
		var errs []error
		for _, path := range []string{"/good", "/bad"} {
			_, err := c.Do(inRun(t.Context()), rest.Request{Method: "PUT", Path: path, Body: []byte(inBody), Query: url.Values{
				"api_token": {"query-secret-1"}, "Access-Token": {"query-secret-2"}, "key": {"query-secret-3"},
				"clientSecret": {"query-secret-4"}, "limit": {"5"}, "by": {inHeader}}})
			errs = append(errs, err)
		}
		v.refuse(func() error { return &url.Error{Op: "Get", URL: "http://localhost/bot" + inPath, Err: io.EOF} })
		config.Transport.(*http.Transport).CloseIdleConnections()
		_, err := c.Do(inRun(t.Context()), rest.Request{Path: "/gone"})
		errs = append(errs, err)
		if errs[0] != nil || errs[1] == nil || errs[2] == nil {
			t.Fatalf("errors %v", errs)
		}
		shown := out.String() + errs[1].Error() + errs[2].Error() + asError(t, errs[1]).Message + asError(t, errs[1]).URL
		for _, secret := range []string{"secret", "12345:", "Bearer"} {
			if at := strings.Index(shown, secret); at >= 0 {
				t.Errorf("%q is shown: ...%s", secret, shown[max(0, at-200):min(len(shown), at+50)])
			}
		}
		for _, wanted := range []string{"request_id=n1-01J", "vendor=acme", "limit=5", "api_token=REDACTED", "by=REDACTED",
			"/botREDACTED/good", "status=200", "status=500", "attempt=2", "no REDACTED and REDACTED"} {
			if !strings.Contains(shown, wanted) {
				t.Errorf("%q is not shown:\n%s", wanted, shown)
			}
		}
		if all := v.requests(); len(all) != 3 || !strings.Contains(all[0].URL, "query-secret-1") || all[0].Body != inBody {
			t.Errorf("the vendor got %+v", all)
		}
	})
}
