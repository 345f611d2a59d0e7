package config_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/hashicorp/go-hclog"

	"bulkhead.dev/host/internal/config"
)

// TestNothingPrintsASecret prints a whole configuration in every way that comes to mind.
func TestNothingPrintsASecret(t *testing.T) {
	t.Parallel()
	const secret = "s3cr3t-v4lue"
	src := place(t, file("plugins: {acme: {settings: {key: env:KEY, literal: "+secret+"}}}"), "BULKHEAD_AUTH__BOOTSTRAP_TOKEN="+secret,
		"BULKHEAD_REDIS_URL=redis://user:"+secret+"@h/0", "BULKHEAD_PLUGINS__ACME__SETTINGS__TOKEN="+secret, "KEY="+secret)
	cfg := load(t, src)
	type holder struct {
		token config.Secret
		url   config.URL
		cfg   config.Config
	}
	held := holder{cfg.Auth.BootstrapToken, cfg.Redis.URL, *cfg}
	for _, value := range []any{
		cfg, *cfg, cfg.Auth, cfg.Redis, cfg.Plugins, cfg.Plugin("acme"), held, &held, []config.Secret{held.token}, held.token, &held.token, held.url,
	} {
		var out strings.Builder
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d"} {
			fmt.Fprintf(&out, verb+"\n", value)
		}
		if text, err := json.Marshal(value); err == nil {
			out.Write(text)
		}
		hclog.New(&hclog.LoggerOptions{Output: &out}).Info("text", "value", value)
		hclog.New(&hclog.LoggerOptions{Output: &out, JSONFormat: true}).Info("json", "value", value)
		slog.New(slog.NewTextHandler(&out, nil)).Info("text", "value", value)
		slog.New(slog.NewJSONHandler(&out, nil)).Info("json", "value", value)
		if hex := fmt.Sprintf("%x", secret); strings.Contains(out.String(), secret) || strings.Contains(strings.ToLower(out.String()), hex) {
			t.Errorf("%T tells it: %s", value, out.String())
		}
	}
	if held.token.Reveal() != secret || held.url.Reveal() != "redis://user:"+secret+"@h/0" {
		t.Error("Reveal does not")
	}
	if text := fmt.Sprint(config.Secret{}, config.URL{}); strings.TrimSpace(text) != "" || !(config.Secret{}).IsZero() || !(config.URL{}).IsZero() {
		t.Errorf("the zero values print %q", text)
	}
}

func TestURLPrintsWithoutPasswords(t *testing.T) {
	t.Parallel()
	for url, want := range map[string]string{
		"redis://h:6379/0":                  "redis://h:6379/0",
		"redis://user@h":                    "redis://user@h",
		"redis://:p@h":                      "redis://:xxxxx@h",
		"rediss://u:p@q@h/0?db=1":           "rediss://u:xxxxx@h/0?db=1",
		"redis://u:p/q@h":                   "redis://u:xxxxx@h",
		"redis://u:p?q@h":                   "redis://xxxxx",
		"unix://u:p@/run/r.sock":            "unix://u:xxxxx@/run/r.sock",
		"redis+cluster://u:p@h1:6379,h2:1":  "redis+cluster://u:xxxxx@h1:6379,h2:1",
		"redis+sentinel://h/m?a=b":          "redis+sentinel://h/m?a=b",
		"redis://h/m?sentinel_password=p&a": "redis://h/m?sentinel_password=xxxxx&a",
		"redis://u:p@h?Password=p":          "redis://u:xxxxx@h?Password=xxxxx",
		"u:p@h":                             "u:xxxxx@h",
		"":                                  "",
	} {
		if got := config.NewURL(url).String(); got != want {
			t.Errorf("%q prints %q, want %q", url, got, want)
		}
	}
}
