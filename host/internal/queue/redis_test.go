package queue

import (
	"crypto/tls"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"
)

func TestURLForms(t *testing.T) {
	t.Parallel()
	type want struct {
		Addrs                              []string
		Master, User, Password, SU, SP, SN string
		DB                                 int
		Cluster, TLS                       bool
	}
	for url, w := range map[string]want{
		"redis://localhost":                  {Addrs: []string{"localhost:6379"}},
		"redis://u:p@h:1/3":                  {Addrs: []string{"h:1"}, User: "u", Password: "p", DB: 3},
		"rediss://h":                         {Addrs: []string{"h:6379"}, TLS: true, SN: "h"},
		"unix:///run/redis.sock?db=2":        {Addrs: []string{"/run/redis.sock"}, DB: 2},
		"redis+cluster://u:p%40@a,b:7,[::1]": {Addrs: []string{"a:6379", "b:7", "[::1]:6379"}, User: "u", Password: "p@", Cluster: true},
		"rediss+cluster://a":                 {Addrs: []string{"a:6379"}, Cluster: true, TLS: true},
		"redis+sentinel://:p@a,b:7/main/2":   {Addrs: []string{"a:26379", "b:7"}, Master: "main", Password: "p", DB: 2},
		"redis+sentinel://a/m?sentinel_user=x&sentinel_password=y": {Addrs: []string{"a:26379"}, Master: "m", SU: "x", SP: "y"},
	} {
		o, err := parseURL(url, TLS{})
		if err != nil {
			t.Errorf("%s: %v", url, err)
			continue
		}
		got := want{o.Addrs, o.MasterName, o.Username, o.Password, o.SentinelUsername, o.SentinelPassword, serverName(o), o.DB, o.IsClusterMode, o.TLSConfig != nil}
		if diff := cmp.Diff(w, got); diff != "" {
			t.Errorf("%s: %s", url, diff)
		}
		if o.TLSConfig != nil && o.TLSConfig.MinVersion < tls.VersionTLS12 {
			t.Errorf("%s: TLS %x", url, o.TLSConfig.MinVersion)
		}
	}
	for _, url := range []string{
		"", "localhost:6379", "http://h", "redis+x://h", "redis+sentinel://h", "redis+cluster://h/3", "redis://h/x", "unix+cluster:///x",
	} {
		if _, err := parseURL(url, TLS{}); !errors.Is(err, ErrInvalid) {
			t.Errorf("%q: %v", url, err)
		}
	}
	if _, err := parseURL("redis://h", TLS{ServerName: "x"}); !errors.Is(err, ErrInvalid) {
		t.Errorf("tls without rediss: %v", err)
	}
	if _, err := parseURL("rediss://h", TLS{CA: "/nowhere"}); err == nil {
		t.Error("a ca that is not there")
	}
	if o, err := parseURL("rediss://h", TLS{ServerName: "x"}); err != nil || o.TLSConfig.ServerName != "x" {
		t.Errorf("server name: %v", err)
	}
}

func serverName(o *redis.UniversalOptions) string {
	if o.TLSConfig == nil {
		return ""
	}
	return o.TLSConfig.ServerName
}

// All keys of a domain hash to one Cluster slot: the part that counts is the same.
func TestKeysShareASlot(t *testing.T) {
	t.Parallel()
	k := keysOf("acme-eu")
	for _, key := range k.script {
		if key != "acme-eu_queue" && key[:16] != "{acme-eu_queue}:" {
			t.Errorf("%s", key)
		}
	}
}

func FuzzParseURL(f *testing.F) {
	for _, s := range []string{"redis://u:p@h:1/3", "redis+sentinel://a,b/m/1?sentinel_user=x", "unix:///x?db=1", "redis+cluster://a"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, url string) {
		o, err := parseURL(url, TLS{})
		if (o == nil) == (err == nil) {
			t.Fatalf("%v, %v", o, err)
		}
	})
}

func FuzzSpoolPayload(f *testing.F) {
	good, err := pack(&Job{Instance: "a", ID: "a-1", Type: "t", Envelope: []byte("e")})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add([]byte{255, 255, 255, 255, 255, 255, 255, 255, 255, 1})
	f.Fuzz(func(t *testing.T, payload []byte) {
		j, err := unpack(payload)
		if err != nil {
			return
		}
		again, err := pack(&j)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := unpack(again); err != nil {
			t.Fatal(err)
		}
	})
}
