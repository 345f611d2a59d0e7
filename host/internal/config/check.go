package config

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// check finds what can't be seen in one value alone, and completes what depends on the whole.
func (l *loader) check(cfg *Config) {
	l.checkListen(cfg)
	l.checkPublicURL(cfg)
	if cfg.PluginDir == "" {
		cfg.PluginDir = filepath.Join(filepath.Dir(absolute(l.src.Executable, l.src.Dir)), "plugins")
	}
	cfg.DataDir = absolute(cfg.DataDir, l.dirOf(l.where["data_dir"]))
	cfg.PluginDir = absolute(cfg.PluginDir, l.dirOf(l.where["plugin_dir"]))
	if cfg.Demo {
		cfg.Log.Format = "text"
	}
	l.oneOf("log.level", cfg.Log.Level, "trace", "debug", "info", "warn", "error")
	l.oneOf("log.format", cfg.Log.Format, "json", "text")
	l.checkRedis(cfg)
	l.atLeast("redis.pool_size", cfg.Redis.PoolSize, 1)
	l.between("redis.dial_timeout", cfg.Redis.DialTimeout, time.Millisecond, time.Minute)
	l.between("redis.read_timeout", cfg.Redis.ReadTimeout, time.Millisecond, time.Minute)
	l.between("redis.write_timeout", cfg.Redis.WriteTimeout, time.Millisecond, time.Minute)
	l.between("queue.lease", cfg.Queue.Lease, 40*time.Millisecond, 5*time.Minute)
	l.atLeast("queue.depth", cfg.Queue.Depth, 0)
	l.atLeast("queue.spool_max_bytes", int(cfg.Queue.SpoolMaxBytes), 1)
	l.between("shutdown.grace", cfg.Shutdown.Grace, 0, time.Hour)
	l.between("limits.read_header_timeout", cfg.Limits.ReadHeaderTimeout, time.Millisecond, time.Hour)
	l.between("limits.read_timeout", cfg.Limits.ReadTimeout, time.Millisecond, time.Hour)
	l.between("limits.idle_timeout", cfg.Limits.IdleTimeout, time.Millisecond, 24*time.Hour)
	l.atLeast("limits.max_header_bytes", int(cfg.Limits.MaxHeaderBytes), 4<<10)
	for instance, p := range cfg.Plugins {
		l.checkPlugin("plugins."+instance, p)
	}
}

func (l *loader) checkListen(cfg *Config) {
	const mend = `write host:port, such as "127.0.0.1:8080"`
	if l.bad("listen") {
		return
	}
	host, port, err := net.SplitHostPort(cfg.Listen)
	number, numErr := strconv.ParseUint(port, 10, 16)
	if err != nil || numErr != nil || strconv.FormatUint(number, 10) != port {
		l.faultOf("listen", mend, "%q is no address to listen on", cfg.Listen)
		return
	}
	if cfg.Demo && !isLoopback(host) {
		l.faultOf("listen", fmt.Sprintf("write %q, or configure the host: put a %s beside it, see docs/bulkhead.example.yaml",
			net.JoinHostPort("127.0.0.1", port), defaultFile), "without a configuration the host runs on invented settings, and only on a loopback address")
	}
}

func isLoopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && addr.Unmap().IsLoopback()
}

func (l *loader) checkPublicURL(cfg *Config) {
	if cfg.PublicURL == "" || l.bad("public_url") {
		return
	}
	const mend = `write it as "https://hooks.example.com" or "https://example.com/prefix"`
	trimmed := strings.TrimRight(cfg.PublicURL, "/")
	u, err := url.Parse(trimmed)
	switch {
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.Opaque != "":
		l.faultOf("public_url", mend, "is no http or https URL")
	case u.User != nil:
		l.faultOf("public_url", mend, "holds a user")
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		l.faultOf("public_url", mend, "holds a query or a fragment")
	case u.Path != "" && path.Clean(u.Path) != u.Path:
		l.faultOf("public_url", mend, "has a path that is not clean")
	default:
		cfg.PublicURL = trimmed
	}
}

func (l *loader) checkRedis(cfg *Config) {
	r := &cfg.Redis
	dir := func(key string) string { return l.dirOf(l.where["redis.tls."+key]) }
	r.TLS.CA, r.TLS.Cert, r.TLS.Key = absolute(r.TLS.CA, dir("ca")), absolute(r.TLS.Cert, dir("cert")), absolute(r.TLS.Key, dir("key"))
	files := []struct{ key, path string }{{"ca", r.TLS.CA}, {"cert", r.TLS.Cert}, {"key", r.TLS.Key}}
	for _, f := range files {
		if f.path == "" {
			continue
		}
		if info, err := os.Stat(f.path); err != nil {
			l.faultOf("redis.tls."+f.key, "name a PEM file that the host's user can read", "the file %s can't be read: %s", f.path, reason(err))
		} else if info.IsDir() {
			l.faultOf("redis.tls."+f.key, "name the PEM file in it", "%s is a folder", f.path)
		}
	}
	if (r.TLS.Cert == "") != (r.TLS.Key == "") {
		l.faultOf("redis.tls.cert", "name both, or neither", "a client certificate and its key go together")
	}
	if r.URL.IsZero() || l.bad("redis.url") {
		return
	}
	const mend = `write "redis://host:6379/0", "rediss://..." with TLS, "unix:///path", "redis+cluster://h1,h2" or "redis+sentinel://h1,h2/master"`
	scheme, rest, ok := strings.Cut(r.URL.Reveal(), "://")
	forms := []string{"redis", "rediss", "unix", "redis+cluster", "rediss+cluster", "redis+sentinel", "rediss+sentinel"}
	switch {
	case !ok || rest == "" || !slices.Contains(forms, scheme):
		l.faultOf("redis.url", mend, "is no address of a Redis server")
	case r.TLS != TLS{} && !strings.HasPrefix(scheme, "rediss"):
		l.faultOf("redis.url", "write rediss:// in place of redis://, or take redis.tls out", "goes without TLS, but redis.tls is set")
	}
}

func (l *loader) checkPlugin(key string, p Plugin) {
	if p.Binary != "" && (filepath.Base(p.Binary) != p.Binary || strings.ContainsAny(p.Binary, `/\`) || p.Binary == "." || p.Binary == "..") {
		l.faultOf(key+".binary", "write the name of a file in plugin_dir", "is no file name")
	}
	if n := p.settings().file; n.kind != object && n.kind != absent {
		l.faultAt(place{line: n.line, key: key + ".settings"}, fmt.Sprintf("must be a group of keys, is %v", n.kind), "write its keys below it, indented")
	}
	l.atLeast(key+".policy.concurrency", p.Policy.Concurrency, 0)
	l.atLeast(key+".policy.max_attempts", p.Policy.MaxAttempts, 0)
	l.between(key+".policy.timeout", p.Policy.Timeout, 0, 24*time.Hour)
	l.between(key+".policy.backoff", p.Policy.Backoff, 0, 24*time.Hour)
	l.between(key+".policy.max_backoff", p.Policy.MaxBackoff, 0, 24*time.Hour)
	if p.Policy.MaxBackoff > 0 && p.Policy.Backoff > p.Policy.MaxBackoff {
		l.faultOf(key+".policy.backoff", "write the shorter one here", "is longer than max_backoff")
	}
	l.between(key+".start_timeout", p.StartTimeout, time.Millisecond, Never)
	l.between(key+".hung_after", p.HungAfter, time.Millisecond, Never)
}

// bad says whether a key has been reported already; its value is then not what the operator meant.
func (l *loader) bad(key string) bool {
	at := l.where[key]
	return at.key != "" && slices.ContainsFunc(l.faults, func(f Fault) bool {
		return f.Key == at.key && (f.File == "") == (at.variable != "")
	})
}

func (l *loader) oneOf(key, value string, allowed ...string) {
	if !slices.Contains(allowed, value) && !l.bad(key) {
		l.faultOf(key, "write one of "+strings.Join(allowed, ", "), "%q is not known", value)
	}
}

func (l *loader) atLeast(key string, value, least int) {
	if value < least && !l.bad(key) {
		l.faultOf(key, fmt.Sprintf("write %d or more", least), "is too small")
	}
}

func (l *loader) between(key string, value, least, most time.Duration) {
	switch {
	case l.bad(key):
	case value < least:
		l.faultOf(key, fmt.Sprintf("write %v or more", least), "is too short")
	case value > most:
		l.faultOf(key, fmt.Sprintf("write %v or less", most), "is too long")
	}
}
