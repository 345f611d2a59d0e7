package rest

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// maxScopes bounds the buckets that are kept; beyond it full ones are dropped, then those longest unused.
const maxScopes = 4096

// Rate is a limit of a vendor: a token bucket for each scope.
type Rate struct {
	// Name of the limit in errors, and for Config.Pause. Required where Pause is used.
	Name string
	// Requests that are allowed Per.
	Requests int
	Per      time.Duration
	// Burst is the bucket's size. 0: Requests. Since a full bucket may be emptied at once and then refills, a window of Per
	// can see Burst + Requests calls: where the vendor counts strictly, set Burst and Requests to half of its figure each.
	Burst int
	// Scope says by what the vendor counts a request, such as its path or Subject; "" for a request that this limit does
	// not count. nil: all requests have one bucket.
	Scope func(*Request) string
	// Cost of a request in tokens; nil: 1. More than Burst counts as Burst, less than 1 as nothing.
	Cost func(*Request) int
}

func (r Rate) check(i int) error {
	if r.Requests <= 0 || r.Per <= 0 || r.Burst < 0 {
		return fmt.Errorf("rest: rate %d (%q) needs Requests and Per above 0", i, r.Name)
	}
	return nil
}

func (r Rate) burst() int {
	if r.Burst > 0 {
		return r.Burst
	}
	return r.Requests
}

// scope is the bucket's key within the limit; "" if the request is not counted.
func (r Rate) scope(request *Request) string {
	if r.Scope == nil {
		return "all"
	}
	return r.Scope(request)
}

func (r Rate) cost(request *Request) int {
	if r.Cost == nil {
		return 1
	}
	return min(max(r.Cost(request), 0), r.burst())
}

// scopeKey names a bucket: the index of its Rate, and the scope. everything is the key of the whole vendor.
type scopeKey struct {
	rate  int
	scope string
}

func everything() scopeKey { return scopeKey{rate: -1} }

// bucket is the state of one scope.
type bucket struct {
	tokens *rate.Limiter
	used   time.Time
	// held is until when the vendor asked to be left alone.
	held time.Time
}

// limit lets calls out at the vendor's pace.
type limit struct {
	client  *Client
	mu      sync.Mutex
	buckets map[scopeKey]*bucket
}

func newLimit(c *Client) *limit {
	return &limit{client: c, buckets: map[scopeKey]*bucket{}}
}

func (l *limit) step(next roundTripper) roundTripper {
	return func(k *call) (*Response, error) {
		if err := l.wait(k); err != nil {
			return nil, err
		}
		response, err := next(k)
		l.learn(k, err)
		return response, err
	}
}

// wait waits until no pause holds the call, then for its tokens; MaxWait in all.
func (l *limit) wait(k *call) error {
	left := l.client.config.MaxWait
	for {
		pause, reason := l.paused(k, time.Now())
		if pause <= 0 {
			break
		}
		if !fits(k.ctx, pause, left) {
			return l.client.notNow(k, pause, "%s", reason)
		}
		if err := sleep(k.ctx, pause); err != nil {
			return l.client.ended(k, err)
		}
		left -= pause
	}
	delay, reason, giveBack := l.reserve(k, time.Now())
	if delay <= 0 {
		return nil
	}
	if !fits(k.ctx, delay, left) {
		giveBack()
		return l.client.notNow(k, delay, "%s", reason)
	}
	if err := sleep(k.ctx, delay); err != nil {
		giveBack()
		return l.client.ended(k, err)
	}
	return nil
}

// paused says how long the vendor, or a scope of the call, is held back.
func (l *limit) paused(k *call, now time.Time) (time.Duration, string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var longest time.Duration
	reason := ""
	look := func(key scopeKey, what string) {
		if b := l.buckets[key]; b != nil && b.held.Sub(now) > longest {
			longest, reason = b.held.Sub(now), l.client.config.Name+" asked for a pause"+what
		}
	}
	look(everything(), "")
	for i, scope := range k.scopes {
		look(scopeKey{i, scope}, fmt.Sprintf(" of %q", l.client.config.Rates[i].Name))
	}
	return longest, reason
}

// reserve takes tokens from every bucket of the call and says how long it must wait for the slowest.
func (l *limit) reserve(k *call, now time.Time) (delay time.Duration, reason string, giveBack func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var taken []*rate.Reservation
	for i, scope := range k.scopes {
		r := l.client.config.Rates[i]
		cost := r.cost(k.request)
		if scope == "" || cost == 0 {
			continue
		}
		reservation := l.bucket(scopeKey{i, scope}, now).tokens.ReserveN(now, cost)
		taken = append(taken, reservation)
		if d := reservation.DelayFrom(now); d > delay {
			delay, reason = d, fmt.Sprintf("the limit %q of %d in %s is used up", r.Name, r.Requests, r.Per)
		}
	}
	return delay, reason, func() {
		for _, reservation := range taken {
			reservation.Cancel()
		}
	}
}

// learn notes the pause that an answer asked for, so that other calls do not run into the same refusal.
func (l *limit) learn(k *call, err error) {
	failure := asError(err)
	if failure == nil || failure.sort() != busy || failure.RetryAfter <= 0 {
		return
	}
	key := everything()
	if l.client.config.Pause != nil {
		if name := l.client.config.Pause(failure); name != "" {
			for i, scope := range k.scopes {
				if l.client.config.Rates[i].Name == name && scope != "" {
					key = scopeKey{i, scope}
				}
			}
		}
	}
	now := time.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.bucket(key, now)
	if until := now.Add(failure.RetryAfter); until.After(b.held) {
		b.held = until
	}
}

// bucket returns the bucket of key, made if need be. l.mu is held.
func (l *limit) bucket(key scopeKey, now time.Time) *bucket {
	b := l.buckets[key]
	if b == nil {
		if len(l.buckets) >= maxScopes {
			l.evict(now)
		}
		b = &bucket{}
		if key != everything() {
			r := l.client.config.Rates[key.rate]
			b.tokens = rate.NewLimiter(rate.Limit(float64(r.Requests)/r.Per.Seconds()), r.burst())
		}
		l.buckets[key] = b
	}
	b.used = now
	return b
}

// evict makes room for many at once, since it looks at all. A bucket that is full again and not held says nothing; if few
// are, those longest unused go too, at the price of a refusal by the vendor at worst.
func (l *limit) evict(now time.Time) {
	const keep = maxScopes - maxScopes/8
	var kept []scopeKey
	for key, b := range l.buckets {
		switch {
		case key == everything():
		case !b.held.After(now) && b.tokens.TokensAt(now) >= float64(b.tokens.Burst()):
			delete(l.buckets, key)
		default:
			kept = append(kept, key)
		}
	}
	if len(kept) <= keep {
		return
	}
	slices.SortFunc(kept, func(a, b scopeKey) int { return l.buckets[a].used.Compare(l.buckets[b].used) })
	for _, key := range kept[:len(kept)-keep] {
		delete(l.buckets, key)
	}
}
