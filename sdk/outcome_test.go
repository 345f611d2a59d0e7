package sdk

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"bulkhead.dev/sdk/internal/disposition"
	"bulkhead.dev/sdk/pluginv1"
	"bulkhead.dev/sdk/wire"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/durationpb"
)

// foreign is an error of another package that says how its job goes on, as those of rest do.
type foreign struct{ d disposition.Disposition }

func (f foreign) Error() string                        { return "foreign" }
func (f foreign) Disposition() disposition.Disposition { return f.d }

func TestErrorsBecomeOutcomes(t *testing.T) {
	t.Parallel()
	const plugin, vendor, host = pluginv1.Fault_FAULT_PLUGIN, pluginv1.Fault_FAULT_VENDOR, pluginv1.Fault_FAULT_HOST
	boom := errors.New("boom")
	taken := errors.New("the host took it back")
	alive := context.Background
	cancelled := func() context.Context {
		ctx, cancel := context.WithCancelCause(context.Background())
		cancel(taken)
		return ctx
	}
	late := func() context.Context {
		ctx, cancel := context.WithDeadlineCause(context.Background(), time.Unix(1, 0), taken)
		cancel()
		return ctx
	}
	again := func(reason string, cost pluginv1.Cost, fault pluginv1.Fault, after time.Duration) *pluginv1.Outcome {
		m := &pluginv1.Retry{Reason: reason, Cost: cost, Fault: fault}
		if after > 0 {
			m.After = durationpb.New(after)
		}
		return &pluginv1.Outcome{Token: "t", Result: &pluginv1.Outcome_Retry{Retry: m}}
	}
	never := func(reason string, fault pluginv1.Fault) *pluginv1.Outcome {
		return &pluginv1.Outcome{Token: "t", Result: &pluginv1.Outcome_Reject{Reject: &pluginv1.Reject{Reason: reason, Fault: fault}}}
	}
	const counts, free = pluginv1.Cost_COST_ATTEMPT, pluginv1.Cost_COST_NONE
	for name, tc := range map[string]struct {
		ctx  func() context.Context
		err  error
		want *pluginv1.Outcome
	}{
		"plain":                      {alive, boom, again("boom", counts, plugin, 0)},
		"vendor":                     {alive, Vendor(boom), again("boom", counts, vendor, 0)},
		"vendor, wrapped":            {alive, fmt.Errorf("x: %w", Vendor(boom)), again("x: boom", counts, vendor, 0)},
		"reject":                     {alive, Reject(boom), never("boom", plugin)},
		"reject of the vendor":       {alive, Reject(Vendor(boom)), never("boom", vendor)},
		"vendor of the reject":       {alive, Vendor(Reject(boom)), never("boom", vendor)},
		"reject, wrapped":            {alive, fmt.Errorf("x: %w", Reject(boom)), never("x: boom", plugin)},
		"later":                      {alive, RetryAfter(time.Minute, boom), again("boom", free, plugin, time.Minute)},
		"later of the vendor":        {alive, RetryAfter(time.Minute, Vendor(boom)), again("boom", free, vendor, time.Minute)},
		"later without a time":       {alive, RetryAfter(-1, boom), again("boom", free, plugin, 0)},
		"later takes a reject back":  {alive, RetryAfter(time.Second, Reject(boom)), again("boom", free, plugin, time.Second)},
		"reject ends a later":        {alive, Reject(RetryAfter(time.Second, boom)), never("boom", plugin)},
		"foreign":                    {alive, foreign{disposition.Disposition{After: 3, Free: true, Fault: vendor}}, again("foreign", free, vendor, 3)},
		"foreign, ruled over":        {alive, Reject(foreign{disposition.Disposition{After: 3, Free: true, Fault: vendor}}), never("foreign", vendor)},
		"joined":                     {alive, errors.Join(boom, Reject(taken)), never("boom\nthe host took it back", plugin)},
		"a context of the handler's": {alive, context.DeadlineExceeded, again("context deadline exceeded", counts, plugin, 0)},
		"cancelled":                  {cancelled, context.Canceled, again("interrupted: context canceled", free, host, 0)},
		"cancelled, by its cause":    {cancelled, fmt.Errorf("x: %w", taken), again("interrupted: x: the host took it back", free, host, 0)},
		"cancelled, other error":     {cancelled, boom, again("interrupted: boom", free, host, 0)},
		"cancelled, but rejected":    {cancelled, Reject(boom), never("boom", plugin)},
		"cancelled, reject of that":  {cancelled, Reject(context.Canceled), again("interrupted: context canceled", free, host, 0)},
		"late":                       {late, context.DeadlineExceeded, again("the time of this attempt was over: context deadline exceeded", counts, plugin, 0)},
		"late, by its cause":         {late, taken, again("the time of this attempt was over: the host took it back", counts, plugin, 0)},
		"late at the vendor":         {late, Vendor(context.DeadlineExceeded), again("the time of this attempt was over: context deadline exceeded", counts, vendor, 0)},
		"late, but ruled":            {late, RetryAfter(time.Second, boom), again("boom", free, plugin, time.Second)},
		"no text":                    {alive, errors.New(""), again("an error of type *errors.errorString without a text", counts, plugin, 0)},
		"bad text":                   {alive, errors.New("a\xffb"), again("a\uFFFDb", counts, plugin, 0)},
		"long text":                  {alive, errors.New(strings.Repeat("ä", 4000)), again(strings.Repeat("ä", 2045)+" [...]", counts, plugin, 0)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(tc.want, failed(tc.ctx(), "t", tc.err), protocmp.Transform()); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestNilStaysNil(t *testing.T) {
	t.Parallel()
	if Reject(nil) != nil || RetryAfter(time.Second, nil) != nil || Vendor(nil) != nil {
		t.Error("a ruling made an error of nil")
	}
}

func TestRulingsKeepTheError(t *testing.T) {
	t.Parallel()
	boom := errors.New("boom")
	if !errors.Is(Reject(Vendor(RetryAfter(1, boom))), boom) {
		t.Error("errors.Is does not find the ruled error")
	}
}

func TestResultsBecomeOutcomes(t *testing.T) {
	t.Parallel()
	emits := []*pluginv1.Emit{{Type: "shop.paid", Data: []byte(`1`), Key: "k"}}
	for name, tc := range map[string]struct {
		result *Response
		done   *pluginv1.Done
		reason string // of a reject
	}{
		"nothing": {nil, &pluginv1.Done{}, ""},
		"json":    {&Response{Body: []byte(`1`)}, &pluginv1.Done{Data: []byte(`1`)}, ""},
		"all": {
			&Response{Status: 404, Headers: map[string]string{"X-A": "ä"}, ContentType: "text/plain", Body: []byte("no")},
			&pluginv1.Done{Status: 404, Headers: map[string]string{"X-A": "ä"}, ContentType: "text/plain", Data: []byte("no")}, "",
		},
		"status":         {&Response{Status: 99}, nil, "status 99 is not between 200 and 599"},
		"header's name":  {&Response{Headers: map[string]string{"X A": "1"}}, nil, `header "X A" is not a valid header`},
		"header's value": {&Response{Headers: map[string]string{"X-A": "1\r\nX-B: 2"}}, nil, `header "X-A" is not a valid header`},
		"content type":   {&Response{ContentType: "\xff"}, nil, "content type is not valid UTF-8"},
		"too large":      {&Response{Body: make([]byte, wire.MaxOutcomeBytes)}, nil, "bytes; 16711680 fit a message"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := succeeded("t", tc.result, emits)
			if tc.done == nil {
				if r := got.GetReject(); !strings.Contains(r.GetReason(), tc.reason) || r.GetFault() != pluginv1.Fault_FAULT_PLUGIN {
					t.Errorf("%v does not reject with %q", got, tc.reason)
				}
				if len(got.GetEmits()) > 0 {
					t.Error("a rejected job emits")
				}
				return
			}
			want := &pluginv1.Outcome{Token: "t", Result: &pluginv1.Outcome_Done{Done: tc.done}, Emits: emits}
			if !proto.Equal(want, got) {
				t.Errorf("outcome %v, want %v", got, want)
			}
		})
	}
}
