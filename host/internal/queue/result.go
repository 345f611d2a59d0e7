package queue

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// Answer is how a job ended, for a caller who waits.
type Answer struct {
	JobID  string
	State  State
	Result []byte
	// Reason and Fault say why there is no result.
	Reason string
	Fault  Fault
}

// Waiter waits for the end of one request's job.
type Waiter struct {
	// C gets the answer, once.
	C <-chan Answer

	r         *results
	requestID string
	c         chan Answer

	// Under results.mu.
	jobID string
	since time.Time
	next  time.Time
}

// Await registers a waiter for a request that this node made. Register it before the job is enqueued, then give it the
// receipt with Watch. Close it in any case. A second waiter of the same request takes the first one's place.
func (q *Queue) Await(requestID string) *Waiter {
	c := make(chan Answer, 1)
	w := &Waiter{C: c, c: c, r: q.results, requestID: requestID}
	q.results.mu.Lock()
	q.results.waiters[requestID] = w
	q.results.mu.Unlock()
	return w
}

// Watch names the job, so that a lost message costs seconds and not the answer: its record is looked at now and then
// (Config.Looks), and at once when the receipt says Repeated, because another request's channel got or gets the message.
func (w *Waiter) Watch(r Receipt) {
	w.r.mu.Lock()
	defer w.r.mu.Unlock()
	w.jobID, w.since = r.ID, time.Now()
	w.next = w.since.Add(w.r.q.cfg.Looks[0])
	if r.Repeated {
		w.next = w.since
		kick(w.r.wake)
	}
}

// Close ends the wait. C gets nothing any more.
func (w *Waiter) Close() {
	w.r.mu.Lock()
	defer w.r.mu.Unlock()
	if w.r.waiters[w.requestID] == w {
		delete(w.r.waiters, w.requestID)
	}
}

// results is the one subscription of this node: the ends of the requests that it made, and what other nodes ask of it.
type results struct {
	q    *Queue
	wake chan struct{}
	sub  *redis.PubSub

	mu      sync.Mutex
	waiters map[string]*Waiter
}

const (
	lookEvery       = 100 * time.Millisecond
	subscribePing   = 5 * time.Second
	subscribePause  = 100 * time.Millisecond
	maxReasonBytes  = 2 << 10
	resultHeadParts = 5
)

func newResults(q *Queue) *results {
	return &results{q: q, wake: make(chan struct{}, 1), waiters: map[string]*Waiter{}, sub: q.blocking.Subscribe(q.ctx)}
}

func (r *results) close() { _ = r.sub.Close() }

// receive reads the subscription until it is closed. go-redis connects and subscribes again by itself; what was
// published meanwhile is gone, so everything that may have been missed is looked at then.
func (r *results) receive(ctx context.Context) {
	patterns := false
	for ctx.Err() == nil {
		if !patterns {
			err := errors.Join(r.sub.PSubscribe(ctx, channelResult+r.q.cfg.Node+"-*"), r.sub.Subscribe(ctx, channelControl+r.q.cfg.Node))
			patterns = true // from now on it subscribes again by itself
			if err != nil && !pause(ctx, subscribePause) {
				return
			}
		}
		msg, err := r.sub.ReceiveTimeout(ctx, subscribePing)
		switch m := msg.(type) {
		case *redis.Message:
			if m.Pattern != "" {
				r.result(m)
			} else {
				r.control(m.Payload)
			}
		case *redis.Subscription:
			r.missed(ctx)
		}
		if err == nil || ctx.Err() != nil {
			continue
		}
		var timeout interface{ Timeout() bool }
		if errors.As(err, &timeout) && timeout.Timeout() {
			if err = r.sub.Ping(ctx); err == nil {
				continue
			}
		}
		if !pause(ctx, subscribePause) {
			return
		}
	}
}

// result hands a message to its waiter. Its head is "<code> <job> <1: fetch the result> <length of the reason> <fault>".
func (r *results) result(m *redis.Message) {
	head, body, ok := strings.Cut(m.Payload, "\n")
	parts := strings.Split(head, " ")
	if !ok || len(parts) != resultHeadParts {
		return
	}
	n, err := strconv.Atoi(parts[3])
	if err != nil || n < 0 || n > len(body) {
		return
	}
	request := strings.TrimPrefix(m.Channel, channelResult)
	if parts[2] == "1" {
		r.mu.Lock()
		if w := r.waiters[request]; w != nil {
			w.jobID, w.next = parts[1], time.Now()
			if w.since.IsZero() {
				w.since = w.next
			}
		}
		r.mu.Unlock()
		kick(r.wake)
		return
	}
	a := Answer{JobID: parts[1], State: stateOf(parts[0]), Reason: body[:n], Fault: Fault(parts[4])}
	if n < len(body) {
		a.Result = []byte(body[n:])
	}
	r.mu.Lock()
	w := r.waiters[request]
	r.mu.Unlock()
	if w != nil {
		r.hand(w, a)
	}
}

func (r *results) hand(w *Waiter, a Answer) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.waiters[w.requestID] != w {
		return
	}
	delete(r.waiters, w.requestID)
	w.c <- a // the first and only one of a buffer of one
}

// missed looks at everything that a message may have been lost of.
func (r *results) missed(ctx context.Context) {
	now := time.Now()
	r.mu.Lock()
	for _, w := range r.waiters {
		if w.jobID != "" {
			w.next = now
		}
	}
	r.mu.Unlock()
	kick(r.wake)
	for _, d := range r.q.allDomains() {
		d.checkCancels(ctx)
	}
}

// look reads the records of those who have waited long, one after another, until ctx ends.
func (r *results) look(ctx context.Context) {
	for {
		wait, cancel := context.WithTimeout(ctx, lookEvery)
		select {
		case <-r.wake:
		case <-wait.Done():
		}
		cancel()
		if ctx.Err() != nil {
			return
		}
		if r.q.health.down.Load() {
			continue
		}
		for _, w := range r.due() {
			try, cancel := context.WithTimeout(ctx, r.q.cfg.IOTimeout)
			a, ok := r.q.ended(try, w.jobID)
			cancel()
			if ok {
				r.hand(w.w, a)
			}
		}
	}
}

type lookAt struct {
	w     *Waiter
	jobID string
}

func (r *results) due() (list []lookAt) {
	now, looks := time.Now(), r.q.cfg.Looks
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, w := range r.waiters {
		if w.jobID == "" || now.Before(w.next) {
			continue
		}
		list = append(list, lookAt{w, w.jobID})
		at := w.since
		for i := 0; !at.After(now); i++ {
			at = w.since.Add(lookTime(looks, i))
		}
		w.next = at
	}
	return list
}

// lookTime is the i-th moment; after the last one its distance from the one before goes on.
func lookTime(looks []time.Duration, i int) time.Duration {
	last := len(looks) - 1
	if i <= last {
		return looks[i]
	}
	step := looks[last]
	if last > 0 {
		step -= looks[last-1]
	}
	return looks[last] + time.Duration(i-last)*max(step, lookEvery)
}

// ended returns how a job ended, if it has.
func (q *Queue) ended(ctx context.Context, id string) (Answer, bool) {
	s, err := q.Status(ctx, id)
	if err != nil || !s.State.Ended() {
		return Answer{}, false
	}
	a := Answer{JobID: id, State: s.State, Result: s.Result, Reason: s.Reason}
	if s.Error != nil {
		a.Fault = s.Error.Source
	}
	return a, true
}

// control carries out what another node asks: "cancel <instance> <job> <reason>".
func (r *results) control(text string) {
	parts := strings.SplitN(text, " ", 4)
	if len(parts) != 4 || parts[0] != "cancel" {
		r.q.log.Warn("unknown command on the control channel", "command", parts[0])
		return
	}
	r.q.mu.Lock()
	d := r.q.domains[parts[1]]
	r.q.mu.Unlock()
	if d != nil {
		d.cancelled(parts[2], parts[3])
	}
}
