// Package ledger keeps what was done at the stand-ins: one entry for each call, in a bounded ring, so that a test or a
// person can ask afterwards what a request caused. It knows no vendor; a handler says in words what it did (Say).
package ledger

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// Entry is one call that a stand-in received.
type Entry struct {
	Seq       int64     `json:"seq"`             // 1 for the first, without gaps
	At        time.Time `json:"at"`              // when the answer was ready, UTC
	Vendor    string    `json:"vendor"`          // which stand-in
	Method    string    `json:"method"`          // HTTP method
	Path      string    `json:"path"`            // path without the query (it may carry a token)
	Status    int       `json:"status"`          // HTTP status; 0 when no answer went out
	RequestID string    `json:"request_id"`      // the caller's X-Request-Id
	Summary   string    `json:"summary"`         // what was done, in words
	Changed   bool      `json:"changed"`         // whether anything at the vendor is different now
	Fault     string    `json:"fault,omitempty"` // the injected fault that met this call
	URL       string    `json:"url"`             // a readable view of what the call was about
}

// Filter selects entries; its zero value selects all.
type Filter struct {
	RequestID string // exactly this request id
	Vendor    string // exactly this vendor
	Since     int64  // only entries with a greater Seq
	Changed   bool   // only calls that changed something
}

func (f Filter) takes(e Entry) bool {
	return e.Seq > f.Since &&
		(f.RequestID == "" || f.RequestID == e.RequestID) &&
		(f.Vendor == "" || f.Vendor == e.Vendor) &&
		(!f.Changed || e.Changed)
}

// Ledger is the ring. Its methods may be called from many goroutines.
type Ledger struct {
	mu      sync.Mutex
	ring    []Entry
	last    int64         // Seq of the newest entry
	changed chan struct{} // closed and replaced at each Add
}

// New makes a ledger that keeps the newest size entries (at least one).
func New(size int) *Ledger {
	return &Ledger{ring: make([]Entry, max(size, 1)), changed: make(chan struct{})}
}

// Add puts e at the end, gives it its Seq and wakes those who wait.
func (l *Ledger) Add(e Entry) Entry {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.last++
	e.Seq = l.last
	l.ring[int((l.last-1)%int64(len(l.ring)))] = e
	close(l.changed)
	l.changed = make(chan struct{})
	return e
}

// List answers the entries that f selects and the ring still holds, oldest first.
func (l *Ledger) List(f Filter) []Entry {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.list(f)
}

func (l *Ledger) list(f Filter) []Entry {
	first := max(l.last-int64(len(l.ring)), f.Since, 0)
	found := []Entry{}
	for seq := first + 1; seq <= l.last; seq++ {
		if e := l.ring[int((seq-1)%int64(len(l.ring)))]; f.takes(e) {
			found = append(found, e)
		}
	}
	return found
}

// Wait answers like List as soon as at least count entries match, or what there is when ctx ends: running out of time
// is an answer here, not an error.
func (l *Ledger) Wait(ctx context.Context, f Filter, count int) []Entry {
	for {
		l.mu.Lock()
		found, changed := l.list(f), l.changed
		l.mu.Unlock()
		if len(found) >= count {
			return found
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return found
		}
	}
}

// Note collects what a handler says about the call it works on.
type Note struct {
	mu      sync.Mutex
	summary string
	anchor  string
	changed bool
}

type noteKey struct{}

// WithNote answers a context that carries a new note, and the note.
func WithNote(ctx context.Context) (context.Context, *Note) {
	n := &Note{}
	return context.WithValue(ctx, noteKey{}, n), n
}

// Read answers what was said: the words, the anchor of the view on the page, and whether something changed.
func (n *Note) Read() (summary, anchor string, changed bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.summary, n.anchor, n.changed
}

// Saw notes that the call read something; anchor names its place on the page, without '#' ("" is none).
func Saw(ctx context.Context, anchor, format string, args ...any) {
	say(ctx, anchor, false, format, args...)
}

// Did notes that the call changed something; anchor as for Saw.
func Did(ctx context.Context, anchor, format string, args ...any) {
	say(ctx, anchor, true, format, args...)
}

func say(ctx context.Context, anchor string, changed bool, format string, args ...any) {
	n, ok := ctx.Value(noteKey{}).(*Note)
	if !ok {
		return // a handler under test without the door
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.summary, n.anchor, n.changed = fmt.Sprintf(format, args...), anchor, changed
}
