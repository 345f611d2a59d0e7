package queue

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// maxBlock bounds a wait for work, so that a Read notices the end of its context, interrupted jobs and dead nodes soon.
const maxBlock = 200 * time.Millisecond

func (d *Domain) block() time.Duration {
	return max(min(d.q.cfg.Lease/4, maxBlock), time.Millisecond)
}

// Read waits for work, at most a fraction of the lease, and returns up to free runs, which have thereby begun. No
// run and no error: nothing came. An error is worth a log line and a short wait, no more; runs may come with it. One
// caller at a time.
//
// What this node owns and does not run comes first, then what a dead node left, then the lanes: now, normal, bulk.
func (d *Domain) Read(ctx context.Context, free int) ([]Delivery, error) {
	if !d.reading.TryLock() {
		return nil, fmt.Errorf("%w: two reads of one domain", ErrInvalid)
	}
	defer d.reading.Unlock()
	if free <= 0 || !d.fresh() {
		pause(ctx, d.block())
		return nil, ctx.Err()
	}
	var got []Delivery
	for _, step := range []func(context.Context, int) ([]begun, error){d.owing, d.takeOver, d.readLanes} {
		if len(got) >= free || ctx.Err() != nil {
			break
		}
		sent := time.Now()
		list, err := step(ctx, free-len(got))
		got = append(got, d.begin(ctx, list, sent, free-len(got))...)
		if err != nil {
			return got, d.readFailed(ctx, err)
		}
	}
	if len(got) > 0 || ctx.Err() != nil {
		return got, nil
	}
	sent := time.Now()
	list, err := d.await(ctx, free)
	got = d.begin(ctx, list, sent, free)
	return got, d.readFailed(ctx, err)
}

// readFailed notes what an error means: the reply may have given us entries, or the group is not there (yet, or any more).
func (d *Domain) readFailed(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if strings.HasPrefix(err.Error(), "NOGROUP") {
		return d.makeGroups(ctx)
	}
	d.unclear()
	d.q.health.failed(err)
	return fmt.Errorf("%w: read: %w", ErrUnavailable, err)
}

// makeGroups makes the lanes' groups, from the beginning: after a FLUSHALL jobs may stand there already.
func (d *Domain) makeGroups(ctx context.Context) error {
	for _, lane := range d.k.lanes {
		err := d.q.rdb.XGroupCreateMkStream(ctx, lane, group, "0").Err()
		if err != nil && !strings.HasPrefix(err.Error(), "BUSYGROUP") {
			d.q.health.failed(err)
			return fmt.Errorf("%w: group: %w", ErrUnavailable, err) // at maxmemory too: the next Read tries again
		}
	}
	return nil
}

// slots is how many jobs of a lane may begin.
func (d *Domain) slots(lane Lane, free int) int {
	if lane == LaneNow {
		return free
	}
	return free - d.opts.Reserve
}

// readLanes reads lane after lane: COUNT is per stream, so one command for all would give too many.
func (d *Domain) readLanes(ctx context.Context, free int) (list []begun, err error) {
	if d.slots(LaneNormal, free) > 0 {
		d.patience = minPatience
	}
	for _, lane := range []Lane{LaneNow, LaneNormal, LaneBulk} {
		n := d.slots(lane, free) - len(list)
		if n <= 0 {
			break
		}
		got, err := d.readGroup(ctx, d.q.rdb, []Lane{lane}, n, -1)
		list = append(list, got...)
		if err != nil {
			return list, err
		}
	}
	return list, nil
}

// minPatience is the shortest wait of a blocking read: Redis counts milliseconds, and 0 is for ever.
const minPatience = time.Millisecond

// await blocks until something comes. A burst can give one entry of each lane, which may be more than there is room
// for: begin keeps those.
//
// With room for the lane now alone, other slots come free while it blocks, and their jobs stand ready: so it waits
// shortly first and twice as long each time, which is never much longer than the jobs in flight take anyway.
func (d *Domain) await(ctx context.Context, free int) ([]begun, error) {
	if d.slots(LaneNormal, free) > 0 {
		return d.readGroup(ctx, d.q.blocking, []Lane{LaneNow, LaneNormal, LaneBulk}, 1, d.block())
	}
	wait := min(max(d.patience, minPatience), d.block())
	d.patience = 2 * wait
	return d.readGroup(ctx, d.q.blocking, []Lane{LaneNow}, 1, wait)
}

func (d *Domain) readGroup(ctx context.Context, c redis.UniversalClient, lanes []Lane, count int, block time.Duration) ([]begun, error) {
	args := []any{"xreadgroup", "group", group, d.q.cfg.Node, "count", count}
	if block > 0 {
		args = append(args, "block", block.Milliseconds())
	}
	args = append(args, "streams")
	byKey := make(map[string]Lane, len(lanes))
	for _, lane := range lanes {
		args = append(args, d.k.lanes[lane])
		byKey[d.k.lanes[lane]] = lane
	}
	for range lanes {
		args = append(args, ">")
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), block+d.q.cfg.IOTimeout)
	defer cancel()
	cmd := redis.NewSliceCmd(ctx, args...)
	cmd.SetFirstKeyPos(int8(len(args) - 2*len(lanes))) //nolint:gosec // fewer than 16
	if err := c.Process(ctx, cmd); err != nil {
		if errors.Is(err, redis.Nil) {
			return nil, nil
		}
		return nil, err
	}
	var list []begun
	for _, s := range cmd.Val() {
		stream, ok := s.([]any)
		if !ok || len(stream) != 2 {
			return list, errors.New("xreadgroup: unexpected reply")
		}
		entries, _ := stream[1].([]any)
		for _, e := range entries {
			entry, ok := e.([]any)
			if !ok || len(entry) != 2 {
				return list, errors.New("xreadgroup: unexpected entry")
			}
			fields, _ := entry[1].([]any)
			list = append(list, freshBegun(owned{lane: byKey[text(stream[0])], sid: text(entry[0]), n: 1}, fields))
		}
	}
	return list, nil
}

// begin makes runs of what Redis gave, at most room. A late reply starts nothing: another node may have taken the
// entries meanwhile. What should not run is settled at once.
//
//nolint:contextcheck // the end of a read must not undo the end of a job
func (d *Domain) begin(ctx context.Context, list []begun, sent time.Time, room int) []Delivery {
	if len(list) == 0 {
		return nil
	}
	if time.Since(sent) > d.q.cfg.Lease/2 || !d.fresh() {
		d.unclear()
		return nil
	}
	var got []Delivery
	for _, b := range list {
		r, ok := d.toRun(b)
		if !ok {
			d.q.log.Warn("entry of unknown form is taken out", "queue", d.instance, "entry", b.sid)
			_ = d.q.rdb.XAck(ctx, d.k.lanes[b.lane], group, b.sid).Err()
			_ = d.q.rdb.XDel(ctx, d.k.lanes[b.lane], b.sid).Err()
			continue
		}
		if len(got) >= room || ctx.Err() != nil {
			d.keep(b.owned) // not begun: it starts through the fenced claim, or is handed back
			continue
		}
		older, cancel, adopted := d.register(r, b.cancel)
		switch {
		case adopted:
			// a failover gave us once more what runs here
		case older != "":
			d.opts.Cancel(older, "superseded")
		case cancel != "":
			d.endUnrun(r, Cancelled, cancel, FaultNone)
		case !r.Expires.IsZero() && time.Until(r.Expires) <= 0:
			d.endUnrun(r, expiredKind, "expired", FaultNone)
		case r.n > d.opts.MaxStarts:
			d.endUnrun(r, Dead, fmt.Sprintf("started %d times without an outcome", r.n-1), FaultHost)
		case r.Deaths >= aloneDeaths:
			d.endUnrun(r, Dead, "its process died each time it ran alone", FaultPlugin)
		default:
			got = append(got, r.Delivery)
		}
	}
	return got
}

// register notes a run. older is the token of a run of the same entry that goes on here: this node was thought dead and
// has taken its own job back. It must end before the entry begins again.
func (d *Domain) register(r *run, flag string) (older, cancel string, adopted bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	key := r.entry()
	if old := d.runs[key]; old != nil {
		if old.n == r.n && old.ID == r.ID {
			return "", "", true
		}
		old.next = &r.owned
		return old.Token(), "", false
	}
	d.runs[key] = r
	d.byJob[r.ID] = r
	if n, ok := d.notes[r.ID]; ok {
		delete(d.notes, r.ID)
		flag = n.reason
	}
	return "", flag, false
}

// keep notes an entry that this node owns and has not begun.
func (d *Domain) keep(o owned) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.back = append(d.back, o)
}
