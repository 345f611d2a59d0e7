package dispatch

import (
	"math/rand/v2"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	"bulkhead.dev/sdk/pluginv1"
)

// policy bounds one job type. Every field is set.
type policy struct {
	concurrency int
	timeout     time.Duration
	attempts    int
	backoff     time.Duration
	longest     time.Duration
}

// Where nobody says anything.
const (
	defaultConcurrency = 16
	defaultTimeout     = time.Minute
	defaultAttempts    = 8
	defaultBackoff     = time.Second
	defaultLongest     = 5 * time.Minute

	// A caller who waits gets an error soon rather than a late answer.
	syncAttempts = 3
	syncBackoff  = 200 * time.Millisecond
)

// resolve merges policies; of each field the first that is set counts.
func resolve(policies ...*pluginv1.Policy) policy {
	p := policy{
		concurrency: defaultConcurrency, timeout: defaultTimeout,
		attempts: defaultAttempts, backoff: defaultBackoff, longest: defaultLongest,
	}
	for i := len(policies) - 1; i >= 0; i-- {
		from := policies[i]
		override(&p.concurrency, int(from.GetConcurrency()))
		override(&p.attempts, int(from.GetMaxAttempts()))
		overrideDuration(&p.timeout, from.GetTimeout())
		overrideDuration(&p.backoff, from.GetBackoff())
		overrideDuration(&p.longest, from.GetMaxBackoff())
	}
	return p
}

func override(field *int, value int) {
	if value > 0 {
		*field = value
	}
}

func overrideDuration(field *time.Duration, value *durationpb.Duration) {
	if d := value.AsDuration(); d > 0 {
		*field = d
	}
}

// wait is the time before the attempt after the nth: exponential with full jitter, so that what failed together does
// not come back together.
func (p policy) wait(attempt int) time.Duration {
	ceiling := p.backoff << min(max(attempt-1, 0), 30)
	if ceiling <= 0 || ceiling > p.longest {
		ceiling = p.longest
	}
	return rand.N(ceiling) + time.Millisecond //nolint:gosec // jitter needs no secrecy
}

// policies finds the policy of each job type of a manifest, the operator's first.
func policies(m *pluginv1.Manifest, operator *pluginv1.Policy) (domain policy, byType map[string]policy) {
	byType = map[string]policy{}
	quick := &pluginv1.Policy{MaxAttempts: syncAttempts, Backoff: durationpb.New(syncBackoff)}
	for _, route := range m.GetRoutes() {
		if route.GetPattern() == pluginv1.Pattern_PATTERN_SYNC {
			byType[route.GetJobType()] = resolve(operator, route.GetPolicy(), quick, m.GetPolicy())
			continue
		}
		byType[route.GetJobType()] = resolve(operator, route.GetPolicy(), m.GetPolicy())
	}
	for _, sub := range m.GetSubscriptions() {
		byType[sub.GetJobType()] = resolve(operator, sub.GetPolicy(), m.GetPolicy())
	}
	return resolve(operator, m.GetPolicy()), byType
}
