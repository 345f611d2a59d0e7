package dispatch

import (
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	"bulkhead.dev/sdk/pluginv1"
)

func TestPolicyOfAJob(t *testing.T) {
	t.Parallel()
	manifest := func(domain, route, sub *pluginv1.Policy) *pluginv1.Manifest {
		return &pluginv1.Manifest{
			Policy: domain,
			Routes: []*pluginv1.Route{
				{JobType: "acme.ask", Pattern: pluginv1.Pattern_PATTERN_SYNC, Policy: route},
				{JobType: "acme.event", Pattern: pluginv1.Pattern_PATTERN_ASYNC, Policy: route},
				// One type by all three ways.
				{JobType: "acme.sync", Pattern: pluginv1.Pattern_PATTERN_ASYNC, Policy: route},
				{JobType: "acme.sync", Pattern: pluginv1.Pattern_PATTERN_SYNC},
			},
			Subscriptions: []*pluginv1.Subscription{{Fact: "widget.made", JobType: "acme.sync", Policy: sub}},
		}
	}
	attempts := func(n int32) *pluginv1.Policy { return &pluginv1.Policy{MaxAttempts: n} }
	webhook, caller := &pluginv1.Job{Type: "acme.event"}, &pluginv1.Job{Type: "acme.ask", Reply: true}
	for name, c := range map[string]struct {
		operator, domain, route, sub *pluginv1.Policy
		job                          *pluginv1.Job
		want                         int
	}{
		"nobody says anything":             {job: webhook, want: 8},
		"nobody, of one who waits":         {job: caller, want: 3},
		"the domain":                       {domain: attempts(4), job: webhook, want: 4},
		"the domain, of one who waits":     {domain: attempts(4), job: caller, want: 3},
		"the route before the domain":      {domain: attempts(4), route: attempts(5), job: webhook, want: 5},
		"the route, of one who waits":      {domain: attempts(4), route: attempts(5), job: caller, want: 5},
		"the operator before all":          {operator: attempts(6), domain: attempts(4), route: attempts(5), job: webhook, want: 6},
		"the operator, of one who waits":   {operator: attempts(6), route: attempts(5), job: caller, want: 6},
		"an unknown type: the domain":      {domain: attempts(4), route: attempts(5), job: &pluginv1.Job{Type: "acme.old"}, want: 4},
		"one type, by webhook":             {route: attempts(5), sub: attempts(7), job: &pluginv1.Job{Type: "acme.sync"}, want: 5},
		"one type, by one who waits":       {route: attempts(5), sub: attempts(7), job: &pluginv1.Job{Type: "acme.sync", Reply: true}, want: 3},
		"one type, by a fact":              {route: attempts(5), sub: attempts(7), job: &pluginv1.Job{Type: "acme.sync", Fact: "widget.made"}, want: 7},
		"what is not set says nothing":     {operator: &pluginv1.Policy{}, domain: attempts(4), job: webhook, want: 4},
		"a negative number says nothing":   {operator: attempts(-1), domain: attempts(4), job: webhook, want: 4},
		"the subscription before a domain": {domain: attempts(4), sub: attempts(7), job: &pluginv1.Job{Type: "acme.sync", Fact: "widget.made"}, want: 7},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := policiesOf(manifest(c.domain, c.route, c.sub), c.operator).of(c.job).attempts; got != c.want {
				t.Errorf("%d attempts; want %d", got, c.want)
			}
		})
	}
}

func TestEachFieldIsResolvedByItself(t *testing.T) {
	t.Parallel()
	got := resolve(
		&pluginv1.Policy{Concurrency: 1, Timeout: durationpb.New(2 * time.Second)},
		&pluginv1.Policy{Concurrency: 9, MaxAttempts: 3, Backoff: durationpb.New(4 * time.Second)},
		&pluginv1.Policy{MaxAttempts: 9, Backoff: durationpb.New(9 * time.Second), MaxBackoff: durationpb.New(5 * time.Second)},
	)
	want := policy{concurrency: 1, timeout: 2 * time.Second, attempts: 3, backoff: 4 * time.Second, longest: 5 * time.Second}
	if got != want {
		t.Errorf("%+v; want %+v", got, want)
	}
	if got, want := resolve(nil), (policy{16, time.Minute, 8, time.Second, 5 * time.Minute}); got != want {
		t.Errorf("defaults %+v; want %+v", got, want)
	}
}

func TestBackoffIsBounded(t *testing.T) {
	t.Parallel()
	const week = 7 * 24 * time.Hour
	for name, c := range map[string]struct {
		p       policy
		attempt int
		ceiling time.Duration
	}{
		"the first":                 {policy{backoff: time.Second, longest: time.Minute}, 1, time.Second},
		"before any":                {policy{backoff: time.Second, longest: time.Minute}, 0, time.Second},
		"doubled each time":         {policy{backoff: time.Second, longest: time.Minute}, 4, 8 * time.Second},
		"up to the longest":         {policy{backoff: time.Second, longest: time.Minute}, 7, time.Minute},
		"a longest below the first": {policy{backoff: time.Hour, longest: time.Second}, 1, time.Second},
		"no overflow":               {policy{backoff: week, longest: week}, 1_000_000, week},
		"nor of odd ones":           {policy{backoff: week/3 + 1, longest: week}, 31, week},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var least, most time.Duration = week, 0
			for range 2000 {
				w := c.p.wait(c.attempt)
				if w <= 0 || w > c.ceiling {
					t.Fatalf("a wait of %v; want it above 0 and at most %v", w, c.ceiling)
				}
				least, most = min(least, w), max(most, w)
			}
			// Full jitter: both ends are reached, or two thousand draws lie.
			if least > c.ceiling/4 || most < c.ceiling*3/4 {
				t.Errorf("waits from %v to %v; want them all over 0 to %v", least, most, c.ceiling)
			}
		})
	}
}

func TestSlotsForThoseWhoWait(t *testing.T) {
	t.Parallel()
	async := &pluginv1.Manifest{Routes: []*pluginv1.Route{{Pattern: pluginv1.Pattern_PATTERN_ASYNC}}}
	sync := &pluginv1.Manifest{Routes: []*pluginv1.Route{{Pattern: pluginv1.Pattern_PATTERN_ASYNC}, {Pattern: pluginv1.Pattern_PATTERN_SYNC}}}
	for name, c := range map[string]struct {
		manifest    *pluginv1.Manifest
		slots, want int
	}{
		"nobody waits":          {async, 16, 0},
		"an eighth":             {sync, 16, 2},
		"one at least":          {sync, 2, 1},
		"but not the only slot": {sync, 1, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := reserve(c.manifest, c.slots); got != c.want {
				t.Errorf("%d reserved; want %d", got, c.want)
			}
		})
	}
}
