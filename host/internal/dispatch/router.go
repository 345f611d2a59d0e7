package dispatch

import (
	"context"
	"fmt"
	"slices"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"bulkhead.dev/host/internal/queue"
	"bulkhead.dev/host/internal/schema"
	"bulkhead.dev/sdk/pluginv1"
)

// factWindow is how long a repeated fact is recognised: longer than any vendor repeats the webhook it came from.
const factWindow = 25 * time.Hour

// Subscriptions is where all instances' subscriptions stand, the same for all nodes.
type Subscriptions interface {
	PublishSubscriptions(ctx context.Context, instance string, doc []byte) error
	Subscriptions(ctx context.Context) (map[string][]byte, error)
}

// Publish makes an instance's subscriptions known.
func Publish(ctx context.Context, s Subscriptions, instance string, m *pluginv1.Manifest) error {
	if len(m.GetSubscriptions()) == 0 {
		return s.PublishSubscriptions(ctx, instance, nil)
	}
	doc, err := proto.Marshal(&pluginv1.Manifest{Subscriptions: m.GetSubscriptions()})
	if err != nil {
		return err
	}
	return s.PublishSubscriptions(ctx, instance, doc)
}

// Router turns facts into the jobs of their subscribers. It implements queue.Router.
type Router struct {
	Subscriptions Subscriptions
}

var _ queue.Router = Router{}

// Route implements queue.Router. The ids are derived from the parent, the fact's type and key, and the subscriber, so
// that a fact that is relayed twice makes each job once. A subscriber that no living node runs gets its jobs all the
// same: they wait for it.
func (r Router) Route(ctx context.Context, e queue.Emitted) ([]queue.Job, error) {
	all, err := r.Subscriptions.Subscriptions(ctx)
	if err != nil {
		return nil, err
	}
	var fact pluginv1.Job
	if err := proto.Unmarshal(e.Data, &fact); err != nil {
		return nil, fmt.Errorf("fact of %s: %w", e.Parent, err)
	}
	instances := make([]string, 0, len(all))
	for instance := range all {
		instances = append(instances, instance)
	}
	slices.Sort(instances)
	var jobs []queue.Job
	for _, instance := range instances {
		var m pluginv1.Manifest
		if err := proto.Unmarshal(all[instance], &m); err != nil {
			return nil, fmt.Errorf("subscriptions of %s: %w", instance, err)
		}
		for _, sub := range m.GetSubscriptions() {
			if sub.GetFact() != e.Type || (sub.GetInstance() != "" && sub.GetInstance() != e.Instance) {
				continue
			}
			job, err := subscriberJob(e, &fact, instance, sub)
			if err != nil {
				return nil, err
			}
			jobs = append(jobs, job)
		}
	}
	return jobs, nil
}

// subscriberJob makes the job that a fact becomes at one subscriber.
func subscriberJob(e queue.Emitted, fact *pluginv1.Job, instance string, sub *pluginv1.Subscription) (queue.Job, error) {
	subject := fact.GetSubject()
	if pointer := sub.GetOrdering(); pointer != "" {
		subject = ""
		if doc, err := schema.Decode(fact.GetData()); err == nil {
			subject, _ = doc.Lookup(pointer)
		}
	}
	id := instance + "-" + queue.Identity(e.Parent, e.Type, e.Key, sub.GetJobType())
	envelope := proto.CloneOf(fact)
	envelope.Id, envelope.Type, envelope.Fact, envelope.Subject = id, sub.GetJobType(), e.Type, subject
	envelope.Time = timestamppb.Now()
	envelope.Lane = pluginv1.Lane_LANE_NORMAL
	lane := queue.LaneNormal
	if sub.GetLane() == pluginv1.Lane_LANE_BULK {
		envelope.Lane, lane = pluginv1.Lane_LANE_BULK, queue.LaneBulk
	}
	bytes, err := proto.Marshal(envelope)
	if err != nil {
		return queue.Job{}, err
	}
	return queue.Job{
		Instance: instance, ID: id, Type: sub.GetJobType(), Lane: lane, Key: subject,
		Window: factWindow, RequestID: e.RequestID, Envelope: bytes,
	}, nil
}
