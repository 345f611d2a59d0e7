package wire_test

import (
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	"bulkhead.dev/sdk/pluginv1"
	"bulkhead.dev/sdk/wire"
)

func hub() *pluginv1.Verification {
	return &pluginv1.Verification{Scheme: &pluginv1.Verification_Hmac{Hmac: &pluginv1.Hmac{
		Hash: pluginv1.Hash_HASH_SHA256, Key: "secret", KeyEncoding: pluginv1.Encoding_ENCODING_UTF8,
		Header: "X-Hub-Signature", Prefix: "sha256=", Encoding: pluginv1.Encoding_ENCODING_HEX,
	}}}
}

func manifest() *pluginv1.Manifest {
	return &pluginv1.Manifest{
		Name: "acme", Version: "1.0.0", MinHostVersion: "v0.1.0-rc.1", SettingsSchema: []byte(`{"type":"object"}`),
		Facts:  []string{"acme.order.paid"},
		Policy: &pluginv1.Policy{Concurrency: 4, Timeout: durationpb.New(time.Minute), Backoff: durationpb.New(time.Second)},
		Routes: []*pluginv1.Route{
			{Method: "POST", Path: "events", Pattern: pluginv1.Pattern_PATTERN_ASYNC, Lane: pluginv1.Lane_LANE_NORMAL,
				JobType: "acme.event", Verification: hub(), Ordering: "/order/id", ContentTypes: []string{"application/json"},
				Dedup:     []*pluginv1.Source{{From: &pluginv1.Source_Header{Header: "X-Delivery"}}},
				Challenge: &pluginv1.Challenge{Match: "/type", Value: "hello", Echo: "/challenge"}},
			{Method: "POST", Path: "orders/{id}", Pattern: pluginv1.Pattern_PATTERN_SYNC, Lane: pluginv1.Lane_LANE_NOW,
				JobType: "acme.order", Deadline: durationpb.New(25 * time.Second)},
		},
		Subscriptions: []*pluginv1.Subscription{{Fact: "widget.order_made", JobType: "acme.follow", Lane: pluginv1.Lane_LANE_BULK}},
	}
}

func TestCheckManifest(t *testing.T) {
	t.Parallel()
	if err := wire.CheckManifest(manifest()); err != nil {
		t.Fatal(err)
	}
	if err := wire.CheckManifest(nil); err == nil {
		t.Error("no manifest is no fault")
	}
	for want, breakIt := range map[string]func(m *pluginv1.Manifest){
		`name: "Acme" is not`:                                     func(m *pluginv1.Manifest) { m.Name = "Acme" },
		`version: "1.0" is not`:                                   func(m *pluginv1.Manifest) { m.Version = "1.0" },
		`min_host_version: "01.0.0"`:                              func(m *pluginv1.Manifest) { m.MinHostVersion = "01.0.0" },
		`settings_schema: is not JSON`:                            func(m *pluginv1.Manifest) { m.SettingsSchema = []byte("{") },
		`settings_schema: a JSON Schema is an`:                    func(m *pluginv1.Manifest) { m.SettingsSchema = []byte("1") },
		`facts[0]: "widget.x" does not begin`:                     func(m *pluginv1.Manifest) { m.Facts[0] = "widget.x" },
		`facts[0]: "acme" is not a type`:                          func(m *pluginv1.Manifest) { m.Facts[0] = "acme" },
		`facts[1]: "acme.order.paid" is declared`:                 func(m *pluginv1.Manifest) { m.Facts = append(m.Facts, m.Facts[0]) },
		`policy.concurrency: -1 is not`:                           func(m *pluginv1.Manifest) { m.Policy.Concurrency = -1 },
		`policy.timeout: -1s is not`:                              func(m *pluginv1.Manifest) { m.Policy.Timeout = durationpb.New(-time.Second) },
		`policy.backoff: 1s is above`:                             func(m *pluginv1.Manifest) { m.Policy.MaxBackoff = durationpb.New(time.Millisecond) },
		`max_receive_bytes: 1 is not`:                             func(m *pluginv1.Manifest) { m.MaxReceiveBytes = 1 },
		`routes[0].method: "post" is not`:                         func(m *pluginv1.Manifest) { m.Routes[0].Method = "post" },
		`routes[0].path: "/events" is not clean`:                  func(m *pluginv1.Manifest) { m.Routes[0].Path = "/events" },
		`routes[0].path: "a/../b" is not clean`:                   func(m *pluginv1.Manifest) { m.Routes[0].Path = "a/../b" },
		`routes[0].path: "a b": the segment`:                      func(m *pluginv1.Manifest) { m.Routes[0].Path = "a b" },
		`the parameter "{}" is not`:                               func(m *pluginv1.Manifest) { m.Routes[0].Path = "{}" },
		`the parameter "{a}" occurs twice`:                        func(m *pluginv1.Manifest) { m.Routes[0].Path = "{a}/{a}" },
		`routes[0].job_type: "other.event" does`:                  func(m *pluginv1.Manifest) { m.Routes[0].JobType = "other.event" },
		`routes[0].lane: the lane now`:                            func(m *pluginv1.Manifest) { m.Routes[0].Lane = pluginv1.Lane_LANE_NOW },
		`routes[0]: lane: bulkhead.plugin.v1.Lane is unspecified`: func(m *pluginv1.Manifest) { m.Routes[0].Lane = 0 },
		`routes[0].verification: an asynchronous`:                 func(m *pluginv1.Manifest) { m.Routes[0].Verification = nil },
		`routes[0].verification: names no scheme`:                 func(m *pluginv1.Manifest) { m.Routes[0].Verification.Scheme = nil },
		`verification.hmac.key: "" is not a settings key`:         func(m *pluginv1.Manifest) { m.Routes[0].Verification.GetHmac().Key = "" },
		`hmac.header: "x-sig" is not a header name`:               func(m *pluginv1.Manifest) { m.Routes[0].Verification.GetHmac().Header = "x-sig" },
		`hmac.encoding: a signature is written`: func(m *pluginv1.Manifest) {
			m.Routes[0].Verification.GetHmac().Encoding = pluginv1.Encoding_ENCODING_UTF8
		},
		`hmac.payload: "v0" does not hold {body}`: func(m *pluginv1.Manifest) { m.Routes[0].Verification.GetHmac().Payload = "v0" },
		`neither {body} nor {timestamp}`:          func(m *pluginv1.Manifest) { m.Routes[0].Verification.GetHmac().Payload = "{body}{url}" },
		`hmac.timestamp_header: the timestamp is`: func(m *pluginv1.Manifest) { m.Routes[0].Verification.GetHmac().Payload = "{timestamp}{body}" },
		`hmac.tolerance: is missing`: func(m *pluginv1.Manifest) {
			h := m.Routes[0].Verification.GetHmac()
			h.Payload, h.TimestampHeader = "{timestamp}{body}", "X-Time"
		},
		`routes[0].challenge.echo: is missing`:    func(m *pluginv1.Manifest) { m.Routes[0].Challenge.Echo = "" },
		`routes[0].dedup[0]: names neither`:       func(m *pluginv1.Manifest) { m.Routes[0].Dedup[0].From = nil },
		`routes[0].ordering: "id" is not a JSON`:  func(m *pluginv1.Manifest) { m.Routes[0].Ordering = "id" },
		`routes[0].deadline: only the caller`:     func(m *pluginv1.Manifest) { m.Routes[0].Deadline = durationpb.New(1) },
		`routes[0].max_body_bytes: 8388609 is`:    func(m *pluginv1.Manifest) { m.Routes[0].MaxBodyBytes = wire.MaxBodyBytes + 1 },
		`routes[0].content_types[0]: "text/HTML"`: func(m *pluginv1.Manifest) { m.Routes[0].ContentTypes[0] = "text/HTML" },
		`routes[0].accepted.status: 302 is not`:   func(m *pluginv1.Manifest) { m.Routes[0].Accepted = &pluginv1.Answer{Status: 302} },
		`routes[1].deadline: 26s is not`:          func(m *pluginv1.Manifest) { m.Routes[1].Deadline = durationpb.New(26 * time.Second) },
		`routes[1].ordering: a synchronous`:       func(m *pluginv1.Manifest) { m.Routes[1].Ordering = "/id" },
		`routes[2].path: POST events conflicts`:   func(m *pluginv1.Manifest) { m.Routes = append(m.Routes, m.Routes[0]) },
		`subscriptions[0].fact: "paid" is not`:    func(m *pluginv1.Manifest) { m.Subscriptions[0].Fact = "paid" },
		`subscriptions[0].instance: "X" is not`:   func(m *pluginv1.Manifest) { m.Subscriptions[0].Instance = "X" },
		`subscriptions[1]: the fact`:              func(m *pluginv1.Manifest) { m.Subscriptions = append(m.Subscriptions, m.Subscriptions[0]) },
	} {
		t.Run(want, func(t *testing.T) {
			t.Parallel()
			m := manifest()
			breakIt(m)
			if err := wire.CheckManifest(m); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("error: %v", err)
			}
		})
	}
}

func TestCheckManifestTellsAll(t *testing.T) {
	t.Parallel()
	m := manifest()
	m.Name, m.Version, m.Routes[1].Path = "-", "one", ""
	err := wire.CheckManifest(m)
	for _, want := range []string{"name:", "version:", "routes[1].path:"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s is not told: %v", want, err)
		}
	}
}

// TestRouteConflicts follows net/http's ServeMux, which panics on two patterns of which neither is more specific.
func TestRouteConflicts(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		a, b string
		want bool
	}{
		"same":           {"POST orders", "POST orders", true},
		"same parameter": {"POST {a}/x", "POST {b}/x", true},
		"crossing":       {"POST {a}/x", "POST y/{b}", true},
		"more specific":  {"POST {a}/x", "POST y/x", false},
		"other length":   {"POST a", "POST a/b", false},
		"other method":   {"POST a", "PUT a", false},
		"HEAD below GET": {"GET {a}", "HEAD x", false},
		"HEAD above GET": {"GET x", "HEAD {a}", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := manifest()
			m.Routes = nil
			for i, pattern := range []string{c.a, c.b} {
				method, path, _ := strings.Cut(pattern, " ")
				m.Routes = append(m.Routes, &pluginv1.Route{
					Method: method, Path: path, Pattern: pluginv1.Pattern_PATTERN_SYNC, Lane: pluginv1.Lane_LANE_NOW,
					JobType: "acme.job" + string(rune('a'+i)),
				})
			}
			if err := wire.CheckManifest(m); (err != nil) != c.want {
				t.Errorf("error: %v", err)
			}
		})
	}
}

func TestValidName(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]bool{
		"a": true, "acme-eu": true, "a1": true, "": false, "1a": false, "-a": false, "A": false, "a_b": false, "a.b": false,
		strings.Repeat("a", 63): true, strings.Repeat("a", 64): false,
	} {
		if got := wire.ValidName(name); got != want {
			t.Errorf("%q: %t", name, got)
		}
	}
}

// FuzzCheckManifest: no manifest panics the host, and the check is the same after a trip over the wire.
func FuzzCheckManifest(f *testing.F) {
	text, err := protojson.Marshal(manifest())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(text))
	f.Add(`{"routes":[{"path":"{","dedup":[{}],"verification":{"basic":{}}}]}`)
	f.Fuzz(func(t *testing.T, text string) {
		var m, back pluginv1.Manifest
		if protojson.Unmarshal([]byte(text), &m) != nil {
			return
		}
		before := wire.CheckManifest(&m)
		sent, err := proto.Marshal(&m)
		if err != nil {
			return // invalid UTF-8
		}
		if err := proto.Unmarshal(sent, &back); err != nil {
			t.Fatal(err)
		}
		if after := wire.CheckManifest(&back); (before == nil) != (after == nil) {
			t.Errorf("before: %v\nafter: %v", before, after)
		}
	})
}
