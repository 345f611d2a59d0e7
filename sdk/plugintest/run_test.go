package plugintest_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"bulkhead.dev/sdk"
	"bulkhead.dev/sdk/plugintest"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var errBoom = errors.New("boom")

// shop is a domain whose one handler does what the test says.
func shop(do func(ctx context.Context, job *sdk.Job, in map[string]any) (any, error)) *sdk.Domain {
	return &sdk.Domain{
		Name: "shop", Version: "1.0.0", Facts: []string{"shop.paid"},
		Configure: sdk.Configure(func(_ context.Context, s struct {
			Token string `json:"token" setting:"required,secret"`
		}, _ *sdk.Host) error {
			if strings.HasPrefix(s.Token, "old") {
				return sdk.FieldError("token", "has expired")
			}
			return nil
		}),
		Routes: []sdk.Route{{Path: "do", Sync: true, Handle: sdk.Answer(do)}},
	}
}

func token(t string) map[string]any { return map[string]any{"token": t} }

func TestOutcomesBecomeResults(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		out  any
		err  error
		want *plugintest.Result
	}{
		"done": {map[string]int{"a": 1}, nil, &plugintest.Result{
			Kind: plugintest.Done, Data: []byte(`{"a":1}`),
			Emits: []plugintest.Emit{{Type: "shop.paid", Key: "k", Subject: "s", Data: json.RawMessage(`1`)}},
		}},
		"response": {&sdk.Response{Status: 201, Headers: map[string]string{"X-A": "b"}, ContentType: "text/plain", Body: []byte("x")}, nil, &plugintest.Result{
			Kind: plugintest.Done, Status: 201, Headers: map[string]string{"X-A": "b"}, ContentType: "text/plain", Data: []byte("x"),
			Emits: []plugintest.Emit{{Type: "shop.paid", Key: "k", Subject: "s", Data: json.RawMessage(`1`)}},
		}},
		"retry":  {nil, errBoom, &plugintest.Result{Kind: plugintest.Retried, Reason: "boom", Fault: "plugin"}},
		"vendor": {nil, sdk.Vendor(errBoom), &plugintest.Result{Kind: plugintest.Retried, Reason: "boom", Fault: "vendor"}},
		"later": {nil, sdk.RetryAfter(time.Minute, errBoom), &plugintest.Result{
			Kind: plugintest.Retried, Reason: "boom", Fault: "plugin", After: time.Minute, Free: true,
		}},
		"reject": {nil, sdk.Reject(errBoom), &plugintest.Result{Kind: plugintest.Rejected, Reason: "boom", Fault: "plugin"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := plugintest.Start(t, shop(func(_ context.Context, job *sdk.Job, _ map[string]any) (any, error) {
				job.Emit("shop.paid", 1, sdk.WithKey("k"), sdk.WithSubject("s"))
				return tc.out, tc.err
			}), token("t"))
			got, err := h.Do(t.Context(), "shop.do", map[string]any{})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestTheJobIsHandedOn(t *testing.T) {
	t.Parallel()
	type seen struct {
		ID, Type, Subject, RequestID, EventID, Query, Who, Header, Param string
		Attempt, Starts                                                  int
		Deadline, Reply                                                  bool
	}
	h := plugintest.Start(t, shop(func(ctx context.Context, job *sdk.Job, _ map[string]any) (any, error) {
		_, deadline := ctx.Deadline()
		return seen{
			job.ID, job.Type, job.Subject, job.RequestID, job.EventID, job.Query, job.Principal.Who, job.Headers["X-A"],
			job.PathParams["p"], job.Attempt, job.Starts, deadline, job.Reply,
		}, nil
	}), token("t"))
	result, err := h.Run(t.Context(), plugintest.Job{
		Type: "shop.do", Payload: []byte(`{}`), ID: "shop-9", Subject: "s", RequestID: "r", EventID: "e", Query: "q=1", Who: "ann",
		Headers: map[string]string{"X-A": "h"}, PathParams: map[string]string{"p": "v"}, Attempt: 2, Starts: 4,
		Timeout: time.Hour, Reply: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	var got seen
	if err := result.Decode(&got); err != nil {
		t.Fatal(err)
	}
	want := seen{"shop-9", "shop.do", "s", "r", "e", "q=1", "ann", "h", "v", 2, 4, true, true}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestTimeAndCancelEndTheContext(t *testing.T) {
	t.Parallel()
	began, ended := make(chan struct{}, 1), make(chan error, 1)
	h := plugintest.Start(t, shop(func(ctx context.Context, _ *sdk.Job, _ map[string]any) (any, error) {
		began <- struct{}{}
		<-ctx.Done()
		ended <- context.Cause(ctx)
		return nil, ctx.Err()
	}), token("t"))
	result, err := h.Run(t.Context(), plugintest.Job{Type: "shop.do", Timeout: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	if result.Kind != plugintest.Retried || result.Free || !strings.HasPrefix(result.Reason, "the time of this attempt was over") {
		t.Errorf("result %+v", result)
	}
	<-began
	if cause := <-ended; cause == nil {
		t.Error("the context ended without a cause")
	}

	ctx, cancel := context.WithCancelCause(t.Context())
	go func() {
		<-began
		cancel(errBoom)
	}()
	if _, err := h.Do(ctx, "shop.do", nil); !errors.Is(err, errBoom) {
		t.Errorf("error %v, want %v", err, errBoom)
	}
	if cause := <-ended; !strings.Contains(cause.Error(), "boom") {
		t.Errorf("cause %v", cause)
	}
}

func TestManyRunAtOnce(t *testing.T) {
	t.Parallel()
	const n = 50
	gate := make(chan struct{})
	arrived := make(chan struct{}, n)
	h := plugintest.Start(t, shop(func(_ context.Context, _ *sdk.Job, in map[string]any) (any, error) {
		arrived <- struct{}{}
		<-gate
		return in["i"], nil
	}), token("t"))
	type answer struct {
		want, got int
		err       error
	}
	answers := make(chan answer, n)
	for i := range n {
		go func() {
			a := answer{want: i}
			var result *plugintest.Result
			if result, a.err = h.Do(t.Context(), "shop.do", map[string]int{"i": i}); a.err == nil {
				a.err = result.Decode(&a.got)
			}
			answers <- a
		}()
	}
	for range n {
		<-arrived
	}
	close(gate)
	for range n {
		if a := <-answers; a.err != nil || a.want != a.got {
			t.Errorf("answer %d to %d, error %v", a.got, a.want, a.err)
		}
	}
}

func TestRefusedSettingsAreTold(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		settings any
		want     sdk.SettingError
	}{
		"missing": {nil, sdk.SettingError{Field: "token", Message: "is required"}},
		"found":   {token("old1"), sdk.SettingError{Field: "token", Message: "has expired"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := plugintest.New(t.Context(), shop(nil), plugintest.Config{Settings: tc.settings})
			var refused *plugintest.SettingsError
			if !errors.As(err, &refused) {
				t.Fatalf("error %v is no SettingsError", err)
			}
			if diff := cmp.Diff([]sdk.SettingError{tc.want}, refused.Faults); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestAWrongDomainIsAnError(t *testing.T) {
	t.Parallel()
	_, err := plugintest.New(t.Context(), &sdk.Domain{Name: "Shop"}, plugintest.Config{})
	if err == nil || !strings.Contains(err.Error(), `name: "Shop" is not`) {
		t.Errorf("error %v", err)
	}
}

func TestAClosedHarnessRunsNothing(t *testing.T) {
	t.Parallel()
	h, err := plugintest.New(t.Context(), shop(nil), plugintest.Config{Settings: token("t")})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(h.Close(), h.Close()); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Do(t.Context(), "shop.do", nil); err == nil || !strings.Contains(err.Error(), "the harness is closed") {
		t.Errorf("error %v", err)
	}
}
