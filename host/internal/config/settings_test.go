package config_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"bulkhead.dev/host/internal/config"
)

// acmeSchema is what a plugin's author's types give.
const acmeSchema = `{
	"$schema": "https://json-schema.org/draft/2020-12/schema", "$ref": "#/$defs/settings",
	"$defs": {
		"settings": {
			"type": "object", "additionalProperties": false, "required": ["base_url", "webhook_secret"],
			"properties": {
				"base_url": {"type": "string", "pattern": "^https?://", "description": "Where the widgets are."},
				"webhook_secret": {"type": "string", "writeOnly": true},
				"apiToken": {"anyOf": [{"$ref": "#/$defs/token"}, {"type": "null"}]},
				"limit": {"type": "integer", "default": 5, "maximum": 100}, "ratio": {"type": "number"}, "strict": {"type": ["boolean", "null"]},
				"projects": {"type": "array", "items": {"type": "string"}},
				"fields": {"type": "object", "additionalProperties": {"type": "string"}},
				"retry": {"type": "object", "additionalProperties": false, "required": ["times"], "properties": {"times": {"type": "integer"}, "pin": {"type": "integer", "writeOnly": true}}},
				"keys": {"type": "array", "writeOnly": true, "items": {"type": "string"}},
				"mode": {"enum": ["fast", "safe"]}
			}
		},
		"token": {"type": "string", "writeOnly": true}
	}
}`

func TestResolveSettings(t *testing.T) {
	t.Parallel()
	const least = "base_url: https://a\n      webhook_secret: env:SECRET\n      "
	for name, tt := range map[string]struct {
		settings string // below plugins.acme.settings
		environ  []string
		schema   string // acmeSchema where empty
		want     string
		faults   []string // beginnings
	}{
		"file":         {settings: least, want: `{"base_url":"https://a","webhook_secret":"s3cr3t"}`},
		"from a file":  {settings: "{base_url: https://a, webhook_secret: file:secret}", want: `{"base_url":"https://a","webhook_secret":"in a file"}`},
		"nothing left": {settings: least + "retry:\n      apiToken: ~", want: `{"base_url":"https://a","webhook_secret":"s3cr3t"}`},
		"types in the file": {
			settings: least + "limit: 7\n      ratio: 1.50\n      strict: true\n      projects: [A, B]\n      fields: {a/b: c}\n      retry: {times: 0x10}\n      mode: fast",
			want: `{"base_url":"https://a","fields":{"a/b":"c"},"limit":7,"mode":"fast","projects":["A","B"],"ratio":1.50,"retry":{"times":16},` +
				`"strict":true,"webhook_secret":"s3cr3t"}`,
		},
		"environment alone": {
			environ: []string{
				"BULKHEAD_PLUGINS__ACME__SETTINGS__BASE_URL=https://e", "BULKHEAD_PLUGINS__ACME__SETTINGS__WEBHOOK_SECRET=as it is",
				"BULKHEAD_PLUGINS__ACME__SETTINGS__APITOKEN=file:secret", "BULKHEAD_PLUGINS__ACME__SETTINGS__LIMIT=9007199254740993",
				"BULKHEAD_PLUGINS__ACME__SETTINGS__STRICT=false", `BULKHEAD_PLUGINS__ACME__SETTINGS__PROJECTS=["A","B"]`,
				`BULKHEAD_PLUGINS__ACME__SETTINGS__FIELDS__KEY=v`, "BULKHEAD_PLUGINS__ACME__SETTINGS__RETRY__TIMES=3", "BULKHEAD_PLUGINS__ACME__SETTINGS__RETRY__PIN=1234",
			},
			schema: strings.Replace(acmeSchema, `"maximum": 100`, `"minimum": 1`, 1),
			want: `{"apiToken":"in a file","base_url":"https://e","fields":{"key":"v"},"limit":9007199254740993,"projects":["A","B"],"retry":{"pin":1234,"times":3},` +
				`"strict":false,"webhook_secret":"as it is"}`,
		},
		"environment over file": {
			settings: least + "retry: {times: 1}\n      fields: {Key: a}",
			environ:  []string{"BULKHEAD_PLUGINS__ACME__SETTINGS__RETRY__TIMES=2", "BULKHEAD_PLUGINS__ACME__SETTINGS__FIELDS__KEY=b"},
			want:     `{"base_url":"https://a","fields":{"Key":"b"},"retry":{"times":2},"webhook_secret":"s3cr3t"}`,
		},
		"typed by reference": {settings: least + "limit: env:LIMIT\n      ratio: '2.5'", environ: []string{"LIMIT=12"}, want: `{"base_url":"https://a","limit":12,"ratio":2.5,"webhook_secret":"s3cr3t"}`},
		"followed once":      {settings: "{base_url: https://a, webhook_secret: env:TWICE}", environ: []string{"TWICE=env:SECRET"}, want: `{"base_url":"https://a","webhook_secret":"env:SECRET"}`},
		"file URL is a text": {settings: "{a: 'file:///x'}", schema: `{}`, want: `{"a":"file:///x"}`},
		"no schema":          {settings: "{a: 1, b: [x], c: {d: true}}", environ: []string{"BULKHEAD_PLUGINS__ACME__SETTINGS__E=5"}, schema: "none", want: `{"a":1,"b":["x"],"c":{"d":true},"e":"5"}`},

		"nothing in the file": {
			settings: "",
			faults: []string{
				`bulkhead.yaml:3: plugins.acme.settings.base_url: is missing; write it there, or set BULKHEAD_PLUGINS__ACME__SETTINGS__BASE_URL`,
				`bulkhead.yaml:3: plugins.acme.settings.webhook_secret: is missing; write env:NAME or file:PATH there, or set BULKHEAD_PLUGINS__ACME__SETTINGS__WEBHOOK_SECRET`,
			},
		},
		"literal secrets": {
			settings: "base_url: https://a\n      webhook_secret: s3cr3t\n      apiToken: s3cr3t\n      keys: [env:SECRET, s3cr3t]\n      retry: {times: 1, pin: 5}",
			faults: []string{
				`bulkhead.yaml:5: plugins.acme.settings.webhook_secret: is a secret and must not stand in the file as it is; write env:NAME or file:PATH, or set BULKHEAD_PLUGINS__ACME__SETTINGS__WEBHOOK_SECRET`,
				`bulkhead.yaml:6: plugins.acme.settings.apiToken: is a secret`,
				`bulkhead.yaml:7: plugins.acme.settings.keys.1: is a secret`,
				`bulkhead.yaml:8: plugins.acme.settings.retry.pin: is a secret`,
			},
		},
		"unknown": {
			settings: least + "limt: 1\n      retry: {time: 1, times: 1}",
			environ:  []string{"BULKHEAD_PLUGINS__ACME__SETTINGS__BASE_ULR=x"},
			faults: []string{
				`environment: BULKHEAD_PLUGINS__ACME__SETTINGS__BASE_ULR: is not a setting of this plugin; did you mean BULKHEAD_PLUGINS__ACME__SETTINGS__BASE_URL?`,
				`bulkhead.yaml:6: plugins.acme.settings.limt: is not a setting of this plugin; did you mean limit?`,
				`bulkhead.yaml:7: plugins.acme.settings.retry.time: is not a setting of this plugin; did you mean times?`,
			},
		},
		"wrong types": {
			settings: "base_url: 5\n      webhook_secret: env:NOT_SET\n      limit: many\n      strict: 'yes'\n      projects: A\n      retry: {}",
			environ:  []string{"BULKHEAD_PLUGINS__ACME__SETTINGS__RATIO=+1", "BULKHEAD_PLUGINS__ACME__SETTINGS__FIELDS={a}"},
			faults: []string{
				`environment: BULKHEAD_PLUGINS__ACME__SETTINGS__FIELDS: must be JSON; write it as JSON`,
				`environment: BULKHEAD_PLUGINS__ACME__SETTINGS__RATIO: must be a number`,
				`bulkhead.yaml:4: plugins.acme.settings.base_url: must be text, is a number; put it in quotes`,
				`bulkhead.yaml:4: plugins.acme.settings.retry.times: is missing`,
				`bulkhead.yaml:5: plugins.acme.settings.webhook_secret: the environment variable NOT_SET is not set`,
				`bulkhead.yaml:6: plugins.acme.settings.limit: must be a number`,
				`bulkhead.yaml:7: plugins.acme.settings.strict: must be true or false`,
				`bulkhead.yaml:8: plugins.acme.settings.projects: must be JSON`,
			},
		},
		"by the schema": {
			settings: "base_url: ftp://a\n      webhook_secret: env:SECRET\n      limit: 101\n      projects: [A, 5.5]\n      mode: slow\n      retry: 5",
			faults: []string{
				`bulkhead.yaml:7: plugins.acme.settings.projects.1: must be text, is a number; put it in quotes`,
			},
		},
		"by the schema, the rest": {
			settings: "base_url: ftp://a\n      webhook_secret: env:SECRET\n      limit: 101\n      mode: slow\n      retry: 5",
			environ:  []string{`BULKHEAD_PLUGINS__ACME__SETTINGS__PROJECTS=["A",5]`},
			faults: []string{
				`environment: BULKHEAD_PLUGINS__ACME__SETTINGS__PROJECTS: must be a string, is a number`,
				`bulkhead.yaml:4: plugins.acme.settings.base_url: must match the pattern "^https?://"; the plugin says of it: Where the widgets are.`,
				`bulkhead.yaml:6: plugins.acme.settings.limit: must be at most 100`,
				`bulkhead.yaml:7: plugins.acme.settings.mode: must be one of "fast", "safe"`,
				`bulkhead.yaml:8: plugins.acme.settings.retry: must be an object, is a number`,
			},
		},
		"schema is none": {settings: least, schema: `[]`, faults: []string{`environment: plugins.acme: the schema of the plugin's settings is no JSON Schema`}},
		"schema is bad":  {settings: least, schema: `{"type":"text"}`, faults: []string{`bulkhead.yaml: plugins.acme: the schema of the plugin's settings can't be used`}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			files := map[string]string{"secret": "in a file\n"}
			if tt.settings != "" || len(tt.environ) == 0 {
				files["bulkhead.yaml"] = "plugins:\n  acme:\n    settings:\n      " + tt.settings + "\n"
			}
			cfg := load(t, place(t, files, append(tt.environ, "SECRET=s3cr3t")...))
			schema := []byte(acmeSchema)
			if tt.schema != "" {
				schema = []byte(strings.TrimPrefix(tt.schema, "none"))
			}
			got, err := cfg.Plugin("acme").ResolveSettings(schema)
			if tt.faults == nil {
				if diff := cmp.Diff(tt.want, string(got)); diff != "" || err != nil {
					t.Error(err, diff)
				}
				return
			}
			if got != nil || err == nil {
				t.Fatalf("ResolveSettings = %s, %v", got, err)
			}
			lines := strings.Split(err.Error(), "\n")
			for i, line := range lines {
				if i < len(tt.faults) && strings.HasPrefix(line, tt.faults[i]) {
					lines[i] = tt.faults[i]
				}
			}
			if diff := cmp.Diff(tt.faults, lines); diff != "" {
				t.Error(diff)
			}
			if strings.Contains(err.Error(), "s3cr3t") {
				t.Errorf("%v tells a secret", err)
			}
		})
	}
}

func TestSettingsOfAPluginThatIsNotConfigured(t *testing.T) {
	t.Parallel()
	for name, p := range map[string]config.Plugin{
		"asked for": load(t, place(t, nil)).Plugin("acme"),
		"zero":      {},
	} {
		got, err := p.ResolveSettings([]byte(`{"type":"object"}`))
		if err != nil || string(got) != "{}" {
			t.Errorf("%s: %s, %v", name, got, err)
		}
	}
	_, err := load(t, place(t, nil)).Plugin("acme").ResolveSettings([]byte(acmeSchema))
	want := []string{
		"environment: BULKHEAD_PLUGINS__ACME__SETTINGS__BASE_URL: is missing; set it",
		"environment: BULKHEAD_PLUGINS__ACME__SETTINGS__WEBHOOK_SECRET: is missing; set it",
	}
	if diff := cmp.Diff(want, faultsOf(t, err)); diff != "" {
		t.Error(diff)
	}
}
