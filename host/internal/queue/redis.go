package queue

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// TLS says how Redis is authenticated and how this node authenticates itself. Files are PEM.
type TLS struct {
	// CA, Cert and Key are paths; an empty CA means the system's pool, an empty Cert no client certificate.
	CA, Cert, Key string
	// ServerName overrides the name that the certificate must bear.
	ServerName string
}

func (t TLS) zero() bool { return t == TLS{} }

func (t TLS) config(into *tls.Config) (*tls.Config, error) {
	if into == nil {
		into = &tls.Config{}
	}
	into.MinVersion = tls.VersionTLS12
	if t.ServerName != "" {
		into.ServerName = t.ServerName
	}
	if t.CA != "" {
		pem, err := os.ReadFile(t.CA)
		if err != nil {
			return nil, fmt.Errorf("redis tls ca: %w", err)
		}
		into.RootCAs = x509.NewCertPool()
		if !into.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("redis tls ca: no certificate in %s", t.CA)
		}
	}
	if t.Cert != "" || t.Key != "" {
		pair, err := tls.LoadX509KeyPair(t.Cert, t.Key)
		if err != nil {
			return nil, fmt.Errorf("redis tls cert: %w", err)
		}
		into.Certificates = []tls.Certificate{pair}
	}
	return into, nil
}

// parseURL reads the URL forms:
//
//	redis://[user:password@]host[:port][/db]          one server
//	rediss://...                                      the same with TLS
//	unix://[user:password@]/path/to/socket[?db=n]
//	redis+cluster://[user:password@]h1[:port],h2[:port]
//	redis+sentinel://[user:password@]h1[:port],h2[:port]/<master>[/db][?sentinel_user=u&sentinel_password=p]
//	rediss+cluster://..., rediss+sentinel://...       with TLS
//
// The errors never hold the URL: it may hold a password.
func parseURL(url string, t TLS) (*redis.UniversalOptions, error) {
	scheme, rest, ok := strings.Cut(url, "://")
	if !ok {
		return nil, fmt.Errorf("%w: redis url has no scheme", ErrInvalid)
	}
	base, form, _ := strings.Cut(scheme, "+")
	if base != "redis" && base != "rediss" && scheme != "unix" || form != "" && form != "cluster" && form != "sentinel" {
		return nil, fmt.Errorf("%w: redis url scheme %q", ErrInvalid, scheme)
	}
	var hosts []string
	var master string
	if form != "" {
		end := strings.IndexAny(rest, "/?")
		if end < 0 {
			end = len(rest)
		}
		authority, tail := rest[:end], rest[end:]
		user := ""
		if i := strings.LastIndexByte(authority, '@'); i >= 0 {
			user, authority = authority[:i+1], authority[i+1:]
		}
		for h := range strings.SplitSeq(authority, ",") {
			hosts = append(hosts, withPort(h, map[string]string{"cluster": "6379", "sentinel": "26379"}[form]))
		}
		if form == "sentinel" {
			path, query, _ := strings.Cut(tail, "?")
			var db string
			master, db, _ = strings.Cut(strings.TrimPrefix(path, "/"), "/")
			if master == "" {
				return nil, fmt.Errorf("%w: redis+sentinel url names no master", ErrInvalid)
			}
			tail = "/" + db + "?" + query
		}
		rest = user + "host" + tail
	}
	sentinelUser, rest := cutQuery(rest, "sentinel_user")
	sentinelPassword, rest := cutQuery(rest, "sentinel_password")
	one, err := redis.ParseURL(base + "://" + rest)
	if err != nil {
		return nil, fmt.Errorf("%w: redis url can't be read", ErrInvalid)
	}
	if hosts == nil {
		hosts = []string{one.Addr}
	}
	if one.DB != 0 && form == "cluster" {
		return nil, fmt.Errorf("%w: a redis cluster has no databases", ErrInvalid)
	}
	o := &redis.UniversalOptions{
		Addrs: hosts, MasterName: master, IsClusterMode: form == "cluster", DB: one.DB,
		Username: one.Username, Password: one.Password, SentinelUsername: sentinelUser, SentinelPassword: sentinelPassword,
	}
	if base == "rediss" {
		if form != "" {
			one.TLSConfig = nil // of the placeholder host
		}
		if o.TLSConfig, err = t.config(one.TLSConfig); err != nil {
			return nil, err
		}
	} else if !t.zero() {
		return nil, fmt.Errorf("%w: tls settings need a rediss:// url", ErrInvalid)
	}
	return o, nil
}

func withPort(host, port string) string {
	if host == "" || strings.LastIndexByte(host, ':') > strings.LastIndexByte(host, ']') {
		return host
	}
	return host + ":" + port
}

// cutQuery takes one parameter out of a URL's query, which redis.ParseURL would refuse.
func cutQuery(url, name string) (value, rest string) {
	path, query, ok := strings.Cut(url, "?")
	if !ok {
		return "", url
	}
	var left []string
	for part := range strings.SplitSeq(query, "&") {
		if v, found := strings.CutPrefix(part, name+"="); found {
			value = v
		} else if part != "" {
			left = append(left, part)
		}
	}
	if len(left) == 0 {
		return value, path
	}
	return value, path + "?" + strings.Join(left, "&")
}

// connect makes the two clients: one for commands and one for blocking reads, so that these never wait for each
// other. Neither repeats a command by itself: whoever sends one knows whether that is harmless. One form of reply
// (RESP2) on all servers.
func connect(o *redis.UniversalOptions, cfg *Config) (commands, blocking redis.UniversalClient) {
	// go-redis would write each failed dial to standard error; health says once what there is to say.
	redis.SetLogger(&logging.VoidLogger{})
	o.Protocol = 2
	o.MaxRetries = -1
	o.DialerRetries = 1
	o.ContextTimeoutEnabled = true
	o.DisableIdentity = true
	o.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	o.DialTimeout = cfg.DialTimeout
	o.ReadTimeout = cfg.IOTimeout
	o.WriteTimeout = cfg.WriteTimeout
	o.PoolTimeout = cfg.IOTimeout
	o.PoolSize = cfg.PoolSize
	commands = redis.NewUniversalClient(o)
	b := *o
	b.PoolSize = maxBlocking
	b.ReadTimeout += maxBlock
	return commands, redis.NewUniversalClient(&b)
}

// maxBlocking bounds the domains that wait at once on one node.
const maxBlocking = 256

// isAnswer reports whether the error came from Redis itself: it is there, and said no.
func isAnswer(err error) bool {
	var re redis.Error
	return errors.As(err, &re)
}
