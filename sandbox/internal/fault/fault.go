// Package fault makes trouble on demand: refusals, slowness, silence, broken connections and lost answers, for tests of
// how callers bear them.
package fault

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
)

// Kinds of trouble. ModeStatus answers Rule.Status, or is only slow when that is 0; ModeHang gives no answer; ModeReset
// breaks the connection before anything is done; ModeLostReply does the work and breaks the connection then.
const (
	ModeStatus    = ""
	ModeHang      = "hang"
	ModeReset     = "reset"
	ModeLostReply = "lost_reply"
)

const (
	maxRules   = 64
	maxTimes   = 100_000
	maxLatency = 60_000
)

// ErrRule says what is wrong with a rule.
var ErrRule = errors.New("fault rule")

// Rule is one kind of trouble and whom it meets.
type Rule struct {
	Vendor     string `json:"vendor"`                // required
	Method     string `json:"method,omitempty"`      // "" is any
	Path       string `json:"path,omitempty"`        // prefix of the path after /<vendor>; "" is any
	Mode       string `json:"mode,omitempty"`        // one of the Mode constants
	Status     int    `json:"status,omitempty"`      // the answer of ModeStatus
	RetryAfter string `json:"retry_after,omitempty"` // the Retry-After header, as it is
	Error      string `json:"error,omitempty"`       // the vendor's error code, where its answers bear one
	LatencyMS  int    `json:"latency_ms,omitempty"`  // wait so long first, in any mode
	Times      int    `json:"times,omitempty"`       // how many calls it meets; 0 is one
}

// String describes the rule in a few words.
func (r Rule) String() string {
	var parts []string
	if r.LatencyMS > 0 {
		parts = append(parts, fmt.Sprintf("%d ms late", r.LatencyMS))
	}
	switch {
	case r.Mode != ModeStatus:
		parts = append(parts, strings.ReplaceAll(r.Mode, "_", " "))
	case r.Status != 0:
		parts = append(parts, fmt.Sprintf("status %d", r.Status))
	}
	return strings.Join(parts, ", ")
}

func (r Rule) check(vendors []string) error {
	switch {
	case !slices.Contains(vendors, r.Vendor):
		return fmt.Errorf("%w: vendor: one of %s", ErrRule, strings.Join(vendors, ", "))
	case !slices.Contains([]string{ModeStatus, ModeHang, ModeReset, ModeLostReply}, r.Mode):
		return fmt.Errorf("%w: mode: hang, reset, lost_reply or nothing", ErrRule)
	case r.Mode != ModeStatus && r.Status != 0:
		return fmt.Errorf("%w: status goes with no mode: a %s gives no answer", ErrRule, r.Mode)
	case r.Status != 0 && (r.Status < 200 || r.Status > 599):
		return fmt.Errorf("%w: status: 200 to 599", ErrRule)
	case r.Mode == ModeStatus && r.Status == 0 && r.LatencyMS == 0:
		return fmt.Errorf("%w: needs a status, a mode or latency_ms", ErrRule)
	case r.LatencyMS < 0 || r.LatencyMS > maxLatency:
		return fmt.Errorf("%w: latency_ms: 0 to %d", ErrRule, maxLatency)
	case r.Times < 0 || r.Times > maxTimes:
		return fmt.Errorf("%w: times: 1 to %d", ErrRule, maxTimes)
	case strings.ContainsAny(r.RetryAfter, "\r\n"):
		return fmt.Errorf("%w: retry_after: one line", ErrRule)
	}
	return nil
}

// Set is the rules that still wait for calls to meet. Its methods may be called from many goroutines.
type Set struct {
	vendors []string

	mu    sync.Mutex
	rules []Rule
}

// NewSet makes an empty set for these vendors.
func NewSet(vendors ...string) *Set { return &Set{vendors: vendors} }

// Add puts r behind the others. A rule that can't be is refused with ErrRule.
func (s *Set) Add(r Rule) error {
	if err := r.check(s.vendors); err != nil {
		return err
	}
	r.Times = max(r.Times, 1)
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.rules) >= maxRules {
		return fmt.Errorf("%w: %d rules wait already", ErrRule, maxRules)
	}
	s.rules = append(s.rules, r)
	return nil
}

// Take answers the first rule that meets this call and counts it down.
func (s *Set) Take(vendor, method, path string) (Rule, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.rules {
		r := &s.rules[i]
		if r.Vendor != vendor || (r.Method != "" && !strings.EqualFold(r.Method, method)) || !strings.HasPrefix(path, r.Path) {
			continue
		}
		taken := *r
		if r.Times--; r.Times == 0 {
			s.rules = slices.Delete(s.rules, i, i+1)
		}
		return taken, true
	}
	return Rule{}, false
}

// List answers the rules that are left, with the times they are left for.
func (s *Set) List() []Rule {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Rule{}, s.rules...)
}

// Clear forgets all rules.
func (s *Set) Clear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rules = nil
}
