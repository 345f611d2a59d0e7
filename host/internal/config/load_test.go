package config_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"bulkhead.dev/host/internal/config"
)

// place makes a working directory with the files given by name and content, and a Source on it.
func place(tb testing.TB, files map[string]string, environ ...string) config.Source {
	tb.Helper()
	dir := tb.TempDir()
	for name, content := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			tb.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			tb.Fatal(err)
		}
	}
	return config.Source{Environ: environ, Dir: dir, Executable: filepath.Join(dir, "bin", "host")}
}

func file(content string) map[string]string { return map[string]string{"bulkhead.yaml": content} }

func load(tb testing.TB, src config.Source) *config.Config {
	tb.Helper()
	cfg, err := config.Load(src)
	if err != nil {
		tb.Fatal(err)
	}
	return cfg
}

// faultsOf answers the faults, a line each.
func faultsOf(tb testing.TB, err error) []string {
	tb.Helper()
	var faults config.Faults
	if !errors.As(err, &faults) || len(faults) == 0 {
		tb.Fatalf("error = %v, want Faults", err)
	}
	for _, f := range faults {
		if f.Problem == "" || f.Mend == "" {
			tb.Errorf("%v says too little", f)
		}
	}
	return strings.Split(err.Error(), "\n")
}

func TestNothingConfigured(t *testing.T) {
	t.Parallel()
	src := place(t, nil, "HOME=/root", "BULKHEAD_SERVICE_HOST=10.0.0.1", "BULKHEAD_PORT=tcp://10.0.0.1:80", "BULKHEAD_PORT_80_TCP_ADDR=10.0.0.1",
		"BULKHEAD_WEB_SERVICE_PORT_HTTP=80", "BULKHEAD_REDIS_URL=")
	cfg := load(t, src)
	if !cfg.Demo || cfg.File != "" {
		t.Errorf("Demo = %v, File = %q", cfg.Demo, cfg.File)
	}
	want := config.Config{
		Demo: true, Listen: "127.0.0.1:8080", DataDir: filepath.Join(src.Dir, "data"), PluginDir: filepath.Join(src.Dir, "bin", "plugins"),
		Log:   config.Log{Level: "info", Format: "text"},
		Redis: config.Redis{PoolSize: 16, DialTimeout: time.Second, ReadTimeout: 3 * time.Second, WriteTimeout: 3 * time.Second},
		Queue: config.Queue{Lease: 4 * time.Second, SpoolMaxBytes: 1 << 30}, Shutdown: config.Shutdown{Grace: 25 * time.Second},
		Limits:  config.Limits{ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 30 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 32 << 10},
		Plugins: map[string]config.Plugin{},
	}
	if diff := cmp.Diff(&want, cfg, compareExported()); diff != "" {
		t.Error(diff)
	}
	p := cfg.Plugin("acme")
	if p.StartTimeout != 10*time.Second || p.HungAfter != 15*time.Second || p.Policy != (config.Policy{}) {
		t.Errorf("Plugin = %+v", p)
	}
}

// compareExported compares what an operator can set.
func compareExported() cmp.Option {
	return cmp.Options{
		cmp.FilterPath(func(p cmp.Path) bool {
			field, ok := p.Last().(cmp.StructField)
			return ok && field.Name() == "settings"
		}, cmp.Ignore()),
		cmp.Comparer(func(a, b config.Secret) bool { return a.Reveal() == b.Reveal() }),
		cmp.Comparer(func(a, b config.URL) bool { return a.Reveal() == b.Reveal() }),
	}
}

func TestDemo(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		files   map[string]string
		environ []string
		demo    bool
	}{
		"listen on loopback":  {nil, []string{"BULKHEAD_LISTEN=127.0.0.1:0"}, true},
		"listen on localhost": {nil, []string{"BULKHEAD_LISTEN=localhost:80"}, true},
		"listen on IPv6":      {nil, []string{"BULKHEAD_LISTEN=[::1]:80"}, true},
		"folders":             {nil, []string{"BULKHEAD_DATA_DIR=x", "BULKHEAD_PLUGIN_DIR=y"}, true},
		"anything else":       {nil, []string{"BULKHEAD_LISTEN=:80", "BULKHEAD_LOG__LEVEL=debug"}, false},
		"a plugin":            {nil, []string{"BULKHEAD_PLUGINS__ACME__SETTINGS__X=1"}, false},
		"an empty file":       {file(""), []string{"BULKHEAD_LISTEN=:80"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if cfg := load(t, place(t, tt.files, tt.environ...)); cfg.Demo != tt.demo {
				t.Errorf("Demo = %v", cfg.Demo)
			}
		})
	}
	for _, listen := range []string{":8080", "0.0.0.0:80", "[::]:80", "192.0.2.1:80", "example.com:80"} {
		_, err := config.Load(place(t, nil, "BULKHEAD_LISTEN="+listen))
		if lines := faultsOf(t, err); len(lines) != 1 || !strings.HasPrefix(lines[0], "environment: BULKHEAD_LISTEN: without a configuration") {
			t.Errorf("%s: %q", listen, lines)
		}
	}
}

func TestFileAndEnvironment(t *testing.T) {
	t.Parallel()
	src := place(t, map[string]string{
		"etc/host.yaml": `
listen: ":80"
public_url: https://example.com/hooks/
data_dir: state
log: {level: warn}
redis:
  url: env:QUEUE
  dial_timeout: 2s
queue: {spool_max_bytes: 16MiB, depth: 7}
auth: {bootstrap_token: "file:token"}
plugins:
  acme-eu: &base
    binary: acme
    hung_after: never
    policy: {timeout: 1m30s}
  acme-us:
    <<: *base
    start_timeout: 1h
`, "etc/token": "t0ken\r\n", "ca.pem": "x",
	},
		"BULKHEAD_CONFIG=etc/host.yaml", "QUEUE=redis://:pass@h/0", "BULKHEAD_LOG__LEVEL=debug", "BULKHEAD_PLUGIN_DIR=here",
		"BULKHEAD_PLUGINS__ACME_EU__POLICY__CONCURRENCY=3", "BULKHEAD_PLUGINS__WIDGET__BINARY=w", "BULKHEAD_QUEUE__DEPTH=8")
	cfg := load(t, src)
	want := load(t, place(t, nil))
	want.Demo, want.File, want.Log = false, filepath.Join(src.Dir, "etc/host.yaml"), config.Log{Level: "debug", Format: "json"}
	want.Listen, want.PublicURL = ":80", "https://example.com/hooks"
	want.DataDir, want.PluginDir = filepath.Join(src.Dir, "etc/state"), filepath.Join(src.Dir, "here")
	want.Redis.URL, want.Redis.DialTimeout = config.NewURL("redis://:pass@h/0"), 2*time.Second
	want.Queue.SpoolMaxBytes, want.Queue.Depth = 16<<20, 8
	want.Auth.BootstrapToken = config.NewSecret("t0ken")
	want.Plugins = map[string]config.Plugin{
		"acme-eu": {Binary: "acme", StartTimeout: 10 * time.Second, HungAfter: config.Never, Policy: config.Policy{Timeout: 90 * time.Second, Concurrency: 3}},
		"acme-us": {Binary: "acme", StartTimeout: time.Hour, HungAfter: config.Never, Policy: config.Policy{Timeout: 90 * time.Second}},
		"widget":  {Binary: "w", StartTimeout: 10 * time.Second, HungAfter: 15 * time.Second},
	}
	if diff := cmp.Diff(want, cfg, compareExported()); diff != "" {
		t.Error(diff)
	}
}

func TestRedisURLInTheEnvironment(t *testing.T) {
	t.Parallel()
	for _, environ := range [][]string{
		{"BULKHEAD_REDIS_URL=redis://u:p@h"}, {"BULKHEAD_REDIS__URL=redis://u:p@h"}, {"BULKHEAD_REDIS_URL=redis://u:p@h", "BULKHEAD_REDIS__URL=redis://u:p@h"},
	} {
		if got := load(t, place(t, file("redis: {url: redis://other}"), environ...)).Redis.URL.Reveal(); got != "redis://u:p@h" {
			t.Errorf("%v: %q", environ, got)
		}
	}
}

// exampleFile is the file that operators copy from.
const exampleFile = "../../../docs/bulkhead.example.yaml"

func example(tb testing.TB) []byte {
	tb.Helper()
	data, err := os.ReadFile(exampleFile)
	if err != nil {
		tb.Fatal(err)
	}
	return data
}

func TestExampleLoads(t *testing.T) {
	t.Parallel()
	src := place(t, file(string(example(t))), "OPERATOR_TOKEN=o", "ACME_WEBHOOK_SECRET=a", "ACME_EU_WEBHOOK_SECRET=e")
	cfg := load(t, src)
	schema := `{"type":"object","required":["base_url","webhook_secret"],"additionalProperties":false,"properties":{
		"base_url":{"type":"string"},"webhook_secret":{"type":"string","writeOnly":true},"projects":{"type":"array","items":{"type":"string"}}}}`
	for instance, want := range map[string]string{
		"acme":    `{"base_url":"https://acme.example.com","projects":["ONE","TWO"],"webhook_secret":"a"}`,
		"acme-eu": `{"base_url":"https://eu.acme.example.com","webhook_secret":"e"}`,
	} {
		got, err := cfg.Plugin(instance).ResolveSettings([]byte(schema))
		if err != nil || string(got) != want {
			t.Errorf("%s: %s, %v", instance, got, err)
		}
	}
}

// TestExampleIsComplete takes every key out of the example by its line: each key of Config must be there, and its default
// must be the one that the host has.
func TestExampleIsComplete(t *testing.T) {
	t.Parallel()
	data := example(t)
	var walk func(typ reflect.Type, path string)
	walk = func(typ reflect.Type, path string) {
		for i := range typ.NumField() {
			field := typ.Field(i)
			key := field.Tag.Get("key")
			if key == "" || key == "-" {
				continue
			}
			if !bytes.Contains(data, []byte("\n"+strings.Repeat("  ", strings.Count(path, "."))+key+":")) {
				t.Errorf("%s%s does not occur in the example", path, key)
			}
			if def := field.Tag.Get("default"); def != "" && !bytes.Contains(data, []byte(key+": "+def+"\n")) && !bytes.Contains(data, []byte(key+`: "`+def+`"`+"\n")) {
				t.Errorf("%s%s does not have its default, %s, in the example", path, key, def)
			}
			switch {
			case field.Type == reflect.TypeFor[map[string]config.Plugin]():
				walk(field.Type.Elem(), path+key+".<instance>.")
			case field.Type.Kind() == reflect.Struct:
				walk(field.Type, path+key+".")
			}
		}
	}
	walk(reflect.TypeFor[config.Config](), "")
}
