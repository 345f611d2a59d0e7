package dispatch

import (
	"fmt"

	"bulkhead.dev/host/internal/schema"
	"bulkhead.dev/sdk/pluginv1"
)

// shapes are the schemas that facts must satisfy before a subscriber gets them. Routes' bodies were checked at the door.
type shapes map[subscribed]*schema.Schema

type subscribed struct{ fact, jobType string }

func compileShapes(m *pluginv1.Manifest) (shapes, error) {
	s := shapes{}
	for _, sub := range m.GetSubscriptions() {
		if len(sub.GetSchema()) == 0 {
			continue
		}
		compiled, err := schema.Compile(sub.GetJobType(), sub.GetSchema())
		if err != nil {
			return nil, fmt.Errorf("subscription to %s: %w", sub.GetFact(), err)
		}
		s[subscribed{sub.GetFact(), sub.GetJobType()}] = compiled
	}
	return s, nil
}

// check says what is wrong with a fact's data; empty: nothing.
func (s shapes) check(job *pluginv1.Job) string {
	shape := s[subscribed{job.GetFact(), job.GetType()}]
	if shape == nil {
		return ""
	}
	doc, err := schema.Decode(job.GetData())
	if err != nil {
		return fmt.Sprintf("the fact %s can't be read: %v", job.GetFact(), err)
	}
	if faults := shape.Validate(doc); len(faults) > 0 {
		return fmt.Sprintf("the fact %s does not have the subscriber's shape: %s %s", job.GetFact(), faults[0].Pointer, faults[0].Message)
	}
	return ""
}
