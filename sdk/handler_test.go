package sdk

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/url"
	"strings"
	"testing"
	"time"

	"bulkhead.dev/sdk/pluginv1"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/go-hclog"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// configured is a domain with one subscription, handled by h as shop.job, and what it has logged.
func configured(t *testing.T, h Handler) (*Domain, *bytes.Buffer) {
	t.Helper()
	d := &Domain{Name: "shop", Version: "1.0.0", Facts: []string{"shop.paid"},
		Subscriptions: []Subscription{{Fact: "till.closed", Job: "shop.job", Handle: h}}}
	var logged bytes.Buffer
	host := &Host{Instance: "shop", Log: hclog.New(&hclog.LoggerOptions{JSONFormat: true, Output: &logged})}
	if faults := d.configure(t.Context(), &pluginv1.ConfigureRequest{}, host); faults != nil {
		t.Fatal(faults)
	}
	return d, &logged
}

func attempt(contentType, data string) *pluginv1.Run {
	return &pluginv1.Run{Token: "t1", Attempt: 2, Starts: 3, Job: &pluginv1.Job{
		Id: "shop-1", Type: "shop.job", RequestId: "n1-r1", Datacontenttype: contentType, Data: []byte(data),
	}}
}

func TestAHandlerSeesItsJob(t *testing.T) {
	t.Parallel()
	var got *Job
	d, _ := configured(t, Handle(func(_ context.Context, job *Job, _ json.RawMessage) error {
		got = job
		return nil
	}))
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	out := d.run(t.Context(), &pluginv1.Run{
		Token: "t1", Attempt: 2, Starts: 3, Deadline: timestamppb.New(at.Add(time.Hour)),
		Job: &pluginv1.Job{
			Id: "shop-1", Type: "shop.job", Source: "webhook:/webhooks/shop/a", Subject: "7", Time: timestamppb.New(at),
			Data: []byte(`{"a":1}`), Datacontenttype: "application/json", RequestId: "n1-r1", Traceparent: "00-a-b-01",
			Principal:  &pluginv1.Principal{Who: "ann", Roles: []string{"clerk"}},
			PathParams: map[string]string{"id": "1"}, Headers: map[string]string{"X-A": "b"}, Query: "q=1", EventId: "e", Reply: true,
			Fact: "till.closed",
		},
	})
	if out.GetDone() == nil || out.GetToken() != "t1" {
		t.Fatalf("outcome %v", out)
	}
	want := &Job{
		ID: "shop-1", Type: "shop.job", Source: "webhook:/webhooks/shop/a", Subject: "7", RequestID: "n1-r1", EventID: "e",
		Fact: "till.closed", Query: "q=1", Time: at, Deadline: at.Add(time.Hour), Attempt: 2, Starts: 3,
		Headers: map[string]string{"X-A": "b"}, PathParams: map[string]string{"id": "1"},
		Principal: Principal{Who: "ann", Roles: []string{"clerk"}}, Reply: true, Traceparent: "00-a-b-01",
		ContentType: "application/json", Data: []byte(`{"a":1}`),
	}
	ignore := cmp.FilterPath(func(p cmp.Path) bool {
		name := p.Last().String()
		return name == ".Log" || name == ".mu" || name == ".facts" || name == ".emits" || name == ".faults" || name == ".texts"
	}, cmp.Ignore())
	if diff := cmp.Diff(want, got, ignore); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestPayloadsAreDecoded(t *testing.T) {
	t.Parallel()
	type in struct {
		Name   string          `json:"name"`
		Count  int             `json:"count"`
		Tags   []string        `json:"tags"`
		Inner  *loose          `json:"inner"`
		Any    any             `json:"any"`
		Raw    json.RawMessage `json:"raw"`
		On     bool            `json:"on"`
		Born   time.Time       `json:"born"`
		Strict struct {
			ID int `json:"id"`
		} `json:"strict"`
	}
	full := in{
		Name: "5", Count: 5, Tags: []string{"x"}, Inner: &loose{Event: "e"}, Any: "7", Raw: json.RawMessage(`[1]`), On: true,
		Born: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
	}
	form := url.Values{
		"name": {"5"}, "count": {"5"}, "tags": {"x"}, "inner": {`{"event":"e"}`}, "any": {"7"}, "raw": {"[1]"}, "on": {"true"},
		"born": {"2026-01-02T03:04:05Z"}, "new": {"1", "2"},
	}
	texts := map[string]any{}
	for name, values := range form {
		texts[name] = values
		if len(values) == 1 {
			texts[name] = values[0]
		}
	}
	object, err := json.Marshal(texts)
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		contentType, data string
		texts             bool
		want              in
		reason            string
	}{
		"json":                        {"application/json; charset=utf-8", `{"name":"5","new":{}}`, false, in{Name: "5"}, ""},
		"json by name":                {"application/vnd.acme+json", `{"name":"5"}`, false, in{Name: "5"}, ""},
		"a fact":                      {"", `{"name":"5"}`, false, in{Name: "5"}, ""},
		"no body":                     {"application/json", ``, false, in{}, ""},
		"form":                        {"application/x-www-form-urlencoded", form.Encode(), false, full, ""},
		"form that the host has read": {"application/json", string(object), true, full, ""},
		"json where forms come too":   {"application/json", `{"name":"5","count":5,"tags":["x"],"inner":{"event":"e"},"any":"7","raw":[1],"on":true,"born":"2026-01-02T03:04:05Z"}`, true, full, ""},
		"wrong kind":                  {"application/json", `{"strict":{"id":"secret"}}`, false, in{}, "at /strict/id: a string does not go into a int"},
		"wrong number":                {"application/json", `{"count":1.5}`, false, in{}, "at /count: a number does not go into a int"},
		"wrong top":                   {"application/json", `[]`, false, in{}, "at the top: a array does not go into a sdk.in"},
		"broken":                      {"application/json", `{"name":`, false, in{}, "at byte 8: unexpected end of JSON input"},
		"broken form":                 {"application/x-www-form-urlencoded", `%zz`, false, in{}, "the body is not a form"},
		"wrong text":                  {"application/json", `{"count":"five"}`, true, in{}, "at /count: a string does not go into a int"},
		"other media":                 {"text/plain", `x`, false, in{}, "content type text/plain is neither JSON nor a form"},
		"odd media":                   {"/", `x`, false, in{}, `content type "/"`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got in
			err := decodePayload(&Job{Type: "shop.job", ContentType: tc.contentType, Data: []byte(tc.data), texts: tc.texts}, &got)
			if tc.reason != "" {
				out := failed(t.Context(), "t", err)
				if r := out.GetReject().GetReason(); !strings.HasPrefix(r, "the payload does not fit the handler of shop.job: ") || !strings.Contains(r, tc.reason) {
					t.Errorf("outcome %v does not reject with %q", out, tc.reason)
				}
				return
			}
			if diff := cmp.Diff(tc.want, got); err != nil || diff != "" {
				t.Errorf("error %v, -want +got:\n%s", err, diff)
			}
		})
	}
}

func TestFormsMayBeTakenAsTheyAre(t *testing.T) {
	t.Parallel()
	want := url.Values{"a": {"1", "2"}, "b": {"{}"}}
	for contentType, data := range map[string]string{"application/x-www-form-urlencoded": "a=1&a=2&b=%7B%7D", "": `{"a":["1","2"],"b":"{}"}`} {
		var got url.Values
		if err := decodePayload(&Job{ContentType: contentType, Data: []byte(data), texts: true}, &got); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: -want +got:\n%s", contentType, diff)
		}
	}
	var raw []byte
	if err := decodePayload(&Job{ContentType: "image/png", Data: []byte{1, 0xff}}, &raw); err != nil || !bytes.Equal(raw, []byte{1, 0xff}) {
		t.Errorf("bytes %v, error %v", raw, err)
	}
}

func TestRunsThatNoHandlerTakes(t *testing.T) {
	t.Parallel()
	d, _ := configured(t, Handle(take[loose]))
	other := attempt("", `{}`)
	other.Job.Type = "shop.other"
	if r := d.run(t.Context(), other).GetReject(); !strings.Contains(r.GetReason(), `no handler for jobs of type "shop.other"`) {
		t.Errorf("unknown type: %v", r)
	}
	reserved := attempt("", `{}`)
	reserved.Job.Type = "conformance.echo"
	if r := d.run(t.Context(), reserved).GetReject(); !strings.Contains(r.GetReason(), `no handler for jobs of type "conformance.echo"`) {
		t.Errorf("a reserved type is open: %v", r)
	}
	fresh := &Domain{Name: "shop", Version: "1.0.0"}
	if r := fresh.run(t.Context(), other).GetRetry(); r.GetCost() != pluginv1.Cost_COST_NONE || r.GetFault() != pluginv1.Fault_FAULT_HOST {
		t.Errorf("unconfigured: %v", r)
	}
}

func TestAPanicIsAnErrorOfThatJobAlone(t *testing.T) {
	t.Parallel()
	d, logged := configured(t, Handle(func(_ context.Context, job *Job, _ loose) error {
		job.Emit("shop.paid", 1)
		panic("odd")
	}))
	want := &pluginv1.Outcome{Token: "t1", Result: &pluginv1.Outcome_Retry{Retry: &pluginv1.Retry{
		Reason: "panic: odd", Cost: pluginv1.Cost_COST_ATTEMPT, Fault: pluginv1.Fault_FAULT_PLUGIN,
	}}}
	if diff := cmp.Diff(want, d.run(t.Context(), attempt("", `{"event":"e"}`)), protocmp.Transform()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	var record map[string]any
	if err := json.Unmarshal(logged.Bytes(), &record); err != nil {
		t.Fatalf("not one record: %v\n%s", err, logged)
	}
	for key, part := range map[string]string{
		"@message": "the handler panicked", "job": "shop-1", "request_id": "n1-r1", "run": "t1", "type": "shop.job",
		"panic": "odd", "stack": "handler_test.go",
	} {
		if text, _ := record[key].(string); !strings.Contains(text, part) {
			t.Errorf("%s: %q does not say %q", key, text, part)
		}
	}
}

func TestFactsGoOutWithSuccessAlone(t *testing.T) {
	t.Parallel()
	boom := errors.New("boom")
	for name, tc := range map[string]struct {
		do     func(job *Job) error
		emits  []*pluginv1.Emit
		reason string // of a reject
	}{
		"by index and by key": {func(job *Job) error {
			job.Emit("shop.paid", map[string]int{"a": 1})
			job.Emit("shop.paid", "x", WithKey("k"), WithSubject("7"))
			return nil
		}, []*pluginv1.Emit{{Type: "shop.paid", Data: []byte(`{"a":1}`)}, {Type: "shop.paid", Data: []byte(`"x"`), Key: "k", Subject: "7"}}, ""},
		"with an error":             {func(job *Job) error { job.Emit("shop.paid", 1); return boom }, nil, ""},
		"undeclared":                {func(job *Job) error { job.Emit("shop.lost", 1); return nil }, nil, `fact "shop.lost" is not among the facts that the domain declares (shop.paid)`},
		"undeclared, with an error": {func(job *Job) error { job.Emit("shop.lost", 1); return boom }, nil, `fact "shop.lost"`},
		"no JSON":                   {func(job *Job) error { job.Emit("shop.paid", func() {}); return nil }, nil, "fact shop.paid: json: unsupported type: func()"},
		"same key": {func(job *Job) error {
			job.Emit("shop.paid", 1, WithKey("k"))
			job.Emit("shop.paid", 2, WithKey("k"))
			return nil
		}, nil, `fact shop.paid: the key "k" was used before in this job`},
		"too many": {func(job *Job) error {
			for i := range maxEmits + 1 {
				job.Emit("shop.paid", i)
			}
			return nil
		}, nil, "more than 1000 facts"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d, _ := configured(t, Handle(func(_ context.Context, job *Job, _ []byte) error { return tc.do(job) }))
			out := d.run(t.Context(), attempt("", ``))
			if diff := cmp.Diff(tc.emits, out.GetEmits(), protocmp.Transform()); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			if tc.reason != "" && !strings.Contains(out.GetReject().GetReason(), tc.reason) {
				t.Errorf("%v does not reject with %q", out, tc.reason)
			}
		})
	}
}

func TestAnswersAreMarshalled(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		h      Handler
		want   *pluginv1.Done
		reason string
	}{
		"json":       {Answer(func(context.Context, *Job, []byte) (map[string]int, error) { return map[string]int{"a": 1}, nil }), &pluginv1.Done{Data: []byte(`{"a":1}`)}, ""},
		"response":   {Answer(func(context.Context, *Job, []byte) (Response, error) { return Response{Status: 201}, nil }), &pluginv1.Done{Status: 201}, ""},
		"pointer":    {Answer(func(context.Context, *Job, []byte) (*Response, error) { return &Response{Status: 201}, nil }), &pluginv1.Done{Status: 201}, ""},
		"no pointer": {Answer(func(context.Context, *Job, []byte) (*Response, error) { return nil, nil }), &pluginv1.Done{}, ""},
		"an any":     {Answer(func(context.Context, *Job, []byte) (any, error) { return &Response{Status: 201}, nil }), &pluginv1.Done{Status: 201}, ""},
		"no JSON":    {Answer(func(context.Context, *Job, []byte) (any, error) { return func() {}, nil }), nil, "the result: json: unsupported type: func()"},
		"error":      {Answer(func(context.Context, *Job, []byte) (any, error) { return 1, Reject(errors.New("no")) }), nil, "no"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d, _ := configured(t, tc.h)
			out := d.run(t.Context(), attempt("", ``))
			if diff := cmp.Diff(tc.want, out.GetDone(), protocmp.Transform()); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			if got := out.GetReject().GetReason(); got != tc.reason {
				t.Errorf("reason %q, want %q", got, tc.reason)
			}
		})
	}
}
