package sdk_test

import (
	"context"
	"errors"
	"strings"
	"time"

	"bulkhead.dev/sdk"
	"bulkhead.dev/sdk/state"
)

type settings struct {
	Secret string `json:"webhook_secret" setting:"required,secret" description:"signs the shop's webhooks"`
	Region string `json:"region" default:"eu" enum:"eu,us"`
}

type order struct {
	ID    string  `json:"id"`
	State string  `json:"state,omitempty"`
	Note  *string `json:"note"`
}

type shop struct{ seen state.KV[string] }

func (s *shop) configure(_ context.Context, _ settings, host *sdk.Host) error {
	if !strings.HasPrefix(host.PublicURL, "http") {
		return sdk.FieldError("region", "needs a public URL")
	}
	s.seen = state.KVOf[string](host.State, "orders/")
	return nil
}

func (s *shop) onOrder(ctx context.Context, job *sdk.Job, in order) error {
	if in.State == "" {
		return sdk.Reject(errors.New("the order has no state"))
	}
	if in.State == "paid" {
		job.Emit("shop.order.paid", in, sdk.WithKey(in.ID), sdk.WithSubject(in.ID))
	}
	return s.seen.Put(ctx, in.ID, in.State)
}

func (s *shop) find(ctx context.Context, _ *sdk.Job, in order) (order, error) {
	status, _, err := s.seen.Get(ctx, in.ID)
	return order{ID: in.ID, State: status}, err
}

func domain() *sdk.Domain {
	s := &shop{}
	return &sdk.Domain{
		Name: "shop", Version: "1.0.0", Configure: sdk.Configure(s.configure), Facts: []string{"shop.order.paid"},
		Policy: sdk.Policy{Concurrency: 8, Timeout: time.Minute, MaxAttempts: 8},
		Routes: []sdk.Route{
			{Path: "orders", Verify: sdk.HubSignature("webhook_secret"), Order: "/id", Handle: sdk.Handle(s.onOrder)},
			{Path: "find", Sync: true, Handle: sdk.Answer(s.find)},
		},
		Subscriptions: []sdk.Subscription{{Fact: "till.order.closed", Handle: sdk.Handle(s.onOrder)}},
	}
}

// A whole plugin: webhooks, a route for people, a subscription, settings, state and a fact for others.
func Example_plugin() {
	sdk.Serve(domain())
}
