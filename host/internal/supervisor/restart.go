package supervisor

import (
	"cmp"
	"math/rand/v2"
	"time"
)

// Restart is the policy by which a plugin that ended is started again. Zero fields take the stated default.
type Restart struct {
	// First is the wait after the first failure, doubled after each further one; 0: 100 ms. Half of it is jitter.
	First time.Duration
	// Longest bounds it; 0: 30 s.
	Longest time.Duration
	// Healthy is how long a process must have been ready for the failures before it to be forgotten; 0: 60 s. Ten times
	// the wait before it will do as well: so a plugin that dies now and then is back at once, and one that dies for ever
	// is away for a tenth of its time at most, or for First.
	Healthy time.Duration
	// Failures is how many starts in a row may fail to get the plugin ready before it is quarantined; 0: 10. A plugin
	// that gets ready and dies later is never quarantined, only started ever more seldom: its jobs that kill processes
	// are found one by one, and the others must go on.
	Failures int
}

func (r Restart) withDefaults() Restart {
	return Restart{
		First: cmp.Or(r.First, 100*time.Millisecond), Longest: cmp.Or(r.Longest, 30*time.Second),
		Healthy: cmp.Or(r.Healthy, time.Minute), Failures: cmp.Or(r.Failures, 10),
	}
}

// wait is the time before the start after the nth failure in a row: doubled each time, between half of it and the whole.
func (r Restart) wait(n int) time.Duration {
	d := r.First
	for range n - 1 {
		if d >= r.Longest {
			break
		}
		d *= 2
	}
	d = min(d, r.Longest)
	return d/2 + rand.N(d/2+1) //nolint:gosec // G404: jitter needs no secrecy
}

// record counts the ends of one instance's processes.
type record struct {
	ends    int           // in a row, since a process was healthy
	unready int           // starts in a row that did not get ready
	waited  time.Duration // before the current start
}

// note takes the end of a process that was ready for the given time, 0: never, and returns how long to wait for the
// next one.
func (r *record) note(policy Restart, ready time.Duration) time.Duration {
	if ready >= min(policy.Healthy, healthyWaits*r.waited) && ready > 0 {
		r.ends = 0
	}
	r.ends++
	r.unready++
	if ready > 0 {
		r.unready = 0
	}
	r.waited = policy.wait(r.ends)
	return r.waited
}

// healthyWaits is how many times the wait before it a process must live to count as healthy.
const healthyWaits = 10
