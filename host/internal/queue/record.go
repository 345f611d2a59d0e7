package queue

import (
	"strconv"
	"time"
)

// The record of a job is one hash. Its fields, as lib.lua knows them; times are ms by Redis' clock.
//
//	s  state: r ready, w waiting at a gate, d delayed, x dead letter, f done, c cancelled, e expired, y replayed
//	l  lane: 0 normal, 1 now, 2 bulk          i  id of its entry while it is ready
//	e  envelope while it is in no stream      t  type
//	q  request id                             y  1: a caller waits for the end
//	b  accepted                               w  window: how long the record outlives the job
//	x  expires                                g  gates it enters, in order
//	h  how many gates it holds while it is in no stream
//	a  attempts that counted and have ended   n  starts of its former entries
//	k  deaths while it ran alone              p  1: a suspect, to run alone
//	c  why a running job should end           u  due, of a delayed job
//	m  reason, o fault: why it is where it is  z  result
//	v  ended                                  j  id of its replay
//	tk node, entry and delivery count of the run that settled last, so that a settlement whose answer was lost repeats
const (
	codeReady     = "r"
	codeWaiting   = "w"
	codeDelayed   = "d"
	codeDead      = "x"
	codeDone      = "f"
	codeCancelled = "c"
	codeExpired   = "e"
	codeReplayed  = "y"
)

// stateOf translates a record's code; a ready job whose entry is pending is running, which the record does not say.
func stateOf(code string) State {
	switch code {
	case codeReady, codeDelayed:
		return StateQueued
	case codeWaiting:
		return StateHeld
	case codeDead:
		return StateDead
	case codeDone:
		return StateDone
	case codeExpired:
		return StateExpired
	default:
		return StateCancelled
	}
}

// statusFields are read for a Status, in this order.
func statusFields() []string {
	return []string{"s", "t", "q", "a", "b", "u", "v", "m", "o", "z", "j", "l", "i", "n"}
}

// statusOf reads the answer to HMGET of statusFields; false when there is no record.
func statusOf(id string, v []any) (s Status, lane, sid string, ok bool) {
	f := make([]string, len(v))
	for i := range v {
		f[i], _ = v[i].(string)
	}
	if len(f) != len(statusFields()) || f[0] == "" {
		return Status{}, "", "", false
	}
	inst, _ := InstanceOf(id)
	s = Status{
		ID: id, Instance: inst, State: stateOf(f[0]), Type: f[1], RequestID: f[2], Attempt: number(f[3]),
		AcceptedAt: millis(f[4]), NextAt: millis(f[5]), EndedAt: millis(f[6]), Reason: f[7], ReplayedAs: f[10],
	}
	if fault := Fault(f[8]); fault != FaultNone {
		s.Error = &Failure{Source: fault, Message: f[7]}
	}
	if v[9] != nil {
		s.Result = []byte(f[9])
	}
	switch f[0] {
	case codeDelayed:
		if f[13] != "" { // it has been started before
			s.State = StateRetrying
		}
	case codeReady:
		lane, sid = f[11], f[12]
	}
	return s, lane, sid, true
}

func number(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil {
		return 0
	}
	return n
}

func millis(s string) time.Time {
	if s == "" {
		return time.Time{}
	}
	ms, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}
