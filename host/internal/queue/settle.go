package queue

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// Kind says how a run ended.
type Kind uint8

// Kinds of settlement.
const (
	// Done: the job has ended well.
	Done Kind = iota + 1
	// Later: the job runs again after a while.
	Later
	// Dead: the job becomes a dead letter.
	Dead
	// Interrupted: the run has no outcome; the job begins again, at no cost. See Died, Alone and Release.
	Interrupted
	// Cancelled: the run was ended because its job was cancelled. A job that nobody cancelled is given back.
	Cancelled

	expiredKind
)

// Settlement ends a run.
type Settlement struct {
	// Token of the run.
	Token string
	Kind  Kind
	// Result of Done. Above Config.MaxResult it is not kept, and the reason says so.
	Result []byte
	// After is when Later runs again, from now.
	After time.Duration
	// Free says that Later costs no attempt.
	Free bool
	// KeepPlace says that the job stays the first of its key while it waits for Later; else it goes behind the others.
	KeepPlace bool
	// Reason and Fault of Later, Dead and Interrupted.
	Reason string
	Fault  Fault
	// Died says that Interrupted means the death of the process: the job becomes a suspect.
	Died bool
	// Alone says that the process that died ran nothing else: two such deaths make a dead letter.
	Alone bool
	// Release gives an interrupted job to whichever node reads next; else this node begins it again.
	Release bool
	// Emits of Done, Later and Dead go out if this run is the one that ends.
	Emits []Emit
}

// Settle ends a run and reports whether it was this run that ended: false when another node has taken the job, and
// then nothing was written. It joins the group that is sent next and tries again until ctx ends; after an error the
// job may begin again. ErrUnknownRun for a token that does not run here, ErrInvalid for an unknown kind.
func (d *Domain) Settle(ctx context.Context, s Settlement) (won bool, err error) {
	if s.Kind < Done || s.Kind > Cancelled || s.After < 0 {
		return false, fmt.Errorf("%w: settlement of kind %d after %s", ErrInvalid, s.Kind, s.After)
	}
	r := d.runOf(s.Token)
	if r == nil {
		return false, fmt.Errorf("%w: %s", ErrUnknownRun, s.Token)
	}
	return d.settleRun(ctx, r, s)
}

func (d *Domain) runOf(token string) *run {
	o, ok := ownedOf(d.q.cfg.Node, token)
	if !ok {
		return nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if r := d.runs[o.entry()]; r != nil && r.n == o.n {
		return r
	}
	return nil
}

func (d *Domain) settleRun(ctx context.Context, r *run, s Settlement) (bool, error) {
	t := &settling{ctx: ctx, run: r, args: d.settleArgs(r, s), emits: s.Emits, done: make(chan struct{})}
	d.settles.join(t)
	<-t.done
	won := t.answer == "won" || t.answer == "kept" || t.answer == "cancelled"
	d.mu.Lock()
	delete(d.runs, r.entry())
	if d.byJob[r.ID] == r {
		delete(d.byJob, r.ID)
	}
	switch {
	case r.next != nil:
		d.back = append(d.back, *r.next)
	case t.answer == "kept":
		d.back = append(d.back, r.owned)
	case !won:
		d.sweep = true
	}
	d.mu.Unlock()
	if t.err != nil {
		return false, fmt.Errorf("%w: settle %s: %w", ErrUnavailable, r.ID, t.err)
	}
	if won && s.Kind == Later {
		kick(d.dueWake)
	}
	if won && len(s.Emits) > 0 {
		kick(d.outboxWake)
	}
	return won, nil
}

// endUnrun settles a run that must not start. It does not hold up the read; what fails is found by the sweep.
func (d *Domain) endUnrun(r *run, kind Kind, reason string, fault Fault) {
	d.q.spawn(func() {
		ctx, cancel := context.WithTimeout(d.q.ctx, d.q.cfg.IOTimeout)
		defer cancel()
		if _, err := d.settleRun(ctx, r, Settlement{Kind: kind, Reason: reason, Fault: fault}); err != nil {
			d.q.log.Debug("job is not ended", "job", r.ID, "error", err)
		}
	})
}

// settleArgs are the fourteen of settle.lua.
func (d *Domain) settleArgs(r *run, s Settlement) []any {
	kind, deaths, suspect := "i", r.Deaths, s.Died || r.Suspect
	switch s.Kind {
	case Done:
		kind = codeDone
		if len(s.Result) > d.q.cfg.MaxResult {
			s.Reason = fmt.Sprintf("the result of %d bytes is larger than %d and was not kept", len(s.Result), d.q.cfg.MaxResult)
			s.Result = nil
		} else {
			s.Reason, s.Fault = "", FaultNone
		}
	case Later:
		kind = codeDelayed
	case Dead:
		kind = codeDead
	case Cancelled:
		kind = codeCancelled
	case expiredKind:
		kind = codeExpired
	case Interrupted:
		if s.Release {
			kind = "b"
		}
		if s.Died && s.Alone {
			deaths++
		}
		if deaths >= aloneDeaths {
			kind = codeDead
			s.Reason = "its process died each time it ran alone: " + s.Reason
			if s.Fault == FaultNone {
				s.Fault = FaultPlugin
			}
		}
	}
	recent := time.Since(r.began) < max(r.window, MinWindow)/2
	return []any{
		kind, r.ID, int(r.lane), r.sid, r.n, s.Result, max(s.After.Milliseconds(), 0), flag(!s.Free), flag(s.KeepPlace),
		bounded(s.Reason), string(s.Fault), flag(suspect), deaths, flag(recent),
	}
}

// giveBack settles entries that never began here.
func (d *Domain) giveBack(ctx context.Context, list []owned) error {
	args := []any{d.q.cfg.Node}
	for _, o := range list {
		id := "-" // the entry names its job; a run of it that goes on here is left alone
		page, err := d.q.rdb.XRangeN(ctx, d.k.lanes[o.lane], o.sid, o.sid, 1).Result()
		if err != nil {
			return err
		}
		if len(page) == 1 {
			id, _ = page[0].Values["j"].(string)
		}
		args = append(args, "b", id, int(o.lane), o.sid, o.n, "", 0, "", "", "", "", "", 0, "", 0, 0)
	}
	return d.q.runDomain(ctx, d.q.scripts.settle, d.k, args...).Err()
}

// settling is one run in a group.
type settling struct {
	ctx    context.Context //nolint:containedctx // of the caller who waits
	run    *run
	args   []any
	emits  []Emit
	copied bool
	done   chan struct{}
	answer string
	err    error
}

func (t *settling) bytes() int {
	n := 0
	if b, ok := t.args[5].([]byte); ok {
		n = len(b)
	}
	for _, e := range t.emits {
		n += len(e.Data)
	}
	if t.copied {
		n += len(t.run.Envelope)
	}
	return n
}

func (t *settling) arguments(args []any) []any {
	args = append(args, t.args...)
	if t.copied {
		args = append(args, len(t.run.fields))
		args = append(args, t.run.fields...)
	} else {
		args = append(args, 0)
	}
	args = append(args, len(t.emits))
	for _, e := range t.emits {
		args = append(args, e.Type, e.Key, e.Data)
	}
	return args
}

// settleQueue sends settlements in groups, one group at a time.
type settleQueue struct {
	d *Domain

	mu      sync.Mutex
	waiting []*settling
	busy    bool
}

const (
	settlePauseMin = 20 * time.Millisecond
	settlePauseMax = time.Second
)

func (s *settleQueue) join(t *settling) {
	s.mu.Lock()
	s.waiting = append(s.waiting, t)
	start := !s.busy
	s.busy = true
	s.mu.Unlock()
	if start && !s.d.q.spawn(s.send) {
		s.fail(ErrClosed)
	}
}

// fail answers all who wait.
func (s *settleQueue) fail(err error) {
	for batch := s.next(groupJobs); batch != nil; batch = s.next(groupJobs) {
		for _, t := range batch {
			t.err = err
			close(t.done)
		}
	}
}

func (s *settleQueue) next(most int) []*settling {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.waiting) == 0 {
		s.busy, s.waiting = false, nil
		return nil
	}
	n, bytes := 0, 0
	for n < len(s.waiting) && n < most && (n == 0 || bytes+s.waiting[n].bytes() <= groupBytes) {
		bytes += s.waiting[n].bytes()
		n++
	}
	batch := s.waiting[:n:n]
	s.waiting = s.waiting[n:]
	return batch
}

// again puts settlements back in front.
func (s *settleQueue) again(batch []*settling) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.waiting = append(batch[:len(batch):len(batch)], s.waiting...)
}

// send sends group after group. A group that fails is sent again, run by run when it was Redis that refused it, until
// the caller of each has gone: the script answers a repeat as it did the first time.
func (s *settleQueue) send() {
	most, wait := groupJobs, settlePauseMin
	for {
		batch := s.next(most)
		if batch == nil {
			return
		}
		left := batch[:0:0]
		for _, t := range batch {
			if t.ctx.Err() != nil && t.err != nil {
				close(t.done)
				continue
			}
			left = append(left, t)
		}
		if len(left) == 0 {
			continue
		}
		lost, err := s.once(left)
		if err == nil {
			most, wait = groupJobs, settlePauseMin
			if len(lost) > 0 {
				s.again(lost)
			}
			continue
		}
		for _, t := range left {
			t.err = err
		}
		s.again(left)
		if isAnswer(err) {
			most = 1
		}
		s.d.q.health.failed(err)
		s.d.q.log.Warn("settlements are sent again", "queue", s.d.instance, "runs", len(left), "error", err)
		if s.d.q.ctx.Err() != nil {
			s.fail(ErrClosed)
			return
		}
		pause(left[0].ctx, wait) // not longer than the first caller waits
		wait = min(2*wait, settlePauseMax)
	}
}

// once sends one group. Answered runs are done; those that Redis has forgotten are returned, to be sent with the copy.
func (s *settleQueue) once(batch []*settling) (lost []*settling, err error) {
	q := s.d.q
	args := []any{q.cfg.Node}
	for _, t := range batch {
		args = t.arguments(args)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(q.ctx), q.cfg.IOTimeout)
	defer cancel()
	answers, err := q.runDomain(ctx, q.scripts.settle, s.d.k, args...).StringSlice()
	if err != nil {
		return nil, err
	}
	if len(answers) != len(batch) {
		return nil, fmt.Errorf("settle script: %d answers for %d runs", len(answers), len(batch))
	}
	for i, t := range batch {
		if answers[i] == "lost" && !t.copied {
			t.copied = true
			lost = append(lost, t)
			continue
		}
		t.answer, t.err = answers[i], nil
		close(t.done)
	}
	return lost, nil
}
