package sdk

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"bulkhead.dev/sdk/pluginv1"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/durationpb"
)

type secrets struct {
	Secret string `json:"secret" setting:"required,secret"`
	User   string `json:"user"`
}

func configureNothing(context.Context, secrets, *Host) error { return nil }

func take[T any](context.Context, *Job, T) error { return nil }

func give(context.Context, *Job, loose) (loose, error) { return loose{}, nil }

func TestManifestFillsInWhatIsLeftOut(t *testing.T) {
	t.Parallel()
	d := &Domain{
		Name: "shop", Version: "1.2.3", Configure: Configure(configureNothing), Facts: []string{"shop.paid"},
		Policy: Policy{Concurrency: 8, Timeout: time.Minute},
		Routes: []Route{
			{Path: "orders/{id}", Verify: HubSignature("secret"), Handle: Handle(take[json.RawMessage])},
			{
				Path: "actions", Job: "shop.action", Method: http.MethodPut, Bulk: true, Verify: Basic("user", "secret"),
				ContentTypes: []string{"Application/X-www-form-urlencoded"}, Challenge: SlackChallenge(),
				Dedup: []Source{Header("x-id"), Pointer("/a/0")}, DedupWindow: time.Hour, Order: "/a",
				Policy: Policy{MaxAttempts: 3}, Accepted: &Reply{}, MaxBody: 1 << 22, Headers: []string{"x-kind"},
				Handle: Handle(take[loose]),
			},
			{Path: "search", Sync: true, Late: &Reply{Status: 200, Body: `{}`}, Handle: Answer(give)},
		},
		Subscriptions: []Subscription{{Fact: "till.closed", Instance: "till-eu", Bulk: true, Handle: Handle(take[[]byte])}},
	}
	got, err := d.manifest()
	if err != nil {
		t.Fatal(err)
	}
	looseSchema := []byte(`{"$schema":"https://json-schema.org/draft/2020-12/schema","properties":{"event":{"type":"string","minLength":1},"thing":true},"type":"object","required":["event"]}`)
	want := &pluginv1.Manifest{
		Name: "shop", Version: "1.2.3", Facts: []string{"shop.paid"},
		Policy: &pluginv1.Policy{Concurrency: 8, Timeout: durationpb.New(time.Minute)},
		SettingsSchema: []byte(`{"$schema":"https://json-schema.org/draft/2020-12/schema","properties":{"secret":{"type":"string",` +
			`"minLength":1,"writeOnly":true},"user":{"type":"string"}},"additionalProperties":false,"type":"object","required":["secret"]}`),
		Routes: []*pluginv1.Route{
			{
				Method: "POST", Path: "orders/{id}", Pattern: pluginv1.Pattern_PATTERN_ASYNC, Lane: pluginv1.Lane_LANE_NORMAL,
				JobType: "shop.orders.id", ContentTypes: []string{"application/json"}, Verification: HubSignature("secret").recipe(),
			},
			{
				Method: "PUT", Path: "actions", Pattern: pluginv1.Pattern_PATTERN_ASYNC, Lane: pluginv1.Lane_LANE_BULK,
				JobType: "shop.action", ContentTypes: []string{"application/x-www-form-urlencoded"}, Schema: looseSchema,
				Verification: Basic("user", "secret").recipe(),
				Challenge:    &pluginv1.Challenge{Match: "/type", Value: "url_verification", Echo: "/challenge"},
				Dedup: []*pluginv1.Source{
					{From: &pluginv1.Source_Header{Header: "X-Id"}}, {From: &pluginv1.Source_Pointer{Pointer: "/a/0"}},
				},
				DedupWindow: durationpb.New(time.Hour), Ordering: "/a", Policy: &pluginv1.Policy{MaxAttempts: 3},
				Accepted: &pluginv1.Answer{Status: 200}, MaxBodyBytes: 1 << 22, Headers: []string{"X-Kind"},
			},
			{
				Method: "POST", Path: "search", Pattern: pluginv1.Pattern_PATTERN_SYNC, Lane: pluginv1.Lane_LANE_NOW,
				JobType: "shop.search", ContentTypes: []string{"application/json"}, Schema: looseSchema,
				Deadline: durationpb.New(25 * time.Second),
				Late:     &pluginv1.Answer{Status: 200, ContentType: "application/json", Body: []byte(`{}`)},
			},
		},
		Subscriptions: []*pluginv1.Subscription{{
			Fact: "till.closed", Instance: "till-eu", JobType: "shop.till.closed", Lane: pluginv1.Lane_LANE_BULK,
		}},
	}
	if diff := cmp.Diff(want, got, protocmp.Transform()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if again, err := d.manifest(); err != nil || again != got {
		t.Error("the manifest is built twice")
	}
}

func TestFaultsOfADomainAreToldAllAtOnce(t *testing.T) {
	t.Parallel()
	route := Route{Path: "a", Verify: HubSignature("secret"), Handle: Handle(take[loose])}
	with := func(change func(r *Route)) []Route {
		r := route
		change(&r)
		return []Route{r}
	}
	for name, tc := range map[string]struct {
		domain *Domain
		want   []string
	}{
		"everything": {&Domain{Routes: []Route{{}}}, []string{
			"routes[0]: has no handler", `name: "" is not`, `version: "" is not a semantic version`, "routes[0].path",
		}},
		"no answer":      {&Domain{Routes: with(func(r *Route) { r.Sync, r.Verify = true, nil })}, []string{"make its handler with Answer"}},
		"missing key":    {&Domain{Routes: with(func(r *Route) { r.Verify = HubSignature("sekret") })}, []string{`there is no setting "sekret"`}},
		"open key":       {&Domain{Routes: with(func(r *Route) { r.Verify = HeaderToken("X-A", "user") })}, []string{`the setting "user" must be a secret`}},
		"bad payload":    {&Domain{Routes: with(func(r *Route) { r.Handle = Handle(take[chan int]) })}, []string{"routes[0]: payload: chan int has no JSON Schema"}},
		"unknown hash":   {&Domain{Routes: with(func(r *Route) { r.Verify = HMAC{Key: "secret", Header: "X-A", Hash: 9} })}, []string{"hash"}},
		"two handlers":   {&Domain{Routes: append(with(func(r *Route) { r.Path, r.Job = "b", "shop.a"; r.Handle = Handle(take[loose]) }), route)}, []string{`the job type "shop.a" has another handler already`}},
		"foreign fact":   {&Domain{Facts: []string{"till.closed"}}, []string{"does not begin with the domain's name"}},
		"large numbers":  {&Domain{Policy: Policy{Concurrency: 1 << 40}}, []string{"policy.concurrency"}},
		"settings' tags": {&Domain{Configure: Configure(func(context.Context, int, *Host) error { return nil })}, []string{"settings: int is not a struct"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := tc.domain
			if name != "everything" {
				d.Name, d.Version = "shop", "1.0.0"
			}
			if d.Configure.settings == nil {
				d.Configure = Configure(configureNothing)
			}
			_, err := d.manifest()
			if err == nil {
				t.Fatal("no error")
			}
			for _, want := range tc.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%v\ndoes not say %q", err, want)
				}
			}
		})
	}
}

func TestRoutesMayShareAJobAndItsHandler(t *testing.T) {
	t.Parallel()
	h := Handle(take[loose])
	d := &Domain{Name: "shop", Version: "1.0.0", Configure: Configure(configureNothing), Routes: []Route{
		{Path: "a", Job: "shop.x", Verify: HubSignature("secret"), Handle: h},
		{Path: "b", Job: "shop.x", Verify: HubSignature("secret"), Handle: h},
	}}
	if _, err := d.manifest(); err != nil {
		t.Error(err)
	}
}
