package plugintest_test

import (
	"context"
	"fmt"

	"bulkhead.dev/sdk"
	"bulkhead.dev/sdk/plugintest"
	"bulkhead.dev/sdk/state"
)

type visit struct {
	Who string `json:"who"`
}

// counter is a plugin that counts visits.
func counter() *sdk.Domain {
	var counts state.KV[int]
	return &sdk.Domain{
		Name: "counter", Version: "1.0.0", Facts: []string{"counter.visited"},
		Configure: sdk.Configure(func(_ context.Context, _ struct{}, host *sdk.Host) error {
			counts = state.KVOf[int](host.State, "visits/")
			return nil
		}),
		Subscriptions: []sdk.Subscription{{Fact: "door.opened", Job: "counter.visit", Handle: sdk.Handle(
			func(ctx context.Context, job *sdk.Job, in visit) error {
				entry, _, err := counts.Entry(ctx, in.Who)
				if err != nil {
					return err
				}
				job.Emit("counter.visited", in, sdk.WithKey(in.Who))
				_, err = counts.CompareAndSet(ctx, in.Who, entry.Revision, entry.Value+1)
				return err
			})}},
	}
}

func ExampleHarness_Do() {
	ctx := context.Background()
	h, err := plugintest.New(ctx, counter(), plugintest.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = h.Close() }()
	for range 2 {
		result, err := h.Do(ctx, "counter.visit", visit{Who: "ann"})
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(result.Kind, result.Emits[0].Type, string(result.Emits[0].Data))
	}
	count, _, err := state.KVOf[int](h.State, "visits/").Get(ctx, "ann")
	fmt.Println(count, err)
	// Output:
	// done counter.visited {"who":"ann"}
	// done counter.visited {"who":"ann"}
	// 2 <nil>
}
