package queue

import (
	"context"
	"fmt"
	"time"
)

const (
	beatsPerLease = 4
	// takeAfter is how many looks with the same counter, a quarter lease apart, make a node dead.
	takeAfter = 5
	// reapAfter is how many such looks, without anything pending, make it forgotten.
	reapAfter = 20
)

// beats raises this node's counter and watches those of the others. Counters, not TTLs: a Redis that was stopped
// would end every lease at once.
type beats struct {
	d       *Domain
	counter int64
	seen    map[string]*sight
}

// sight is what was seen of another node.
type sight struct {
	counter string
	busy    int // looks in a row with this counter and something pending
	idle    int // looks in a row with this counter and nothing pending
	at      time.Time
}

func newBeats(d *Domain) *beats { return &beats{d: d, seen: map[string]*sight{}} }

func (b *beats) run(ctx context.Context) {
	every := b.d.q.cfg.Lease / beatsPerLease
	for {
		start := time.Now()
		if err := b.beat(ctx); err != nil {
			b.blind()
			if ctx.Err() == nil {
				b.d.q.health.failed(err)
				b.d.q.log.Debug("beat failed", "queue", b.d.instance, "error", err)
			}
		}
		if !pause(ctx, max(every-time.Since(start), every/10)) {
			return
		}
	}
}

// blind begins to count again: time in which Redis did not answer does not count.
func (b *beats) blind() {
	clear(b.seen)
	b.d.mu.Lock()
	clear(b.d.gone)
	b.d.mu.Unlock()
}

func (b *beats) beat(ctx context.Context) error {
	d := b.d
	b.counter++
	sent := time.Now()
	try, cancel := context.WithTimeout(ctx, min(d.q.cfg.Lease/2, d.q.cfg.IOTimeout))
	defer cancel()
	reply, err := d.q.runDomain(try, d.q.scripts.beat, d.k, d.q.cfg.Node, b.counter).Slice()
	if err != nil {
		return err
	}
	if len(reply) != 3 {
		return fmt.Errorf("beat: unexpected reply")
	}
	now, ok := reply[0].(int64)
	counters, ok2 := reply[1].([]any)
	consumers, ok3 := reply[2].([]any)
	if !ok || !ok2 || !ok3 {
		return fmt.Errorf("beat: unexpected reply")
	}
	d.q.noteTime(now, sent)
	d.mu.Lock()
	d.lastBeat = sent
	d.mu.Unlock()
	b.observe(ctx, pairs(counters), pairs(consumers), sent)
	return nil
}

// observe counts how often each other node was seen unchanged. A node may die before its first beat: a missing counter
// is a value too, so the group's consumers are looked at as well.
func (b *beats) observe(ctx context.Context, counters, consumers map[string]string, at time.Time) {
	d := b.d
	all := map[string]bool{}
	for node := range counters {
		all[node] = true
	}
	for node := range consumers {
		all[node] = true
	}
	delete(all, d.q.cfg.Node)
	for node := range b.seen {
		if !all[node] {
			delete(b.seen, node)
		}
	}
	least := d.q.cfg.Lease / beatsPerLease * 9 / 10
	for node := range all {
		s := b.seen[node]
		if s == nil || s.counter != counters[node] {
			s = &sight{counter: counters[node], at: at.Add(-least)}
			b.seen[node] = s
		}
		if at.Sub(s.at) < least {
			continue // two looks close together are one
		}
		s.at = at
		if number(consumers[node]) > 0 {
			s.busy++
			s.idle = 0
		} else {
			s.idle++
			s.busy = 0
		}
		if s.idle >= reapAfter && ctx.Err() == nil {
			if err := d.reap(ctx, node, s.counter); err == nil {
				delete(b.seen, node)
			}
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	clear(d.gone)
	for node, s := range b.seen {
		if s.busy >= takeAfter {
			d.gone[node] = s.counter
		}
	}
}

// reap forgets a node that is gone and owns nothing.
func (d *Domain) reap(ctx context.Context, node, counter string) error {
	ctx, cancel := context.WithTimeout(ctx, d.q.cfg.IOTimeout)
	defer cancel()
	return d.q.runDomain(ctx, d.q.scripts.reap, d.k, node, counter).Err()
}

// end takes this node's own counter and consumers away, if it owns nothing any more.
func (b *beats) end(ctx context.Context) {
	_ = b.d.reap(ctx, b.d.q.cfg.Node, fmt.Sprint(b.counter))
}

func pairs(flat []any) map[string]string {
	m := make(map[string]string, len(flat)/2)
	for i := 0; i+1 < len(flat); i += 2 {
		m[text(flat[i])] = text(flat[i+1])
	}
	return m
}
