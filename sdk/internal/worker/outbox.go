package worker

import (
	"fmt"
	"sync"

	"google.golang.org/protobuf/proto"

	"bulkhead.dev/sdk/pluginv1"
	"bulkhead.dev/sdk/wire"
)

// outbox is what waits to be sent. It is bounded by the room that was offered: each outcome stands for a run in it.
type outbox struct {
	wake chan struct{}

	mu       sync.Mutex
	outcomes []*pluginv1.Outcome
	held     []int64 // of each outcome's run
	jobs     int32   // credit beside that of the outcomes
	bytes    int64
}

func newOutbox() outbox { return outbox{wake: make(chan struct{}, 1)} }

func (o *outbox) credit(jobs int32, bytes int64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.jobs += jobs
	o.bytes += bytes
	o.signal()
}

func (o *outbox) outcome(outcome *pluginv1.Outcome, held int64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.outcomes = append(o.outcomes, outcome)
	o.held = append(o.held, held)
	o.signal()
}

func (o *outbox) signal() {
	select {
	case o.wake <- struct{}{}:
	default:
	}
}

// next takes the next frame: outcomes with the room of their runs; nil: nothing waits.
func (o *outbox) next() *pluginv1.WorkResponse {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.outcomes) == 0 && o.jobs == 0 && o.bytes == 0 {
		return nil
	}
	credit := &pluginv1.Credit{Jobs: o.jobs, Bytes: o.bytes}
	o.jobs, o.bytes = 0, 0
	size, n := 0, 0
	for i, outcome := range o.outcomes {
		if size += proto.Size(outcome) + 8; n > 0 && size > wire.FrameBytes {
			break
		}
		credit.Jobs++
		credit.Bytes += o.held[i]
		n++
	}
	frame := &pluginv1.WorkResponse{Outcomes: o.outcomes[:n:n], Credit: credit}
	o.outcomes, o.held = o.outcomes[n:], o.held[n:]
	if len(o.outcomes) == 0 {
		o.outcomes, o.held = nil, nil
	}
	return frame
}

// send sends frames until the stream ends. While the host does not read, outcomes and with them their room wait.
func (s *session) send() {
	for {
		select {
		case <-s.ctx.Done():
			return
		case <-s.out.wake:
		}
		for frame := s.next(); frame != nil; frame = s.next() {
			if s.stream.Send(frame) != nil {
				s.cancel(ErrBroken) // the receiver sees the end of the stream too
				return
			}
			s.sent(frame.GetOutcomes())
		}
	}
}

// fit makes a reject of an outcome that no message can carry: a repeat would be as large.
func fit(outcome *pluginv1.Outcome) *pluginv1.Outcome {
	size := proto.Size(outcome)
	if size <= wire.MaxOutcomeBytes {
		return outcome
	}
	return &pluginv1.Outcome{Token: outcome.GetToken(), Result: &pluginv1.Outcome_Reject{Reject: &pluginv1.Reject{
		Reason: fmt.Sprintf("the outcome has %d bytes; a message carries %d", size, wire.MaxOutcomeBytes),
		Fault:  pluginv1.Fault_FAULT_PLUGIN,
	}}}
}
