package dispatch

import (
	"fmt"
	"strconv"

	"google.golang.org/protobuf/proto"

	"bulkhead.dev/host/internal/queue"
	"bulkhead.dev/sdk/pluginv1"
)

// factsOf wraps what a job emits in all that its subscribers' jobs must know. What the plugin did not declare it may not
// emit: a domain speaks for itself alone.
func (l *Loop) factsOf(job *pluginv1.Job, emits []*pluginv1.Emit) ([]queue.Emit, error) {
	out := make([]queue.Emit, 0, len(emits))
	seen := make(map[string]bool, len(emits))
	for i, emit := range emits {
		key := factKey(i, emit)
		switch {
		case !l.facts[emit.GetType()]:
			return nil, fmt.Errorf("the fact %q is not among those that the plugin declares", emit.GetType())
		case seen[key]:
			return nil, fmt.Errorf("two facts of one job have the key %q", emit.GetKey())
		}
		seen[key] = true
		data, err := proto.Marshal(&pluginv1.Job{
			Type: emit.GetType(), Subject: emit.GetSubject(), Data: emit.GetData(), Datacontenttype: mediaJSON,
			RequestId: job.GetRequestId(), Traceparent: job.GetTraceparent(), Source: "job:" + job.GetId(),
			EventId: job.GetEventId(), Principal: job.GetPrincipal(),
		})
		if err != nil {
			return nil, fmt.Errorf("the fact %q can't be sent: %w", emit.GetType(), err)
		}
		out = append(out, queue.Emit{Type: emit.GetType(), Key: key, Data: data})
	}
	return out, nil
}

const mediaJSON = "application/json"

// factKey is the fact's identity within its job. The author's keys and the indexes of facts without one never meet.
func factKey(index int, emit *pluginv1.Emit) string {
	if key := emit.GetKey(); key != "" {
		return "key:" + key
	}
	return "#" + strconv.Itoa(index)
}
