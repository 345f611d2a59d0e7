package sdk

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"bulkhead.dev/sdk/internal/conformance"
	"bulkhead.dev/sdk/pluginv1"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/durationpb"
)

// TestReservedJobsDoWhatTheirNamesSay needs no settings: the suite knows none of the plugin it tests.
func TestReservedJobsDoWhatTheirNamesSay(t *testing.T) {
	t.Setenv(conformance.Env, "1")
	d := &Domain{Name: "shop", Version: "1.0.0"}
	fails := func(reason string, cost pluginv1.Cost, fault pluginv1.Fault) *pluginv1.Retry {
		return &pluginv1.Retry{Reason: reason, Cost: cost, Fault: fault}
	}
	const counts, free = pluginv1.Cost_COST_ATTEMPT, pluginv1.Cost_COST_NONE
	const plugin, vendor = pluginv1.Fault_FAULT_PLUGIN, pluginv1.Fault_FAULT_VENDOR
	later := fails("x", free, plugin)
	later.After = durationpb.New(5 * time.Millisecond)
	seen, err := json.Marshal(conformance.Seen{
		ID: "shop-1", Type: conformance.Envelope, RequestID: "n1-r1", Attempt: 2, Starts: 3, Data: `{"text":"x"}`,
	})
	if err != nil {
		t.Fatal(err)
	}
	done := func(m *pluginv1.Done) *pluginv1.Outcome {
		return &pluginv1.Outcome{Token: "t1", Result: &pluginv1.Outcome_Done{Done: m}}
	}
	retried := func(m *pluginv1.Retry) *pluginv1.Outcome {
		return &pluginv1.Outcome{Token: "t1", Result: &pluginv1.Outcome_Retry{Retry: m}}
	}
	order := `{"text":"x"}`
	emitted := done(&pluginv1.Done{})
	for _, key := range []string{"0", "1"} {
		emitted.Emits = append(emitted.Emits, &pluginv1.Emit{
			Type: conformance.Fact, Key: key, Subject: "s", Data: []byte(`{"text":"s","count":2}`),
		})
	}
	for _, tc := range []struct {
		jobType, data string
		want          *pluginv1.Outcome
	}{
		{conformance.Echo, `[1]`, done(&pluginv1.Done{Data: []byte(`[1]`), ContentType: "application/json"})},
		{conformance.Envelope, order, done(&pluginv1.Done{Data: seen})},
		{conformance.Panic, order, retried(fails("panic: x", counts, plugin))},
		{conformance.Retry, order, retried(fails("x", counts, plugin))},
		{conformance.Later, `{"text":"x","millis":5}`, retried(later)},
		{conformance.Vendor, order, retried(fails("x", counts, vendor))},
		{conformance.Reject, order, &pluginv1.Outcome{Token: "t1", Result: &pluginv1.Outcome_Reject{Reject: &pluginv1.Reject{Reason: "x", Fault: plugin}}}},
		{conformance.Emit, `{"text":"s","count":2}`, emitted},
		{conformance.Sleep, `{"millis":1}`, done(&pluginv1.Done{Data: []byte(`{"millis":1}`)})},
		{conformance.Stubborn, `{"millis":1}`, done(&pluginv1.Done{Data: []byte(`{"millis":1}`)})},
		{conformance.Respond, `{"text":"tea","count":418}`, done(&pluginv1.Done{
			Status: 418, Headers: map[string]string{"X-Conformance": "tea"}, ContentType: "text/plain", Data: []byte("tea"),
		})},
		{conformance.Large, `{"count":3}`, done(&pluginv1.Done{ContentType: "text/plain", Data: []byte("xxx")})},
	} {
		t.Run(tc.jobType, func(t *testing.T) {
			run := attempt("application/json", tc.data)
			run.Job.Type = tc.jobType
			if diff := cmp.Diff(tc.want, d.run(t.Context(), run), protocmp.Transform()); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
	run := attempt("", `{}`)
	run.Job.Type = "conformance.dance"
	if r := d.run(t.Context(), run).GetReject(); !strings.Contains(r.GetReason(), "no handler") {
		t.Errorf("an unknown reserved type: %v", r)
	}
}
