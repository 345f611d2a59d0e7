package rest_test

import (
	"strings"
	"testing"
	"time"

	"bulkhead.dev/sdk/rest"
)

func TestBaseURL(t *testing.T) {
	t.Parallel()
	tests := []struct{ url, fault string }{
		{"https://acme.example", ""},
		{"https://acme.example:8443/rest/api/3/", ""},
		{"http://127.0.0.1:8080", ""},
		{"http://127.8.0.1", ""},
		{"http://[::1]:80/x", ""},
		{"http://localhost:80", ""},
		{"", "missing"},
		{"acme.example", "scheme"},
		{"https:acme.example", "scheme and a host"},
		{"://", "malformed"},
		{"http://acme.example", "loopback"},
		{"http://localhost.acme.example", "loopback"},
		{"http://10.0.0.1", "loopback"},
		{"ftp://acme.example", "ftp"},
		{"unix://acme/x", "unix"},
		{"https://user:secret@acme.example", "credentials"},
		{"https://acme.example?token=secret", "query"},
		{"https://acme.example#secret", "fragment"},
	}
	for _, tt := range tests {
		c, err := rest.New(rest.Config{BaseURL: tt.url})
		switch {
		case tt.fault == "" && err != nil:
			t.Errorf("%q: %v", tt.url, err)
		case tt.fault == "":
			c.Close()
		case err == nil || !strings.Contains(err.Error(), tt.fault):
			t.Errorf("%q: %v, want a fault that names %q", tt.url, err, tt.fault)
		case strings.Contains(err.Error(), "secret"):
			t.Errorf("%q: the error bears the secret: %v", tt.url, err)
		}
	}
}

func TestConfigFaultsAreNamedAtOnce(t *testing.T) {
	t.Parallel()
	_, err := rest.New(rest.Config{BaseURL: "http://acme.example", Concurrency: -1,
		Rates: []rest.Rate{{Name: "calls", Requests: 1, Per: time.Second}, {Name: "writes", Requests: 1}}})
	if err == nil {
		t.Fatal("no error")
	}
	for _, part := range []string{"loopback", "negative", `rate 1 ("writes")`} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%v does not name %q", err, part)
		}
	}
}
