package queue

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"
)

const (
	// sweepPage is how many entries a sweep reads at a time.
	sweepPage = 256
	claimMost = 64
)

// owing begins what this node owns and does not run: interrupted jobs, and what a sweep found.
func (d *Domain) owing(ctx context.Context, free int) ([]begun, error) {
	d.mu.Lock()
	due := d.sweep || time.Since(d.swept) > d.q.cfg.Lease
	d.sweep = false
	d.mu.Unlock()
	if due {
		if err := d.look(ctx); err != nil {
			d.unclear()
			return nil, err
		}
	}
	d.mu.Lock()
	n := min(free, len(d.back), claimMost)
	claim := d.back[:n:n]
	d.back = append([]owned(nil), d.back[n:]...)
	d.mu.Unlock()
	if n == 0 {
		return nil, nil
	}
	list, err := d.claim(ctx, claim)
	if err != nil {
		d.unclear() // some may have been claimed: the sweep tells
	}
	return list, err
}

func (d *Domain) claim(ctx context.Context, entries []owned) ([]begun, error) {
	args := []any{d.q.cfg.Node}
	for _, o := range entries {
		args = append(args, int(o.lane), o.sid, o.n)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), d.q.cfg.IOTimeout)
	defer cancel()
	reply, err := d.q.runDomain(ctx, d.q.scripts.claim, d.k, args...).Slice()
	if err != nil {
		return nil, err
	}
	return readAll(reply)
}

func readAll(reply []any) (list []begun, err error) {
	for _, v := range reply {
		b, ok := readBegun(v)
		if !ok {
			return list, fmt.Errorf("claim: unexpected reply")
		}
		list = append(list, b)
	}
	return list, nil
}

// look finds entries that this node owns and does not know, as a lost reply leaves them. The reader does it, never
// beside a read in flight.
func (d *Domain) look(ctx context.Context) error {
	var found []owned
	for lane, key := range d.k.lanes {
		from := "-"
		for {
			page, err := d.q.rdb.XPendingExt(ctx, pendingOf(key, d.q.cfg.Node, from, sweepPage)).Result()
			if err != nil {
				return err
			}
			for _, p := range page {
				found = append(found, owned{lane: Lane(lane), sid: p.ID, n: int(p.RetryCount)})
			}
			if len(page) < sweepPage {
				break
			}
			from = after(page[len(page)-1].ID)
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.swept = time.Now()
	known := make(map[owned]bool, len(d.back))
	for _, o := range d.back {
		known[o.entry()] = true
	}
	for _, o := range found {
		r := d.runs[o.entry()]
		switch {
		case known[o.entry()]:
		case r == nil:
			d.back = append(d.back, o)
		case r.n != o.n && r.next == nil:
			r.next = &o // it was taken from us and came back, unseen
		}
	}
	return nil
}

// after is the id that follows; miniredis does not know exclusive ranges here.
func after(id string) string {
	ms, seq, _ := strings.Cut(id, "-")
	n, err := strconv.ParseUint(seq, 10, 64)
	if err != nil {
		return id
	}
	return ms + "-" + strconv.FormatUint(n+1, 10)
}

// handBack gives what this node owns and does not run to whoever reads next.
func (d *Domain) handBack(ctx context.Context) {
	if err := d.look(ctx); err != nil {
		return // the other nodes take it over when they miss our beat
	}
	d.mu.Lock()
	list := d.back
	d.back = nil
	d.mu.Unlock()
	for len(list) > 0 {
		n := min(len(list), claimMost)
		if err := d.giveBack(ctx, list[:n]); err != nil {
			return
		}
		list = list[n:]
	}
}
