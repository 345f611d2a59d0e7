// Package sdk is what the author of a plugin imports: a Domain value says what the plugin is (routes, subscriptions,
// facts, settings, policy), typed functions handle its jobs, and Serve runs it.
//
//	type order struct {
//		ID    string `json:"id"`
//		State string `json:"state,omitempty"`
//	}
//
//	func main() {
//		sdk.Serve(&sdk.Domain{
//			Name: "shop", Version: "1.0.0",
//			Configure: sdk.Configure(configure), // settings with a secret "webhook_secret"
//			Facts: []string{"shop.order.paid"},
//			Routes: []sdk.Route{{
//				Path: "orders", Verify: sdk.HubSignature("webhook_secret"),
//				Handle: sdk.Handle(func(ctx context.Context, job *sdk.Job, in order) error {
//					job.Emit("shop.order.paid", in, sdk.WithKey(in.ID))
//					return nil
//				}),
//			}},
//		})
//	}
//
// The host carries out whatever the Domain declares before a job reaches the plugin: it authenticates the caller,
// validates the body against the JSON Schema derived from the handler's Go type, recognises repeats and keeps the order.
// A handler returns nil when the job is done, and an error when it is not; Reject, RetryAfter and Vendor say more about
// it. A panic is an error of that job alone.
//
// How a job passes: serve.go and internal/worker hold the transport, handler.go finds the handler and decodes the
// payload, outcome.go turns what came back into the contract's outcome. This package knows no queue and no HTTP server.
package sdk

import (
	"context"
	"reflect"
	"sync"
	"time"

	"bulkhead.dev/sdk/pluginv1"
	"bulkhead.dev/sdk/state"

	"github.com/hashicorp/go-hclog"
)

// Domain is one plugin. Fill it in, hand it to Serve and don't change it after.
type Domain struct {
	// Name of the domain, [a-z][a-z0-9-]*. Types of facts and of jobs begin with it and a dot.
	Name string
	// Version of the plugin, semantic ("1.0.0").
	Version string
	// MinHostVersion is the oldest host that this plugin works with; empty: any.
	MinHostVersion string
	// Configure takes the settings; the zero value: the plugin has none.
	Configure Configuration
	// Policy bounds all work of the domain; zero fields take the host's values.
	Policy Policy
	// Facts are the types of the facts that handlers may emit ("shop.order.paid").
	Facts []string
	// Routes are the HTTP endpoints that the host opens for this domain.
	Routes []Route
	// Subscriptions are the facts that this domain handles.
	Subscriptions []Subscription

	building sync.Once
	built    *assembly
	buildErr error

	mu   sync.RWMutex
	host *Host        // nil until configured
	log  hclog.Logger // of the host that last tried to configure, or nil
}

// Policy bounds work. A zero field takes the next wider policy's value: a route's that of the domain, the domain's that
// of the host. The operator's configuration precedes them all.
type Policy struct {
	// Concurrency is how many jobs run at once in one process.
	Concurrency int
	// Timeout is how long one attempt may take; then its context ends.
	Timeout time.Duration
	// MaxAttempts is how often a job is tried before it becomes a dead letter.
	MaxAttempts int
	// Backoff is the first wait between attempts; it doubles each time, with full jitter.
	Backoff time.Duration
	// MaxBackoff is the longest wait between attempts.
	MaxBackoff time.Duration
}

// Host is what the plugin gets from its host. It is handed to the function given to Configure, which keeps what it
// needs; it stays good until the process ends.
type Host struct {
	// Instance is the name under which the plugin runs, such as "shop" or "shop-eu".
	Instance string
	// PublicURL is the base of every URL that is given out, without a trailing slash.
	PublicURL string
	// State is the durable state of this instance.
	State *state.Client
	// Log is the plugin's logger. In a handler Job.Log says more.
	Log hclog.Logger
}

// Configuration is a function that takes settings, together with their type; Configure makes it.
type Configuration struct {
	settings reflect.Type
	apply    func(ctx context.Context, raw []byte, host *Host) error
}

// Configure wraps fn, which takes the plugin's settings. Their JSON Schema is derived from S, a struct whose fields are
// described by tags:
//
//	Token   string        `json:"token" setting:"required,secret" description:"API token of the service account"`
//	Region  string        `json:"region" default:"eu" enum:"eu,us"`
//	Every   time.Duration `json:"every" default:"30s"`
//
// "required" refuses a missing or empty value, "secret" keeps it off every page and log, "default" is taken when the
// setting is missing. A setting that S does not know is refused by its name. Numbers, booleans and durations may come as
// text too, because an environment variable is nothing else.
//
// fn is called when the settings satisfy all that, before any job. It may look further and return errors made with
// FieldError (several with errors.Join); any error leaves the plugin unconfigured and is shown to the operator. It may
// be called again in the same process with other settings, and must not block for long.
func Configure[S any](fn func(ctx context.Context, settings S, host *Host) error) Configuration {
	return Configuration{
		settings: reflect.TypeFor[S](),
		apply: func(ctx context.Context, raw []byte, host *Host) error {
			var s S
			if err := decodeSettings(raw, &s); err != nil {
				return err
			}
			return fn(ctx, s, host)
		},
	}
}

// Subscription is a handler for facts, of this or of another domain.
type Subscription struct {
	// Fact is the type of the fact, such as "shop.order.paid".
	Fact string
	// Instance must have emitted it; empty: any.
	Instance string
	// Job is the type of the job that a fact becomes here; empty: the domain's name, a dot and the fact's type.
	Job string
	// Bulk sends the jobs by the lane that yields to others.
	Bulk bool
	// Order is the JSON pointer to the subject whose jobs run one after another; empty: no order.
	Order string
	// Policy narrows that of the domain.
	Policy Policy
	// Handle is made by Handle or Answer.
	Handle Handler
}

func (p Policy) proto() *pluginv1.Policy {
	if p == (Policy{}) {
		return nil
	}
	return &pluginv1.Policy{
		Concurrency: clampInt32(p.Concurrency), MaxAttempts: clampInt32(p.MaxAttempts),
		Timeout: duration(p.Timeout), Backoff: duration(p.Backoff), MaxBackoff: duration(p.MaxBackoff),
	}
}
