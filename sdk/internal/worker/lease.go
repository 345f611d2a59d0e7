package worker

import (
	"sync"
	"time"
)

// lease is how long this process may go on working. Before the first one came there is no limit.
type lease struct {
	lapse func() // called when it ends, without the lock

	mu    sync.Mutex
	until time.Time // zero: none came
	timer *time.Timer
}

// extend sets the end anew; the newest word counts, even if it is a shorter one.
func (l *lease) extend(d time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.until = time.Now().Add(d)
	if l.timer == nil {
		l.timer = time.AfterFunc(d, l.end)
		return
	}
	l.timer.Reset(d)
}

func (l *lease) end() {
	if l.live() != nil { // else it was extended while the timer went off
		l.lapse()
	}
}

// live answers ErrLapsed when the lease has ended. It reads the clock and does not rely on the timer, which is late
// when the process was stopped meanwhile.
func (l *lease) live() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.until.IsZero() && !time.Now().Before(l.until) {
		return ErrLapsed
	}
	return nil
}

func (l *lease) stop() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.timer != nil {
		l.timer.Stop()
	}
}
