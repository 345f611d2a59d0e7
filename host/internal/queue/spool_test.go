package queue_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"bulkhead.dev/host/internal/queue"
)

// memorySpool is a SpoolStore in memory.
type memorySpool struct {
	mu   sync.Mutex
	seq  int64
	rows []queue.SpoolRow
	most int
}

func (m *memorySpool) Append(_ context.Context, rows []queue.SpoolRow) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.most > 0 && len(m.rows)+len(rows) > m.most {
		return queue.ErrSpoolFull
	}
	for _, r := range rows {
		m.seq++
		r.Seq, r.Payload = m.seq, bytes.Clone(r.Payload)
		m.rows = append(m.rows, r)
	}
	return nil
}

func (m *memorySpool) Next(_ context.Context, name string, limit int) ([]queue.SpoolRow, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var list []queue.SpoolRow
	for _, r := range m.rows {
		if r.Queue == name && len(list) < limit {
			list = append(list, r)
		}
	}
	return list, nil
}

func (m *memorySpool) Remove(_ context.Context, seqs []int64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.rows = slices.DeleteFunc(m.rows, func(r queue.SpoolRow) bool { return slices.Contains(seqs, r.Seq) })
	return nil
}

func (m *memorySpool) Find(_ context.Context, id string) (queue.SpoolRow, bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	i := slices.IndexFunc(m.rows, func(r queue.SpoolRow) bool { return r.JobID == id })
	if i < 0 {
		return queue.SpoolRow{}, false, nil
	}
	return m.rows[i], true, nil
}

func (m *memorySpool) Queues(context.Context) ([]string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var names []string
	for _, r := range m.rows {
		if !slices.Contains(names, r.Queue) {
			names = append(names, r.Queue)
		}
	}
	return names, nil
}

func spooling(s queue.SpoolStore, p *proxy) func(*queue.Config) {
	return func(c *queue.Config) {
		c.Spool, c.EnqueueTimeout, c.IOTimeout = s, 200*time.Millisecond, 300*time.Millisecond
		if p != nil {
			c.URL = p.url()
		}
	}
}

func TestOutage(t *testing.T) {
	r := onReal(t)
	p := startProxy(t, r.real)
	s := &memorySpool{}
	a := r.node(spooling(s, p))
	b := r.node()
	ctx := context.Background()
	put(t, a, job(0, key("k")))
	p.set(true, false)

	start := time.Now()
	if got := put(t, a, job(1, key("k"))); got.State != queue.StateSpooled || !got.Spooled {
		t.Fatalf("%+v", got)
	}
	if waited := time.Since(start); waited < 150*time.Millisecond {
		t.Fatalf("the first one did not wait for Redis: %s", waited)
	}
	if a.Available() {
		t.Fatal("the outage is not known")
	}
	// From now on the door does not wait; callers who wait are refused at once.
	for n := 2; n <= 40; n++ {
		if got := put(t, a, job(n, key("k"))); !got.Spooled {
			t.Fatalf("%+v", got)
		}
	}
	if _, err := a.Enqueue(ctx, job(90, ask)); !errors.Is(err, queue.ErrUnavailable) {
		t.Fatalf("pattern B: %v", err)
	}
	if took := time.Since(start); took > 3*time.Second {
		t.Fatalf("forty jobs took %s", took)
	}
	if got := status(t, a, "acme-0005"); got.State != queue.StateSpooled || got.Type != "acme.event" {
		t.Fatalf("%+v", got)
	}
	if _, err := b.Status(ctx, "acme-0005"); !errors.Is(err, queue.ErrNotFound) {
		t.Fatalf("another node: %v", err)
	}
	if got, err := a.Cancel(ctx, "acme-0007", ""); err != nil || got != queue.StateCancelled {
		t.Fatalf("%s, %v", got, err)
	}

	p.set(false, false)
	rd := read(t, b)
	for n := range 41 {
		if n == 7 {
			continue
		}
		d := rd.one()
		if d.ID != job(n).ID {
			t.Fatalf("began %s, want %d", d.ID, n)
		}
		rd.done(d)
	}
	eventually(t, "jobs go to Redis directly again", func() bool {
		got, err := a.Enqueue(ctx, job(50))
		return err == nil && !got.Spooled
	})
}

// A command that timed out but landed is sent again by the relay, and changes nothing.
func TestUnclearEnqueueIsRelayedOnce(t *testing.T) {
	r := onReal(t)
	p := startProxy(t, r.real)
	s := &memorySpool{}
	a := r.node(spooling(s, p))
	b := r.node()
	put(t, a, job(0)) // the script is known, so the next command lands at once
	p.set(false, true)
	if got := put(t, a, job(1)); !got.Spooled {
		t.Fatalf("%+v", got)
	}
	eventually(t, "it has landed", func() bool {
		_, err := b.Status(context.Background(), "acme-0001")
		return err == nil
	})
	rd := read(t, b)
	for _, d := range rd.next(2) {
		rd.done(d)
	}
	p.set(false, false)
	p.cut()
	eventually(t, "the spool is empty", func() bool {
		rows, _ := s.Next(context.Background(), acme, 1)
		return len(rows) == 0
	})
	rd.none()
}

// While rows of a queue are in the spool all of that queue goes through it; others do not, nor do those who wait.
func TestSpoolIsNotBypassed(t *testing.T) {
	r := onReal(t)
	s := &blockedSpool{gate: make(chan struct{})}
	left := r.node(spooling(&s.memorySpool, nil), func(c *queue.Config) { c.URL = "unix:///nowhere/at/all" })
	put(t, left, job(1, key("k")))
	if err := left.Close(); err != nil {
		t.Fatal(err)
	}
	a := r.node(spooling(s, nil)) // another start finds the row; its relay is held up
	if got := put(t, a, job(2, key("k"))); !got.Spooled {
		t.Fatalf("bypassed: %+v", got)
	}
	if got := put(t, a, job(3, ask)); got.Spooled {
		t.Fatalf("a caller waits: %+v", got)
	}
	if got := put(t, a, queue.Job{Instance: "widget", ID: "widget-1", Type: "x", Envelope: []byte("x")}); got.Spooled {
		t.Fatalf("another queue: %+v", got)
	}
	close(s.gate)
	rd := read(t, a)
	for _, want := range []string{"acme-0003", "acme-0001", "acme-0002"} {
		d := rd.one()
		if d.ID != want {
			t.Fatalf("began %s, want %s", d.ID, want)
		}
		rd.done(d)
	}
}

// blockedSpool gives nothing to the relay until its gate opens.
type blockedSpool struct {
	memorySpool
	gate chan struct{}
}

func (b *blockedSpool) Next(ctx context.Context, name string, limit int) ([]queue.SpoolRow, error) {
	select {
	case <-b.gate:
		return b.memorySpool.Next(ctx, name, limit)
	default:
		return nil, errors.New("busy")
	}
}

func TestFullSpoolRefuses(t *testing.T) {
	r := onReal(t)
	q := r.node(spooling(&memorySpool{most: 3}, nil), func(c *queue.Config) { c.URL = "unix:///nowhere/at/all" })
	for n := range 3 {
		put(t, q, job(n))
	}
	if _, err := q.Enqueue(context.Background(), job(3)); !errors.Is(err, queue.ErrUnavailable) || !errors.Is(err, queue.ErrSpoolFull) {
		t.Fatalf("%v", err)
	}
}

func TestAcceptedAtSurvivesTheSpool(t *testing.T) {
	r := onReal(t)
	p := startProxy(t, r.real)
	q := r.node(spooling(&memorySpool{}, p))
	p.set(true, false)
	full := job(1, key("k"), limit("api", 2), func(j *queue.Job) {
		j.Lane, j.Alias, j.Expires, j.Window = queue.LaneBulk, "alias", time.Now().Add(time.Hour), time.Hour
		j.Envelope = bytes.Repeat([]byte{0, 1, 255}, 1000)
	})
	put(t, q, full)
	accepted := status(t, q, full.ID).AcceptedAt
	p.set(false, false)
	rd := read(t, q)
	d := rd.one()
	if d.Lane != queue.LaneBulk || !bytes.Equal(d.Envelope, full.Envelope) || d.AcceptedAt.Sub(accepted).Abs() > time.Millisecond ||
		d.Expires.Sub(full.Expires).Abs() > time.Second {
		t.Fatalf("%s %s %s", d.Lane, d.AcceptedAt, d.Expires)
	}
	if got := put(t, q, job(2, func(j *queue.Job) { j.Alias = "alias" })); got.ID != full.ID {
		t.Fatalf("%+v", got)
	}
	rd.done(d)
}

func TestNoSpoolNoRedis(t *testing.T) {
	t.Parallel()
	r := &rig{t: t}
	q := r.node(func(c *queue.Config) { c.URL, c.EnqueueTimeout = "unix:///nowhere/at/all", 100*time.Millisecond })
	ctx := context.Background()
	for _, err := range []error{
		func() error { _, err := q.Enqueue(ctx, job(1)); return err }(),
		func() error { _, err := q.Status(ctx, "acme-1"); return err }(),
		func() error { _, err := q.Cancel(ctx, "acme-1", ""); return err }(),
		q.Ping(ctx), q.Register(ctx, queue.NodeInfo{}),
	} {
		if !errors.Is(err, queue.ErrUnavailable) {
			t.Error(fmt.Sprint(err))
		}
	}
}

// An embedded queue that stops leaves its jobs to the next start.
func TestEmbeddedQueueSurvivesAStop(t *testing.T) {
	t.Parallel()
	s := &memorySpool{}
	long := key("a key so long that it is hashed, which must not change its gate on the way through the spool")
	for start := range 2 { // twice: the way back is the same as the way there
		r := &rig{t: t}
		q := r.node(spooling(s, nil))
		if start == 0 {
			put(t, q, job(1, long, limit("api", 2)))
			put(t, q, job(2, long))
			put(t, q, job(3, func(j *queue.Job) { j.At, j.Lane = time.Now().Add(time.Hour), queue.LaneBulk }))
			put(t, q, job(4, ask))
			put(t, q, job(5))
			rd := read(t, q)
			for _, d := range rd.next(3) {
				if d.ID == "acme-0005" {
					rd.done(d)
				} else {
					rd.end(queue.Settlement{Token: d.Token(), Kind: queue.Interrupted})
				}
			}
			rd.stop()
		} else {
			eventually(t, "the jobs are back", func() bool {
				d, err := q.Depth(context.Background(), acme)
				return err == nil && d == queue.Depth{Ready: 1, Held: 1, Delayed: 1}
			})
		}
		if err := q.Close(); err != nil {
			t.Fatal(err)
		}
	}
	q := (&rig{t: t}).node(spooling(s, nil))
	rd := read(t, q)
	first := rd.one()
	if first.ID != "acme-0001" || string(first.Envelope) != "envelope 1" {
		t.Fatalf("%+v", first)
	}
	put(t, q, job(6, long))
	rd.none()
	for _, want := range []string{"acme-0002", "acme-0006"} {
		rd.done(first)
		if first = rd.one(); first.ID != want {
			t.Fatalf("began %s, want %s", first.ID, want)
		}
	}
	if got := status(t, q, "acme-0003"); got.State != queue.StateQueued || time.Until(got.NextAt) < 50*time.Minute {
		t.Fatalf("%+v", got)
	}
}
