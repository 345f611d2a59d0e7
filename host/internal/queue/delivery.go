package queue

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Delivery is one run of one job, which has begun.
type Delivery struct {
	ID   string
	Lane Lane
	// Attempt is the number of this attempt; it begins with 1.
	Attempt int
	// Starts is how often the job was started in all, this time among them.
	Starts int
	// Deaths is how often a process died while it ran this job alone.
	Deaths int
	// Suspect says that a process died while it ran this job: it must run alone now.
	Suspect bool
	// Reply says that a caller waits.
	Reply     bool
	RequestID string
	// AcceptedAt is by Redis' clock.
	AcceptedAt time.Time
	// Expires is zero when the job does not expire; it is by this node's clock.
	Expires  time.Time
	Envelope []byte

	token string
}

// Token names this run. No other run of any job on any node has the same.
func (d Delivery) Token() string { return d.token }

func tokenOf(node string, o owned) string {
	return fmt.Sprintf("%s.%d.%s.%d", node, o.lane, o.sid, o.n)
}

// ownedOf reads a token of this node.
func ownedOf(node, token string) (owned, bool) {
	parts := strings.Split(token, ".")
	if len(parts) != 4 || parts[0] != node {
		return owned{}, false
	}
	return owned{lane: laneOf(parts[1]), sid: parts[2], n: number(parts[3])}, true
}

// begun is an entry that Redis has just given to this node, with what its record adds to it.
type begun struct {
	owned
	fields []any
	// counters of a claimed entry; a fresh one carries them itself.
	attempts, starts, deaths int
	suspect                  bool
	cancel                   string
}

// readBegun reads what lib.lua's begun describes.
func readBegun(v any) (begun, bool) {
	p, ok := v.([]any)
	if !ok || len(p) != 9 {
		return begun{}, false
	}
	fields, ok := p[3].([]any)
	if !ok {
		return begun{}, false
	}
	return begun{
		owned:    owned{lane: laneOf(text(p[0])), sid: text(p[1]), n: number(text(p[2]))},
		fields:   fields,
		attempts: number(text(p[4])), starts: number(text(p[5])), deaths: number(text(p[6])),
		suspect: text(p[7]) == "1", cancel: text(p[8]),
	}, true
}

// freshBegun reads an entry that was read for the first time.
func freshBegun(o owned, fields []any) begun {
	b := begun{owned: o, fields: fields}
	if c := strings.Fields(field(fields, "c")); len(c) == 4 {
		b.attempts, b.starts, b.deaths, b.suspect = number(c[0]), number(c[1]), number(c[2]), c[3] == "1"
	}
	return b
}

// toRun makes the run of an entry; false when the entry is none of ours.
func (d *Domain) toRun(b begun) (*run, bool) {
	id, envelope := field(b.fields, "j"), field(b.fields, "e")
	if id == "" || envelope == "" {
		return nil, false
	}
	r := &run{
		owned: b.owned, fields: b.fields, began: time.Now(),
		window: time.Duration(number(field(b.fields, "w"))) * time.Millisecond,
		Delivery: Delivery{
			ID: id, Lane: b.lane, Attempt: b.attempts + 1, Starts: b.starts + b.n, Deaths: b.deaths, Suspect: b.suspect,
			Reply: field(b.fields, "y") == "1", RequestID: field(b.fields, "q"),
			AcceptedAt: millis(field(b.fields, "b")), Expires: millis(field(b.fields, "x")),
			Envelope: []byte(envelope), token: tokenOf(d.q.cfg.Node, b.owned),
		},
	}
	if !r.Expires.IsZero() {
		r.Expires = r.Expires.Add(-time.Duration(d.q.skew.Load()) * time.Millisecond)
	}
	return r, true
}

// field returns the value after a name in an entry's fields.
func field(fields []any, name string) string {
	for i := 0; i+1 < len(fields); i += 2 {
		if fields[i] == name {
			return text(fields[i+1])
		}
	}
	return ""
}

func text(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case int64:
		return strconv.FormatInt(v, 10)
	}
	return ""
}
