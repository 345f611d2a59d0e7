package plugintest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"bulkhead.dev/sdk/pluginv1"

	"google.golang.org/protobuf/types/known/timestamppb"
)

// Job is a job as the host would make it. Only Type is needed.
type Job struct {
	// Type of the job, as a route or subscription declares it.
	Type string
	// Payload is marshalled as JSON; a []byte or json.RawMessage is taken as it is.
	Payload any
	// ContentType; empty: application/json.
	ContentType string
	// ID; empty: a new one. The same id stands for another attempt of the same job.
	ID string
	// Attempt; 0: 1. Starts; 0: Attempt.
	Attempt, Starts int
	// Timeout ends the context of the handler; 0: nothing does.
	Timeout time.Duration
	// Time is when the job was accepted; zero: now.
	Time time.Time
	// Reply: a caller waits.
	Reply bool
	// The rest is handed on; RequestID is made when it is empty.
	Source, Subject, RequestID, EventID, Fact, Query, Traceparent string
	Headers, PathParams                                           map[string]string
	Who                                                           string
	Roles                                                         []string
}

// Kind is how an attempt ended.
type Kind string

// Kinds.
const (
	Done     Kind = "done"
	Retried  Kind = "retried"
	Rejected Kind = "rejected"
)

// Result is the outcome of one attempt.
type Result struct {
	Kind Kind
	// Of Done: what a waiting caller gets.
	Status      int // 0 stands for 200
	Headers     map[string]string
	ContentType string // empty stands for application/json
	Data        []byte
	// Of Retried and Rejected: Fault is plugin, vendor or host.
	Reason, Fault string
	// Of Retried: After is 0 when the policy decides, Free is true when the attempt does not count.
	After time.Duration
	Free  bool
	// Emits are the facts that go out.
	Emits []Emit
}

// Emit is a fact that goes out.
type Emit struct {
	Type, Key, Subject string
	Data               json.RawMessage
}

// Decode reads the result's data, which must be JSON.
func (r *Result) Decode(into any) error {
	if err := json.Unmarshal(r.Data, into); err != nil {
		return fmt.Errorf("result %q: %w", r.Data, err)
	}
	return nil
}

// Do runs one attempt of a new job. An error of the handler is a Result; Do's own error says that there is none: ctx
// ended, the payload can't be marshalled, or the plugin is gone.
func (h *Harness) Do(ctx context.Context, jobType string, payload any) (*Result, error) {
	return h.Run(ctx, Job{Type: jobType, Payload: payload})
}

// Run is Do with all that can be said of a job. When ctx ends the run is cancelled as a host would do it.
func (h *Harness) Run(ctx context.Context, job Job) (*Result, error) {
	data, err := payloadJSON(job.Payload)
	if err != nil {
		return nil, err
	}
	outcome := make(chan *pluginv1.Outcome, 1)
	h.mu.Lock()
	if h.broken != nil {
		defer h.mu.Unlock()
		return nil, h.broken
	}
	h.started++
	token := fmt.Sprintf("run-%d", h.started)
	h.waiting[token] = outcome
	h.mu.Unlock()
	h.Host.begin(token)
	defer func() {
		h.Host.end(token)
		h.mu.Lock()
		delete(h.waiting, token)
		h.mu.Unlock()
	}()
	if err := h.send(&pluginv1.WorkRequest{Runs: []*pluginv1.Run{h.run(token, job, data)}}); err != nil {
		return nil, err
	}
	select {
	case o := <-outcome:
		return resultOf(o), nil
	case <-h.ended:
		h.mu.Lock()
		defer h.mu.Unlock()
		return nil, h.broken
	case <-ctx.Done():
		cause := context.Cause(ctx)
		return nil, errors.Join(cause, h.send(&pluginv1.WorkRequest{
			Cancels: []*pluginv1.Cancel{{Token: token, Reason: cause.Error()}},
		}))
	}
}

func payloadJSON(payload any) ([]byte, error) {
	switch p := payload.(type) {
	case nil:
		return nil, nil
	case []byte:
		return p, nil
	case json.RawMessage:
		return p, nil
	}
	raw, err := json.Marshal(payload)
	if err != nil {
		return nil, fmt.Errorf("payload: %w", err)
	}
	return raw, nil
}

// run is the contract's form of job.
func (h *Harness) run(token string, job Job, data []byte) *pluginv1.Run {
	now := time.Now()
	m := &pluginv1.Job{
		Id: job.ID, Type: job.Type, Source: job.Source, Subject: job.Subject, Time: timestamppb.New(job.Time), Data: data,
		Datacontenttype: job.ContentType, RequestId: job.RequestID, Traceparent: job.Traceparent,
		Lane: pluginv1.Lane_LANE_NORMAL, PathParams: job.PathParams, Headers: job.Headers, Query: job.Query,
		EventId: job.EventID, Reply: job.Reply, Fact: job.Fact,
	}
	if m.GetId() == "" {
		m.Id = h.instance + "-" + token
	}
	if m.GetRequestId() == "" {
		m.RequestId = "plugintest-" + token
	}
	if m.GetDatacontenttype() == "" {
		m.Datacontenttype = "application/json"
	}
	if job.Time.IsZero() {
		m.Time = timestamppb.New(now)
	}
	if job.Who != "" || len(job.Roles) > 0 {
		m.Principal = &pluginv1.Principal{Who: job.Who, Roles: job.Roles}
	}
	attempt := max(job.Attempt, 1)
	run := &pluginv1.Run{
		Token: token, Job: m, Attempt: int32(attempt), Starts: int32(max(job.Starts, attempt)), //nolint:gosec // a test's own numbers
	}
	if job.Timeout > 0 {
		run.Deadline = timestamppb.New(now.Add(job.Timeout))
	}
	return run
}

// open begins the Work stream; its receiver ends with it.
func (h *Harness) open(ctx context.Context, plugin pluginv1.PluginServiceClient) error {
	streamed, cancel := context.WithCancel(context.WithoutCancel(ctx))
	work, err := plugin.Work(streamed)
	if err != nil {
		cancel()
		return fmt.Errorf("work: %w", err)
	}
	h.work = work
	go h.receive()
	h.closers = append(h.closers, func() error {
		err := h.close()
		<-h.ended
		cancel()
		return err
	})
	return nil
}

// close tells the plugin that no more comes. It ends the stream when its handlers have returned.
func (h *Harness) close() error {
	h.sending.Lock()
	defer h.sending.Unlock()
	return h.work.CloseSend()
}

func (h *Harness) send(frame *pluginv1.WorkRequest) error {
	h.sending.Lock()
	defer h.sending.Unlock()
	if err := h.work.Send(frame); err != nil {
		return fmt.Errorf("work: %w", err)
	}
	return nil
}

// receive hands outcomes to those who wait, until the stream ends.
func (h *Harness) receive() {
	for {
		frame, err := h.work.Recv()
		h.mu.Lock()
		if err != nil {
			if errors.Is(err, io.EOF) {
				err = errors.New("the harness is closed")
			}
			h.broken = fmt.Errorf("work: %w", err)
			h.mu.Unlock()
			close(h.ended)
			return
		}
		for _, o := range frame.GetOutcomes() {
			if waiter := h.waiting[o.GetToken()]; waiter != nil {
				waiter <- o // has room: a run has one outcome
				delete(h.waiting, o.GetToken())
			}
		}
		h.mu.Unlock()
	}
}

func resultOf(o *pluginv1.Outcome) *Result {
	r := &Result{}
	switch o.GetResult().(type) {
	case *pluginv1.Outcome_Done:
		done := o.GetDone()
		r.Kind, r.Status, r.Headers = Done, int(done.GetStatus()), done.GetHeaders()
		r.ContentType, r.Data = done.GetContentType(), done.GetData()
	case *pluginv1.Outcome_Retry:
		retry := o.GetRetry()
		r.Kind, r.Reason, r.Fault = Retried, retry.GetReason(), faultName(retry.GetFault())
		r.After, r.Free = retry.GetAfter().AsDuration(), retry.GetCost() == pluginv1.Cost_COST_NONE
	case *pluginv1.Outcome_Reject:
		reject := o.GetReject()
		r.Kind, r.Reason, r.Fault = Rejected, reject.GetReason(), faultName(reject.GetFault())
	}
	for _, e := range o.GetEmits() {
		r.Emits = append(r.Emits, Emit{Type: e.GetType(), Key: e.GetKey(), Subject: e.GetSubject(), Data: e.GetData()})
	}
	return r
}

func faultName(f pluginv1.Fault) string {
	return strings.ToLower(strings.TrimPrefix(f.String(), "FAULT_"))
}
