package main

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"bulkhead.dev/sdk"
	"bulkhead.dev/sdk/plugintest"
)

func TestSettingsThatCannotBe(t *testing.T) {
	t.Parallel()
	if field := faultOf(t, map[string]any{
		"base_url": "http://company.pipedrive.com", "api_token": "t", "webhook_user": "u", "webhook_password": "p",
	}); field != "base_url" {
		t.Errorf("the fault is of %q, want base_url", field)
	}
}

// Version 1 is below another path at each of the vendor's two hosts.
func TestWhereVersion1Is(t *testing.T) {
	t.Parallel()
	for base, want := range map[string]string{
		"https://api.pipedrive.com": "/v1", "https://api.pipedrive.com/": "/v1", "https://company.pipedrive.com": "/api/v1",
	} {
		p := &plugin{}
		if err := p.configure(context.Background(), settings{BaseURL: base, APIToken: "token"}, &sdk.Host{}); err != nil || p.v1 != want {
			t.Errorf("%s: %s, error %v, want %s", base, p.v1, err, want)
		}
	}
}

// A page of the vendor's wall that says 403 does not mean that a person is hidden.
func TestAWallIsNoAnswer(t *testing.T) {
	t.Parallel()
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusForbidden)
		_, _ = io.WriteString(w, "<html>Attention required</html>")
	}))
	defer api.Close()
	r := startPlugin(t, &plugin{}, map[string]any{"base_url": api.URL, "api_token": "token", "webhook_user": "u", "webhook_password": "p"})
	result := r.do(plugintest.Job{Type: eventJob, Payload: json.RawMessage(v2Deal("create", "null", ""))})
	if result.Kind != plugintest.Retried || result.Fault != "vendor" {
		t.Errorf("%+v, want a retry", result)
	}
}
