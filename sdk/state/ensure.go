package state

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"bulkhead.dev/sdk/internal/disposition"
	"bulkhead.dev/sdk/internal/runctx"
	"bulkhead.dev/sdk/pluginv1"
)

const (
	// claimLength is how long a run may be at its find and create; the run's own deadline may end it sooner.
	claimLength = 2 * time.Minute
	// claimMargin is between the end of the context of find and create and the end of the claim: for a request that is
	// already on its way, and for clocks of two nodes that differ.
	claimMargin = 10 * time.Second
	// releaseTimeout bounds the giving back of a claim after an error.
	releaseTimeout = 2 * time.Second
	// busyWait is when a run that met a living claim comes again, at most.
	busyWait = 3 * time.Second
	// ensureRounds bounds the reads of one Ensure while others write the same link.
	ensureRounds = 5
)

// Ensure returns the link of source, and creates its target if there is none. find looks for the target at the vendor
// and returns its id, or "" if it is not there; create makes it and returns its id. hash is not set: see Put.
//
// What it guards against is a death, or an unclear answer, between the vendor's create and the write of the link. The
// steps, with what a death before or in each leaves behind:
//
//  1. Read the link. It has a target: done, without any call to the vendor.
//  2. Write the intent: a link without target that bears a claim (job, run, until when), only if nothing is there.
//     Death here: nothing, or an intent for which nothing was created.
//  3. create. An intent that this run has just written proves that nobody tried before, so find is not asked.
//     Death here: an intent, and perhaps a target at the vendor.
//  4. Write the target, only if the intent is still this run's. Death before: as in 3. After: done.
//
// A run that meets an intent takes it over, asks find, and creates only when find has nothing. It takes over what was
// given back (find or create returned an error), what is past its time, and what an earlier run of the same job left:
// the queue runs one attempt of a job at a time, and the host refuses the state calls of a run that is over. Else it gets
// a *BusyError, which brings the job back soon without costing an attempt. So of two concurrent runs one creates.
//
// find and create get a context that ends before the claim does, and must heed it. What remains is a request that the
// vendor carries out more than 10 s after it was given up, and a find that does not see what was just created: then
// there may be two targets. Give create an idempotency key where the vendor has one, and let find read by a unique field
// rather than by a search that lags. A link that another run wrote meanwhile is returned with a *StrayError if this run
// created another target.
func (l Links) Ensure(ctx context.Context, source string, find, create func(context.Context) (target string, err error)) (Link, error) {
	for range ensureRounds {
		current, err := l.fetch(ctx, "state: ensure link", source)
		if err != nil {
			return Link{}, err
		}
		if current.GetTarget() != "" {
			return linkOf(current), nil
		}
		if current != nil {
			if wait := l.claimed(ctx, current); wait > 0 {
				return Link{}, &BusyError{Kind: l.kind, Source: source, After: min(wait, busyWait)}
			}
		}
		claim := l.newClaim(ctx)
		revision, err := l.writeIntent(ctx, source, claim.text(), At(current.GetRevision()))
		if errors.Is(err, ErrConflict) {
			continue // somebody was quicker: look again
		}
		if err != nil {
			return Link{}, err
		}
		return l.fulfil(ctx, source, claim, revision, current != nil, find, create)
	}
	return Link{}, &BusyError{Kind: l.kind, Source: source, After: busyWait}
}

// fulfil turns the intent that this run holds, at revision, into a link.
func (l Links) fulfil(ctx context.Context, source string, claim claim, revision int64, tried bool,
	find, create func(context.Context) (string, error)) (Link, error) {
	bounded, end := context.WithDeadline(ctx, claim.Until.Add(-claimMargin))
	target, made, err := locate(bounded, tried, find, create)
	end()
	if err != nil {
		l.release(ctx, source, revision)
		return Link{}, fmt.Errorf("ensure %s of %q: %w", l.kind, source, err)
	}
	link := Link{Source: source, Target: target}
	write, err := putLink("state: ensure link", l.kind, link, At(revision))
	if err != nil {
		return Link{}, err
	}
	link.Revision, err = l.client.commitOne(ctx, "state: ensure link", write)
	if !errors.Is(err, ErrConflict) {
		return link, err // written, or unclear: then the next attempt reads the link or finds the target
	}
	return l.lost(ctx, source, target, made)
}

// locate asks find, unless nobody can have tried before, and then create.
func locate(ctx context.Context, tried bool, find, create func(context.Context) (string, error)) (target string, made bool, err error) {
	if tried {
		if target, err = find(ctx); err != nil || target != "" {
			return target, false, err
		}
	}
	if err := runctx.Check(ctx); err != nil {
		return "", false, err
	}
	if target, err = create(ctx); err == nil && target == "" {
		err = errors.New("create returned an empty id")
	}
	return target, true, err
}

// lost answers for a run whose intent was changed while it worked.
func (l Links) lost(ctx context.Context, source, target string, made bool) (Link, error) {
	current, err := l.fetch(ctx, "state: ensure link", source)
	switch {
	case err != nil:
		return Link{}, err
	case current.GetTarget() == "":
		return Link{}, &BusyError{Kind: l.kind, Source: source, After: busyWait}
	case made && current.GetTarget() != target:
		return linkOf(current), &StrayError{Kind: l.kind, Source: source, Kept: current.GetTarget(), Stray: target}
	}
	return linkOf(current), nil
}

// release gives the claim back and leaves the intent, so that the next run need not wait but asks find. It goes out even
// when ctx has ended; when it fails, the claim ends by itself.
func (l Links) release(ctx context.Context, source string, revision int64) {
	ctx, end := context.WithTimeout(context.WithoutCancel(ctx), releaseTimeout)
	defer end()
	_, _ = l.writeIntent(ctx, source, "", At(revision))
}

func (l Links) writeIntent(ctx context.Context, source, claim string, condition Condition) (int64, error) {
	return l.client.commitOne(ctx, "state: note intent", &pluginv1.StateWrite{Precondition: condition.must,
		What: &pluginv1.StateWrite_PutLink{PutLink: &pluginv1.Link{Kind: l.kind, Source: source, Hash: claim}}})
}

// claim says who is at an intent, and until when. It stands in the intent's hash, which has no content to be of.
type claim struct {
	Job   string    `json:"job"`
	Run   string    `json:"run"`
	Until time.Time `json:"until"`
}

func (l Links) newClaim(ctx context.Context) claim {
	run, _ := runctx.From(ctx)
	until := l.client.now().Add(claimLength)
	if deadline, ok := ctx.Deadline(); ok && deadline.Before(until) {
		until = deadline
	}
	return claim{Job: run.Job, Run: run.Token, Until: until.Add(claimMargin).UTC()}
}

func (c claim) text() string {
	raw, err := json.Marshal(c)
	if err != nil { // a year beyond 9999: no claim is safe, merely slower to be mended
		return ""
	}
	return string(raw)
}

// claimed says for how long another run may still be at the intent; 0: it may be taken over.
func (l Links) claimed(ctx context.Context, intent *pluginv1.Link) time.Duration {
	var held claim
	if intent.GetHash() == "" || json.Unmarshal([]byte(intent.GetHash()), &held) != nil {
		return 0
	}
	run, _ := runctx.From(ctx)
	if held.Job != "" && held.Job == run.Job && held.Run != run.Token {
		return 0
	}
	// A clock that was set back must not hold a claim for longer than any claim is made.
	return max(0, min(held.Until.Sub(l.client.now()), claimLength+claimMargin))
}

// BusyError says that another run is creating the same target just now. It unwraps to ErrBusy; the job comes back after
// After and the attempt does not count.
type BusyError struct {
	// Kind and Source name the link.
	Kind, Source string
	// After is when it is worth another look.
	After time.Duration
}

func (e *BusyError) Error() string {
	return fmt.Sprintf("ensure %s of %q: %v", e.Kind, e.Source, ErrBusy)
}

// Unwrap returns ErrBusy.
func (e *BusyError) Unwrap() error { return ErrBusy }

// Disposition brings the job back, free of cost.
func (e *BusyError) Disposition() disposition.Disposition {
	return disposition.Disposition{After: e.After, Free: true, Fault: pluginv1.Fault_FAULT_PLUGIN}
}

// StrayError says that there are two targets at the vendor: another run wrote its link while this one created a second.
// The handler may remove the stray one and go on with the kept.
type StrayError struct {
	// Kind and Source name the link.
	Kind, Source string
	// Kept is the target that the link has, Stray the one that this run created.
	Kept, Stray string
}

func (e *StrayError) Error() string {
	return fmt.Sprintf("ensure %s of %q: linked to %q, but %q was created too", e.Kind, e.Source, e.Kept, e.Stray)
}

// Disposition rejects the job: a person has to decide which of the two stays.
func (e *StrayError) Disposition() disposition.Disposition {
	return disposition.Disposition{Reject: true, Fault: pluginv1.Fault_FAULT_VENDOR}
}
