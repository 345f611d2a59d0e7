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
// not come back together. It is above zero and at most the longest.
func (p policy) wait(attempt int) time.Duration {
	ceiling := min(p.backoff, p.longest)
	for n := 1; n < attempt && ceiling < p.longest; n++ {
		ceiling = min(2*ceiling, p.longest) // half the longest at most is doubled: no overflow
	}
	return rand.N(ceiling) + 1 //nolint:gosec // jitter needs no secrecy
}

// origin is where a job comes from: one job type may be declared by routes of both patterns and by subscriptions.
type origin uint8

const (
	fromWebhook origin = iota
	fromCaller
	fromFact
)

type policyKey struct {
	jobType string
	origin  origin
}

// policies are those of one instance.
type policies struct {
	domain policy
	types  map[policyKey]policy
}

// policiesOf finds the policy of each job type of a manifest, the operator's first.
func policiesOf(m *pluginv1.Manifest, operator *pluginv1.Policy) policies {
	all := policies{domain: resolve(operator, m.GetPolicy()), types: map[policyKey]policy{}}
	quick := &pluginv1.Policy{MaxAttempts: syncAttempts, Backoff: durationpb.New(syncBackoff)}
	for _, route := range m.GetRoutes() {
		if route.GetPattern() == pluginv1.Pattern_PATTERN_SYNC {
			all.types[policyKey{route.GetJobType(), fromCaller}] = resolve(operator, route.GetPolicy(), quick, m.GetPolicy())
			continue
		}
		all.types[policyKey{route.GetJobType(), fromWebhook}] = resolve(operator, route.GetPolicy(), m.GetPolicy())
	}
	for _, sub := range m.GetSubscriptions() {
		all.types[policyKey{sub.GetJobType(), fromFact}] = resolve(operator, sub.GetPolicy(), m.GetPolicy())
	}
	return all
}

// of is the policy of a job.
func (p policies) of(job *pluginv1.Job) policy {
	key := policyKey{jobType: job.GetType()}
	switch {
	case job.GetFact() != "":
		key.origin = fromFact
	case job.GetReply():
		key.origin = fromCaller
	}
	if found, ok := p.types[key]; ok {
		return found
	}
	return p.domain
}
