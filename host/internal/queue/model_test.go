package queue_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"bulkhead.dev/host/internal/queue"
)

// model plays three nodes by chance on one domain, below the Domain type: it holds on to runs that others have taken,
// repeats settlements, and looks at the structure all the time.
type model struct {
	t    *testing.T
	rnd  *rand.Rand
	q    *queue.Queue
	c    redis.UniversalClient
	next int
	runs []modelRun // that some node believes to have, stale ones among them
	ends map[string]string
	dead []string
	log  []string
}

type modelRun struct {
	node, id, lane, sid string
	n                   int64
}

func (m *model) note(format string, args ...any) { m.log = append(m.log, fmt.Sprintf(format, args...)) }

func (m *model) script(name string, args ...any) any {
	m.t.Helper()
	v, err := queue.RunScript(context.Background(), m.q, acme, name, args...).Result()
	if err != nil {
		m.t.Fatalf("%s: %v", name, err)
	}
	return v
}

func (m *model) enqueue() {
	m.next++
	j := job(m.next, func(j *queue.Job) {
		j.Lane = queue.Lane(m.rnd.IntN(3)) //nolint:gosec // three lanes
		if m.rnd.IntN(3) > 0 {
			j.Key = strconv.Itoa(m.rnd.IntN(3))
		}
		for _, l := range []queue.Limit{{Name: "b", N: 2}, {Name: "a", Key: "x", N: 1}, {Name: "c", N: 3}} {
			if m.rnd.IntN(4) == 0 {
				j.Limits = append(j.Limits, l)
			}
		}
		switch m.rnd.IntN(6) {
		case 0:
			j.Expires = time.Now().Add(time.Duration(m.rnd.IntN(30)) * time.Millisecond)
		case 1:
			j.At = time.Now().Add(time.Duration(m.rnd.IntN(30)) * time.Millisecond)
		}
	})
	if m.rnd.IntN(8) == 0 && m.next > 1 {
		j.ID = job(1 + m.rnd.IntN(m.next-1)).ID // a repeat
	}
	got := put(m.t, m.q, j)
	m.note("enqueue %s: %s %v", j.ID, got.State, got.Repeated)
}

func (m *model) node() string { return fmt.Sprintf("model%03d", m.rnd.IntN(3)) }

func (m *model) read() {
	node, lane := m.node(), m.rnd.IntN(3)
	res, err := m.c.XReadGroup(context.Background(), &redis.XReadGroupArgs{
		Group: queue.Group, Consumer: node, Streams: []string{queue.KeysOf(acme).Lanes[lane], ">"}, Count: 2, Block: -1,
	}).Result()
	if err != nil {
		return
	}
	for _, e := range res[0].Messages {
		r := modelRun{node, e.Values["j"].(string), strconv.Itoa(lane), e.ID, 1}
		m.begin(r, "read")
	}
}

// begin checks that a start is right: the entry is this node's with this count, and the job has not ended.
func (m *model) begin(r modelRun, how string) {
	m.note("%s: %+v", how, r)
	if owner, n := m.pending(r); owner != r.node || n != r.n {
		m.t.Fatalf("%s: %+v, but it is %s with %d", how, r, owner, n)
	}
	if end := m.ends[r.id]; end != "" {
		m.t.Fatalf("%s: %+v has ended as %s", how, r, end)
	}
	m.runs = append(m.runs, r)
}

func (m *model) pending(r modelRun) (string, int64) {
	lane, _ := strconv.Atoi(r.lane)
	p, err := m.c.XPendingExt(context.Background(), &redis.XPendingExtArgs{
		Stream: queue.KeysOf(acme).Lanes[lane], Group: queue.Group, Start: r.sid, End: r.sid, Count: 1,
	}).Result()
	if err != nil {
		m.t.Fatal(err)
	}
	if len(p) == 0 {
		return "", 0
	}
	return p[0].Consumer, p[0].RetryCount
}

// take is a takeover, or a claim by a node that may be wrong about what it owns.
func (m *model) take() {
	var got []any
	node := m.node()
	if m.rnd.IntN(2) == 0 {
		from := m.node()
		counter := m.c.HGet(context.Background(), queue.KeysOf(acme).Beat, from).Val()
		if m.rnd.IntN(3) == 0 {
			m.script("beat", from, m.rnd.IntN(1000)+1000) // it lives after all
			reply := m.script("takeover", from, counter, node, 2).([]any)
			if len(reply) != 1 {
				m.t.Fatalf("taken from a living node: %v", reply)
			}
			return
		}
		got = m.script("takeover", from, counter, node, 1+m.rnd.IntN(3)).([]any)[1:]
	} else if len(m.runs) > 0 {
		r := m.runs[m.rnd.IntN(len(m.runs))]
		owner, n := m.pending(r)
		got = m.script("claim", r.node, r.lane, r.sid, r.n).([]any)
		node = r.node
		if right := owner == r.node && n == r.n; right != (len(got) == 1) {
			m.t.Fatalf("claim of %+v: %d, but it is %s with %d", r, len(got), owner, n)
		}
	}
	for _, v := range got {
		b := v.([]any)
		fields := b[3].([]any)
		id := ""
		for i := 0; i < len(fields); i += 2 {
			if fields[i] == "j" {
				id = fields[i+1].(string)
			}
		}
		n := b[2].(int64)
		m.begin(modelRun{node, id, fmt.Sprint(b[0]), b[1].(string), n}, "taken")
	}
}

func (m *model) settle() {
	if len(m.runs) == 0 {
		return
	}
	i := m.rnd.IntN(len(m.runs))
	r := m.runs[i]
	if m.rnd.IntN(4) > 0 { // else it is kept, and settled again
		m.runs = append(m.runs[:i], m.runs[i+1:]...)
	}
	kind := []string{"f", "d", "d", "x", "i", "b", "c"}[m.rnd.IntN(7)]
	keep := []string{"", "1"}[m.rnd.IntN(2)]
	record := m.c.HMGet(context.Background(), queue.KeysOf(acme).Record+r.id, "c", "tk").Val()
	owner, n := m.pending(r)
	answer := m.script("settle", r.node, kind, r.id, r.lane, r.sid, r.n, "", m.rnd.IntN(20), "1", keep, "r", "host", "", 0, "1", 0, 0).([]any)[0].(string)
	m.note("settle %+v as %s%s: %s", r, kind, keep, answer)
	won := owner == r.node && n == r.n
	again := owner == "" && record[1] == fmt.Sprintf("%s %s %d", r.node, r.sid, r.n)
	if (answer == "won" || answer == "kept" || answer == "cancelled") != (won || again) {
		m.t.Fatalf("settle of %+v: %s, but it is %s with %d", r, answer, owner, n)
	}
	if !won || answer == "kept" {
		return
	}
	if record[0] != nil && kind != "f" {
		kind = "c"
	} else if kind == "c" {
		kind = "b"
	}
	switch kind {
	case "f", "c":
		m.ended(r.id, kind)
	case "x":
		m.ended(r.id, kind)
		m.dead = append(m.dead, r.id)
	}
}

func (m *model) ended(id, kind string) {
	if before := m.ends[id]; before != "" {
		m.t.Fatalf("%s ended as %s and as %s", id, before, kind)
	}
	m.ends[id] = kind
}

func (m *model) cancel() {
	if m.next == 0 {
		return
	}
	id := job(1 + m.rnd.IntN(m.next)).ID
	before := m.script("cancel", id, "reason", acme).(string)
	m.note("cancel %s: %q", id, before)
	if before == "r" || before == "w" || before == "d" {
		m.ended(id, "cancelled")
	}
}

func (m *model) replay() {
	if len(m.dead) == 0 {
		return
	}
	id := m.dead[m.rnd.IntN(len(m.dead))]
	m.next++
	got, err := m.q.Replay(context.Background(), id, job(m.next).ID)
	if err != nil {
		m.t.Fatal(err)
	}
	m.note("replay %s: %+v", id, got)
}

func TestModel(t *testing.T) {
	t.Parallel()
	for seed := range uint64(6) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			r := onReal(t)
			q := r.node()
			groups(t, q)
			m := &model{t: t, rnd: rand.New(rand.NewPCG(seed, 1)), q: q, c: queue.Raw(q), ends: map[string]string{}} //nolint:gosec // chance with a seed
			steps := []func(){m.enqueue, m.enqueue, m.read, m.read, m.settle, m.settle, m.settle, m.take, m.cancel, m.replay, func() { m.script("due") }}
			for step := range 250 {
				steps[m.rnd.IntN(len(steps))]()
				if step%5 == 0 {
					m.check(step)
				}
			}
			m.quiet()
		})
	}
}

func (m *model) check(step int) {
	m.t.Helper()
	if faults := audit(m.t, m.c); len(faults) > 0 {
		for _, l := range m.log[max(0, len(m.log)-30):] {
			m.t.Log(l)
		}
		m.t.Fatalf("step %d: %q", step, faults)
	}
}

// quiet ends everything that is left, and nothing may remain.
func (m *model) quiet() {
	m.t.Helper()
	ctx := context.Background()
	eventually(m.t, "all is quiet", func() bool {
		m.script("due")
		for range 3 {
			m.read()
			m.take()
		}
		for len(m.runs) > 0 {
			r := m.runs[0]
			m.runs = m.runs[1:]
			owner, n := m.pending(r)
			m.script("settle", r.node, "f", r.id, r.lane, r.sid, r.n, "", 0, "1", "", "", "", "", 0, "1", 0, 0)
			if owner == r.node && n == r.n {
				m.ended(r.id, "f")
			}
		}
		d, err := m.q.Depth(ctx, acme)
		return err == nil && d.Ready+d.Running+d.Held+d.Delayed == 0
	})
	m.check(-1)
	keys, err := m.c.Keys(ctx, queue.KeysOf(acme).Gate+"*").Result()
	if err != nil || len(keys) > 0 || m.c.Exists(ctx, queue.KeysOf(acme).Pump).Val() != 0 {
		m.t.Fatalf("left behind: %v, %v", keys, err)
	}
}
