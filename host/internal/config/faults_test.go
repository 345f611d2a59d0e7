package config_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"bulkhead.dev/host/internal/config"
)

func TestFaults(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		file    string
		environ []string
		want    []string // beginnings of the lines
	}{
		"all at once": {
			file: "listne: x\nlog:\n  level: loud\n  format: xml\nqueue: {lease: 5, depth: many}\nplugins:\n  acme: {policy: {timeout: soon}, binry: x}\n",
			environ: []string{
				"BULKHEAD_REDIS__POOL_SIZE=0", "BULKHEAD_SHUTDOWN_GRACE=5s", "BULKHEAD_PUBLIC_URL=example.com",
			},
			want: []string{
				`environment: BULKHEAD_PUBLIC_URL: is no http or https URL; write it as`,
				`environment: BULKHEAD_REDIS__POOL_SIZE: is too small; write 1 or more`,
				`environment: BULKHEAD_SHUTDOWN_GRACE: is not known; did you mean BULKHEAD_SHUTDOWN__GRACE?`,
				`bulkhead.yaml:1: listne: is not known; did you mean listen?`,
				`bulkhead.yaml:3: log.level: "loud" is not known; write one of trace, debug, info, warn, error`,
				`bulkhead.yaml:4: log.format: "xml" is not known; write one of json, text`,
				`bulkhead.yaml:5: queue.depth: must be a whole number; write digits alone`,
				`bulkhead.yaml:5: queue.lease: is a duration without a unit; write 5s for seconds`,
				`bulkhead.yaml:7: plugins.acme.binry: is not known; did you mean binary?`,
				`bulkhead.yaml:7: plugins.acme.policy.timeout: must be a duration; write a number and a unit`,
			},
		},
		"kinds": {
			file: "listen: [a]\nlog: text\nredis: {url: 5, pool_size: true}\npublic_url: yes\ndata_dir: true\nplugins: [acme]\n",
			want: []string{
				`bulkhead.yaml:1: listen: must be text, is a list; write one value`,
				`bulkhead.yaml:2: log: must be a group of keys, is text; write its keys below it`,
				`bulkhead.yaml:3: redis.pool_size: must be a whole number`,
				`bulkhead.yaml:3: redis.url: must be text, is a number; put it in quotes`,
				`bulkhead.yaml:4: public_url: is no http or https URL`,
				`bulkhead.yaml:5: data_dir: must be text, is true or false; put it in quotes`,
				`bulkhead.yaml:6: plugins: must be a group of plugins, is a list`,
			},
		},
		"literal secrets": {
			file: "auth: {bootstrap_token: s3cr3t}\nredis: {url: 'redis://u:s3cr3t@h'}\n",
			want: []string{
				`bulkhead.yaml:1: auth.bootstrap_token: is a secret and must not stand in the file as it is; write env:NAME or file:PATH, or set BULKHEAD_AUTH__BOOTSTRAP_TOKEN`,
				`bulkhead.yaml:2: redis.url: holds a password, which must not stand in the file as it is; write env:NAME or file:PATH, or set BULKHEAD_REDIS__URL`,
			},
		},
		"password in the query": {
			file: "redis: {url: 'redis+sentinel://h1,h2/m?sentinel_password=s3cr3t'}",
			want: []string{`bulkhead.yaml:1: redis.url: holds a password`},
		},
		"references": {
			file:    "auth: {bootstrap_token: env:NOT_SET}\npublic_url: env:EMPTY\nlisten: env:a b\ndata_dir: file:none\nplugin_dir: 'file:'\nredis: {url: file:empty}",
			environ: []string{"EMPTY=", "BULKHEAD_PUBLIC_URL="},
			want: []string{
				`bulkhead.yaml:1: auth.bootstrap_token: the environment variable NOT_SET is not set`,
				`bulkhead.yaml:2: public_url: the environment variable EMPTY is empty`,
				`bulkhead.yaml:3: listen: what follows env: is no name of a variable`,
				`bulkhead.yaml:4: data_dir: the file `,
				`bulkhead.yaml:5: plugin_dir: file: names no file`,
				`bulkhead.yaml:6: redis.url: the file `,
			},
		},
		"listen": {file: "listen: '8080'", want: []string{`bulkhead.yaml:1: listen: "8080" is no address to listen on; write host:port, such as`}},
		"port":   {environ: []string{"BULKHEAD_LISTEN=:http", "BULKHEAD_LOG__LEVEL=info"}, want: []string{`environment: BULKHEAD_LISTEN: ":http" is no address`}},
		"public URL": {
			file: "public_url: https://u@h/", want: []string{`bulkhead.yaml:1: public_url: holds a user`},
		},
		"public URL, query": {file: "public_url: https://h/?a", want: []string{`bulkhead.yaml:1: public_url: holds a query`}},
		"public URL, path":  {file: "public_url: https://h/a/../b", want: []string{`bulkhead.yaml:1: public_url: has a path that is not clean`}},
		"redis, scheme":     {file: "redis: {url: http://h}", want: []string{`bulkhead.yaml:1: redis.url: is no address of a Redis server`}},
		"redis, two ways": {
			environ: []string{"BULKHEAD_REDIS_URL=redis://a", "BULKHEAD_REDIS__URL=redis://b"},
			want:    []string{`environment: BULKHEAD_REDIS_URL: says another thing than BULKHEAD_REDIS__URL`},
		},
		"redis, TLS": {
			file: "redis:\n  url: redis://h\n  tls: {cert: none.pem}\n",
			want: []string{
				`bulkhead.yaml:2: redis.url: goes without TLS, but redis.tls is set; write rediss://`,
				`bulkhead.yaml:3: redis.tls.cert: the file `,
				`bulkhead.yaml:3: redis.tls.cert: a client certificate and its key go together`,
			},
		},
		"durations": {
			file: "queue: {lease: 1h}\nshutdown: {grace: -1s}\nlimits: {read_timeout: never}\nplugins: {acme: {start_timeout: 0s, policy: {backoff: 1m, max_backoff: 1s}}}",
			want: []string{
				`bulkhead.yaml:1: queue.lease: is too long; write 5m0s or less`,
				`bulkhead.yaml:2: shutdown.grace: is too short; write 0s or more`,
				`bulkhead.yaml:3: limits.read_timeout: must be a duration`,
				`bulkhead.yaml:4: plugins.acme.policy.backoff: is longer than max_backoff`,
				`bulkhead.yaml:4: plugins.acme.start_timeout: is too short`,
			},
		},
		"sizes": {
			file: "queue: {spool_max_bytes: 1GB}\nlimits: {max_header_bytes: 1KiB}",
			want: []string{
				`bulkhead.yaml:1: queue.spool_max_bytes: must be a size; write bytes, or`,
				`bulkhead.yaml:2: limits.max_header_bytes: is too small; write 4096 or more`,
			},
		},
		"instances": {
			file:    "plugins:\n  acme_eu: {}\n  Acme: {}\n  acme: {binary: ../x, settings: text}\n",
			environ: []string{"BULKHEAD_PLUGINS__9__BINARY=x", "BULKHEAD_PLUGINS__ACME=x", "BULKHEAD_PLUGINS__ACME__SETTINGS={}"},
			want: []string{
				`environment: BULKHEAD_PLUGINS__9__...: is no name of a plugin`,
				`environment: BULKHEAD_PLUGINS__9__BINARY: is not known`,
				`environment: BULKHEAD_PLUGINS__ACME: is not known`,
				`environment: BULKHEAD_PLUGINS__ACME__SETTINGS: is not known`,
				`bulkhead.yaml:2: plugins.acme_eu: is no name of a plugin; write small letters`,
				`bulkhead.yaml:3: plugins.Acme: is no name of a plugin`,
				`bulkhead.yaml:4: plugins.acme.binary: is no file name`,
				`bulkhead.yaml:4: plugins.acme.settings: must be a group of keys, is text`,
			},
		},
		"not YAML":      {file: "listen: [a\nlog: {}", want: []string{`bulkhead.yaml:`}},
		"key twice":     {file: "listen: ':1'\nlisten: ':2'", want: []string{`bulkhead.yaml:2: `}},
		"two documents": {file: "listen: ':1'\n---\nlisten: ':2'", want: []string{`bulkhead.yaml:3: the file holds a second document`}},
		"a list":        {file: "- listen", want: []string{`bulkhead.yaml:1: must be a group of keys, is a list`}},
		"deep":          {file: "x: " + strings.Repeat("[", 10_000), want: []string{`bulkhead.yaml: brackets nest deeper than 64 levels`}},
		"aliases": {
			file: "a: &a [1,1,1,1,1,1,1,1,1,1]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b]\n" +
				"d: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: [*d,*d,*d,*d,*d,*d,*d,*d,*d,*d]\n",
			want: []string{`bulkhead.yaml:5: aliases stand for more than 100000 values`},
		},
		"alias to nothing": {file: "listen: *x", want: []string{`bulkhead.yaml:1: an alias has no anchor before it`}},
		"tag":              {file: "listen: !!binary aGk=", want: []string{`bulkhead.yaml:1: a value of the kind`}},
		"file not there":   {environ: []string{"BULKHEAD_CONFIG=none.yaml"}, want: []string{`none.yaml: can't be read: no such file or directory; name the file in BULKHEAD_CONFIG`}},
		"file is a folder": {environ: []string{"BULKHEAD_CONFIG=."}, want: []string{`.: can't be read: is a directory`}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			files := map[string]string{"empty": "\n"}
			if tt.file != "" {
				files["bulkhead.yaml"] = tt.file
			}
			cfg, err := config.Load(place(t, files, tt.environ...))
			if cfg != nil {
				t.Errorf("Load = %+v", cfg)
			}
			lines := faultsOf(t, err)
			cut := make([]string, len(lines))
			for i, line := range lines {
				if cut[i] = line; i < len(tt.want) && strings.HasPrefix(line, tt.want[i]) {
					cut[i] = tt.want[i]
				}
			}
			if diff := cmp.Diff(tt.want, cut); diff != "" {
				t.Error(diff)
			}
			if strings.Contains(err.Error(), "s3cr3t") {
				t.Errorf("%v tells a secret", err)
			}
		})
	}
}

func TestMissingFileOfOthersIsAFault(t *testing.T) {
	t.Parallel()
	_, err := config.Load(place(t, map[string]string{"bulkhead.yaml/x": ""}))
	if lines := faultsOf(t, err); len(lines) != 1 || !strings.Contains(lines[0], "let the host's user read it") {
		t.Errorf("%q", lines)
	}
}

// FuzzLoad throws any file at the reader, with plugins' settings resolved against a schema that knows some of them.
func FuzzLoad(f *testing.F) {
	f.Add(example(f))
	for _, seed := range []string{
		"", "a", "- a", "a: &a [*a]", "<<: {a: b}", "? {a: b}\n: c", "a: !!str 5", "plugins: {acme: {settings: {n: 0x10, s: .inf, l: [1_000]}}}",
		"a: |\n  b\n", "a: \"\\x", "{", "a:\n\tb", "---\n...\n---", "%YAML 1.2\n---\na: b", "a: *b", "&a b: c", "!a b", "'", ": :", "[a, b]: c", "\xff",
	} {
		f.Add([]byte(seed))
	}
	schema := []byte(`{"type":"object","properties":{"n":{"type":"integer"},"s":{"type":"string","writeOnly":true},"l":{"type":"array"}}}`)
	src := place(f, nil)
	f.Fuzz(func(t *testing.T, data []byte) {
		at := src
		at.Environ = []string{"BULKHEAD_CONFIG=" + place(t, map[string]string{"c.yaml": string(data)}).Dir + "/c.yaml", "BULKHEAD_PLUGINS__ACME__SETTINGS__N=5"}
		cfg, err := config.Load(at)
		if err != nil {
			faultsOf(t, err)
			return
		}
		for instance, p := range cfg.Plugins {
			if _, err := p.ResolveSettings(schema); err != nil && len(err.Error()) == 0 {
				t.Errorf("%s: an empty error", instance)
			}
		}
	})
}
