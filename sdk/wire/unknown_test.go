package wire_test

import (
	"errors"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"bulkhead.dev/sdk/pluginv1"
	"bulkhead.dev/sdk/wire"
)

// strange puts a field into m that nobody knows.
func strange[M proto.Message](m M, number protowire.Number) M {
	m.ProtoReflect().SetUnknown(protowire.AppendVarint(protowire.AppendTag(nil, number, protowire.VarintType), 1))
	return m
}

func job() *pluginv1.Job {
	return &pluginv1.Job{Id: "a-1", Lane: pluginv1.Lane_LANE_NORMAL, Data: []byte("{}"), Time: timestamppb.Now()}
}

func TestCheckUnknown(t *testing.T) {
	t.Parallel()
	badLane, unspecified := job(), job()
	badLane.Lane, unspecified.Lane = 77, 0
	for name, c := range map[string]struct {
		m       proto.Message
		allowed []string
		want    string // "": allowed
	}{
		"nothing":  {m: nil},
		"empty":    {m: &pluginv1.WorkRequest{}},
		"good":     {m: &pluginv1.WorkRequest{Runs: []*pluginv1.Run{{Token: "t", Job: job()}}}},
		"top":      {m: strange(&pluginv1.WorkRequest{}, 9), want: "field 9 of bulkhead.plugin.v1.WorkRequest is not known"},
		"in list":  {m: &pluginv1.WorkRequest{Runs: []*pluginv1.Run{{Job: job()}, strange(&pluginv1.Run{}, 8)}}, want: "runs[1]: field 8 of bulkhead.plugin.v1.Run"},
		"deep":     {m: &pluginv1.WorkRequest{Runs: []*pluginv1.Run{{Job: strange(job(), 70)}}}, want: "runs[0]: job: field 70 of bulkhead.plugin.v1.Job"},
		"in oneof": {m: &pluginv1.Outcome{Result: &pluginv1.Outcome_Done{Done: strange(&pluginv1.Done{}, 5)}}, want: "done: field 5 of bulkhead.plugin.v1.Done"},
		"in time":  {m: &pluginv1.Job{Lane: pluginv1.Lane_LANE_BULK, Time: strange(timestamppb.Now(), 3)}, want: "time: field 3 of google.protobuf.Timestamp"},
		"allowed":  {m: strange(&pluginv1.Route{Pattern: 1, Lane: 1}, 19), allowed: []string{"bulkhead.plugin.v1.Route.19"}},
		"other one is allowed": {m: strange(&pluginv1.Route{Pattern: 1, Lane: 1}, 19),
			allowed: []string{"bulkhead.plugin.v1.Route.20"}, want: "field 19"},
		"unspecified enum": {m: unspecified, want: "lane: bulkhead.plugin.v1.Lane is unspecified"},
		"unknown enum":     {m: badLane, want: "lane: value 77 of bulkhead.plugin.v1.Lane"},
		"enum in oneof":    {m: &pluginv1.Outcome{Result: &pluginv1.Outcome_Reject{Reject: &pluginv1.Reject{}}}, want: "reject: fault: bulkhead.plugin.v1.Fault is unspecified"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := wire.CheckUnknown(c.m, c.allowed...)
			switch {
			case c.want == "" && err != nil:
				t.Error(err)
			case c.want != "" && (err == nil || !errors.Is(err, wire.ErrUnknown) || !strings.Contains(err.Error(), c.want)):
				t.Errorf("error: %v\nwant: %s", err, c.want)
			}
		})
	}
}

// FuzzCheckUnknown: whatever decodes is either refused, or has no bytes that this side does not know.
func FuzzCheckUnknown(f *testing.F) {
	good, err := proto.Marshal(&pluginv1.WorkRequest{Runs: []*pluginv1.Run{{Token: "t", Job: job()}}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add(append(good, 0x48, 1))
	f.Fuzz(func(t *testing.T, data []byte) {
		var m pluginv1.WorkRequest
		if proto.Unmarshal(data, &m) != nil || wire.CheckUnknown(&m) != nil {
			return
		}
		clean := proto.CloneOf(&m)
		if err := (proto.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(data, clean); err != nil {
			t.Fatal(err)
		}
		if !proto.Equal(&m, clean) {
			t.Errorf("let through: %v", &m)
		}
	})
}

func BenchmarkCheckUnknown(b *testing.B) {
	m := &pluginv1.WorkRequest{}
	for range 100 {
		m.Runs = append(m.Runs, &pluginv1.Run{Token: "t", Job: job(), Deadline: timestamppb.Now()})
	}
	b.ReportAllocs()
	for b.Loop() {
		if err := wire.CheckUnknown(m); err != nil {
			b.Fatal(err)
		}
	}
}
