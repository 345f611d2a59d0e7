package main

import (
	"sync"
	"time"
)

// lastMoments is what the grace period keeps for whoever comes last: ending processes, closing files.
const lastMoments = 2 * time.Second

// grace is the time in which a host that was told to stop must have ended. Its stages share it: what an early one uses
// up, a later one does not have.
type grace struct {
	whole time.Duration

	mu    sync.Mutex
	began time.Time
}

// begin starts the clock.
func (g *grace) begin() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.began = time.Now()
}

// left is the time until the end, less what is kept for later stages. Before begin it is the whole, for what ends while
// the host goes on.
func (g *grace) left(kept time.Duration) time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.began.IsZero() {
		return g.whole
	}
	return max(0, time.Until(g.began.Add(g.whole))-min(kept, g.whole/4))
}

// forWork is what calls and runs in flight have; forPlugins is what processes have after them.
func (g *grace) forWork() time.Duration    { return g.left(2 * lastMoments) }
func (g *grace) forPlugins() time.Duration { return g.left(lastMoments) }
