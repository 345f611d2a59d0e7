package queue

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"
)

// SpoolRow is one job in the spool.
type SpoolRow struct {
	// Seq is given by the store and rises within a node.
	Seq int64
	// Queue is the instance whose queue the job is for.
	Queue      string
	JobID      string
	Payload    []byte
	AcceptedAt time.Time
}

// SpoolStore keeps jobs on this node's disk.
type SpoolStore interface {
	// Append makes all rows durable before it returns, or none; ErrSpoolFull when the bound is reached.
	Append(ctx context.Context, rows []SpoolRow) error
	// Next returns the oldest rows of a queue.
	Next(ctx context.Context, queue string, limit int) ([]SpoolRow, error)
	// Remove takes rows out; unknown ones are ignored.
	Remove(ctx context.Context, seqs []int64) error
	// Find returns the row of a job.
	Find(ctx context.Context, jobID string) (SpoolRow, bool, error)
	// Queues returns the queues that have rows.
	Queues(ctx context.Context) ([]string, error)
}

const (
	spoolPoll    = 200 * time.Millisecond
	spoolTimeout = 10 * time.Second
)

// spool takes jobs while Redis is away. While rows of a queue are there, all of that queue that nobody waits for goes
// through it, in order; relay empties it by the ordinary enqueue, whose ids make an unclear timeout harmless.
type spool struct {
	q     *Queue
	store SpoolStore
	wake  chan struct{}

	mu     sync.Mutex
	filled map[string]bool // queues that may have rows
}

func openSpool(ctx context.Context, q *Queue, store SpoolStore) (*spool, error) {
	queues, err := store.Queues(ctx)
	if err != nil {
		return nil, fmt.Errorf("spool: %w", err)
	}
	s := &spool{q: q, store: store, wake: make(chan struct{}, 1), filled: map[string]bool{}}
	for _, name := range queues {
		s.filled[name] = true
	}
	return s, nil
}

// divert takes the jobs that must go through the spool because earlier ones are there, and returns the others.
func (s *spool) divert(k *keys, batch []*ticket) []*ticket {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.filled[k.instance] && !s.q.health.down.Load() {
		return batch
	}
	return s.takeLocked(k, batch)
}

// take takes the jobs that Redis did not, and returns those that can't wait on disk.
func (s *spool) take(k *keys, batch []*ticket) []*ticket {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.takeLocked(k, batch)
}

func (s *spool) takeLocked(k *keys, batch []*ticket) (rest []*ticket) {
	var rows []SpoolRow
	var taken []*ticket
	for _, t := range batch {
		if t.job.Reply {
			rest = append(rest, t)
			continue
		}
		if t.job.Accepted.IsZero() {
			t.job.Accepted = t.at
		}
		payload, err := pack(&t.job)
		if err != nil {
			t.answer(Receipt{}, err)
			continue
		}
		rows = append(rows, SpoolRow{Queue: k.instance, JobID: t.job.ID, Payload: payload, AcceptedAt: t.job.Accepted})
		taken = append(taken, t)
	}
	if len(rows) == 0 {
		return rest
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(s.q.ctx), spoolTimeout)
	defer cancel()
	if err := s.store.Append(ctx, rows); err != nil {
		if !errors.Is(err, ErrSpoolFull) {
			s.q.log.Error("spool", "error", err)
		}
		for _, t := range taken {
			t.answer(Receipt{}, fmt.Errorf("%w: spool: %w", ErrUnavailable, err))
		}
		return rest
	}
	s.filled[k.instance] = true
	for _, t := range taken {
		t.answer(Receipt{ID: t.job.ID, State: StateSpooled, Spooled: true}, nil)
	}
	kick(s.wake)
	return rest
}

// holds reports whether jobs of the queue must go through the spool.
func (s *spool) holds(instance string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.filled[instance]
}

// relay empties the spool into Redis, until ctx ends.
func (s *spool) relay(ctx context.Context) {
	for {
		if !s.q.health.down.Load() {
			for _, name := range s.names() {
				if err := s.empty(ctx, name); err != nil && ctx.Err() == nil {
					s.q.log.Warn("spool is not emptied", "queue", name, "error", err)
				}
			}
		}
		wait, cancel := context.WithTimeout(ctx, spoolPoll)
		select {
		case <-s.wake:
		case <-wait.Done():
		}
		cancel()
		if ctx.Err() != nil {
			return
		}
	}
}

func (s *spool) names() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	names := make([]string, 0, len(s.filled))
	for name := range s.filled {
		names = append(names, name)
	}
	return names
}

// empty sends the rows of one queue, oldest first. Only when none is left, and nobody can be adding one, do new jobs
// go to Redis directly again.
func (s *spool) empty(ctx context.Context, name string) error {
	for {
		rows, err := s.store.Next(ctx, name, groupJobs)
		if err != nil {
			return err
		}
		if len(rows) == 0 {
			s.mu.Lock()
			rows, err = s.store.Next(ctx, name, 1)
			if err == nil && len(rows) == 0 {
				delete(s.filled, name)
			}
			s.mu.Unlock()
			if err != nil || len(rows) == 0 {
				return err
			}
			continue
		}
		jobs := make([]Job, 0, len(rows))
		seqs := make([]int64, 0, len(rows))
		for _, row := range rows {
			job, err := unpack(row.Payload)
			if err != nil {
				s.q.log.Error("spooled job can't be read and is left out", "job", row.JobID, "error", err)
			} else {
				jobs = append(jobs, job)
			}
			seqs = append(seqs, row.Seq)
		}
		try, cancel := context.WithTimeout(ctx, s.q.cfg.IOTimeout)
		err = s.q.enqueueAll(try, jobs)
		cancel()
		if err != nil {
			return err
		}
		if err := s.store.Remove(ctx, seqs); err != nil {
			return err
		}
	}
}

// status answers for a job that is in this node's spool.
func (s *spool) status(ctx context.Context, id string) (Status, bool) {
	row, ok, err := s.store.Find(ctx, id)
	if err != nil || !ok {
		return Status{}, false
	}
	st := Status{ID: id, Instance: row.Queue, State: StateSpooled, AcceptedAt: row.AcceptedAt, Reason: "redis is away"}
	if job, err := unpack(row.Payload); err == nil {
		st.Type, st.RequestID = job.Type, job.RequestID
	}
	return st, true
}

// drop takes a job out of the spool. The relay may be sending it just then: the caller cancels it in Redis too.
func (s *spool) drop(ctx context.Context, id string) (bool, error) {
	row, ok, err := s.store.Find(ctx, id)
	if err != nil || !ok {
		return false, err
	}
	return true, s.store.Remove(ctx, []int64{row.Seq})
}

// pack writes a job as the length of its header, the header and the envelope.
func pack(j *Job) ([]byte, error) {
	head := *j
	head.Envelope = nil
	text, err := json.Marshal(head)
	if err != nil {
		return nil, fmt.Errorf("%w: job %s: %w", ErrInvalid, j.ID, err)
	}
	out := binary.AppendUvarint(make([]byte, 0, len(text)+len(j.Envelope)+binary.MaxVarintLen32), uint64(len(text)))
	return append(append(out, text...), j.Envelope...), nil
}

func unpack(payload []byte) (Job, error) {
	n, used := binary.Uvarint(payload)
	if used <= 0 || n > uint64(len(payload)-used) { //nolint:gosec // not negative
		return Job{}, fmt.Errorf("%w: spooled job is cut off", ErrInvalid)
	}
	var j Job
	head := payload[used : used+int(n)] //nolint:gosec // n is bounded by the payload's length
	if err := json.Unmarshal(head, &j); err != nil {
		return Job{}, fmt.Errorf("%w: spooled job: %w", ErrInvalid, err)
	}
	j.Envelope = payload[used+int(n):] //nolint:gosec // as above
	return j, j.check()
}
