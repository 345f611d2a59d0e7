package queue

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"time"
)

// Lane is the stream a job goes by.
type Lane uint8

// Lanes. The zero value is the normal one.
const (
	// LaneNormal is the ordinary lane.
	LaneNormal Lane = iota
	// LaneNow is for callers who wait.
	LaneNow
	// LaneBulk is for reconciliation and replay.
	LaneBulk
)

func (l Lane) String() string {
	switch l {
	case LaneNow:
		return "now"
	case LaneBulk:
		return "bulk"
	default:
		return "normal"
	}
}

// Limit lets at most N jobs that name the same Name and Key run at once, over all nodes. A changed N holds for the
// jobs accepted from then on and evicts nobody.
type Limit struct {
	// Name of the limit, [a-z][a-z0-9-]*, not "order".
	Name string
	// Key within the name; may be empty.
	Key string
	// N is how many may run at once, at least 1.
	N int
}

// Job is what is enqueued. The queue knows the envelope as bytes alone.
type Job struct {
	// Instance whose queue it goes to.
	Instance string
	// ID is <instance>-<rest>; the rest holds no dash. The same event always has the same id: a repeat changes nothing.
	ID string
	// Type of the job, for its status.
	Type string
	Lane Lane
	// Key is the subject whose jobs run one after another, in the order of acceptance; empty: no order.
	Key string
	// Limits that the job runs under, besides its key.
	Limits []Limit
	// Alias is a second identity (such as a hash of the body where the delivery id is not signed); empty: none.
	Alias string
	// Window is how long after its end the job's record answers repeats and shows the status. At least MinWindow.
	Window time.Duration
	// At is when the job may start at the earliest, by this node's clock; zero: at once.
	At time.Time
	// Expires is when a job that has not begun ends as expired, by this node's clock; zero: never. A retry counts as not begun.
	Expires time.Time
	// Accepted is when the caller's 202 was due; zero: now, by Redis' clock.
	Accepted time.Time
	// Reply says that a caller waits: the end is published on the request's channel, and the job is never spooled.
	Reply bool
	// RequestID names the request; its first NodeIDLen characters are the node's id.
	RequestID string
	// Envelope is kept as it is. A replayed job bears a new id while its envelope still holds the old one: Delivery.ID is right.
	Envelope []byte
}

// Receipt is the answer to an Enqueue.
type Receipt struct {
	// ID of the job: the given one, or the one known before by its alias.
	ID string
	// State of the job at that moment. A running job may be shown as queued.
	State State
	// Repeated says that the job was known before and nothing was changed.
	Repeated bool
	// Spooled says that the job is safe on this node's disk and not yet in Redis.
	Spooled bool
}

const (
	// MinWindow is the shortest time a record is kept after the job's end.
	MinWindow = 10 * time.Minute
	// MaxWindow is the longest.
	MaxWindow = 30 * 24 * time.Hour
	// NodeIDLen is the length of every node id. One length, so that no node's result pattern matches another's channels.
	NodeIDLen = 8
	// MaxEnvelope bounds a job's envelope, in bytes.
	MaxEnvelope = 16 << 20

	maxText   = 256
	maxLimits = 8
)

// InstanceOf returns the instance that a job id names: what stands before its last dash.
func InstanceOf(id string) (string, bool) {
	i := strings.LastIndexByte(id, '-')
	if i <= 0 || i == len(id)-1 || len(id) > maxText {
		return "", false
	}
	return id[:i], validName(id[:i])
}

// Identity is the last part of the id of an event that has an identity of its own: a hash of its parts, taken so that no
// two lists of parts look alike, 128 bits in hex.
func Identity(parts ...string) string {
	h := sha256.New()
	for _, part := range parts {
		fmt.Fprintf(h, "%d:%s", len(part), part)
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

func (j *Job) check() error {
	inst, ok := InstanceOf(j.ID)
	switch {
	case !ok || inst != j.Instance:
		return fmt.Errorf("%w: job id %q is not of instance %q", ErrInvalid, j.ID, j.Instance)
	case strings.ContainsFunc(j.ID, unprintable):
		return fmt.Errorf("%w: job id %q", ErrInvalid, j.ID)
	case j.Type == "" || len(j.Type) > maxText || len(j.RequestID) > maxText:
		return fmt.Errorf("%w: job %s: type and request id are at most %d bytes, the type at least one", ErrInvalid, j.ID, maxText)
	case j.Lane > LaneBulk:
		return fmt.Errorf("%w: job %s: lane %d", ErrInvalid, j.ID, j.Lane)
	case len(j.Envelope) == 0 || len(j.Envelope) > MaxEnvelope:
		return fmt.Errorf("%w: job %s: envelope of %d bytes", ErrInvalid, j.ID, len(j.Envelope))
	case len(j.Limits) > maxLimits:
		return fmt.Errorf("%w: job %s: more than %d limits", ErrInvalid, j.ID, maxLimits)
	case j.Reply && len(j.RequestID) <= NodeIDLen:
		return fmt.Errorf("%w: job %s: a reply needs a request id", ErrInvalid, j.ID)
	}
	for _, l := range j.Limits {
		if !validName(l.Name) || l.Name == orderGate || l.N < 1 {
			return fmt.Errorf("%w: job %s: limit %q of %d", ErrInvalid, j.ID, l.Name, l.N)
		}
	}
	return nil
}

// aliasKey is a fixed-length name of the alias.
func (j *Job) aliasKey() string {
	if j.Alias == "" {
		return ""
	}
	sum := sha256.Sum256([]byte(j.Alias))
	return hex.EncodeToString(sum[:16])
}

func (j *Job) window() time.Duration { return min(max(j.Window, MinWindow), MaxWindow) }

func validName(s string) bool {
	if s == "" || s[0] < 'a' || s[0] > 'z' {
		return false
	}
	return !strings.ContainsFunc(s, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-'
	})
}

func unprintable(r rune) bool { return r <= ' ' || r > '~' }
