package gateway

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"

	"bulkhead.dev/host/internal/queue"
	"bulkhead.dev/sdk/pluginv1"
)

// JobStatus is the body of GET /jobs/{id}.
type JobStatus struct {
	ID       string `json:"id"`
	Type     string `json:"type"`
	Instance string `json:"instance"`
	// State is spooled, queued, held, running, retrying, done, dead, cancelled or expired.
	State      string     `json:"state"`
	Attempt    int        `json:"attempt"`
	AcceptedAt time.Time  `json:"accepted_at"`
	NextAt     *time.Time `json:"next_at,omitempty"`
	EndedAt    *time.Time `json:"ended_at,omitempty"`
	Reason     string     `json:"reason,omitempty"`
	// Result is the plugin's answer: JSON as it is, anything else as a string.
	Result     json.RawMessage `json:"result,omitempty"`
	Error      *JobError       `json:"error,omitempty"`
	RequestID  string          `json:"request_id"`
	ReplayedAs string          `json:"replayed_as,omitempty"`
}

// JobError is the last failure of a job.
type JobError struct {
	// Source says whose fault it was: plugin, vendor or host.
	Source  string `json:"source"`
	Message string `json:"message"`
}

func (g *Gateway) status(w http.ResponseWriter, r *http.Request) {
	if _, err := g.authenticate(r); err != nil {
		g.refuse(w, r, err)
		return
	}
	status, err := g.queue.Status(r.Context(), r.PathValue("id"))
	if err != nil {
		g.refuse(w, r, err)
		return
	}
	writeJSON(w, http.StatusOK, mediaJSON, NewJobStatus(status))
}

// cancel answers DELETE /jobs/{id}: 204 when the job has ended without having begun; 202 when it runs and was asked to
// end, which its status will tell; 409 when it has ended before.
func (g *Gateway) cancel(w http.ResponseWriter, r *http.Request) {
	who, err := g.authenticate(r)
	if err != nil {
		g.refuse(w, r, err)
		return
	}
	id := r.PathValue("id")
	state, err := g.queue.Cancel(r.Context(), id, "cancelled by "+who.GetWho())
	switch {
	case errors.Is(err, queue.ErrEnded):
		g.refuse(w, r, g.aboutJob(id, problem(http.StatusConflict, "too-late", "The job has ended already", "it is "+string(state))))
		return
	case err != nil:
		g.refuse(w, r, err)
		return
	}
	g.log.Info("job cancelled", g.fields(r, "job", id, "who", who.GetWho(), "state", state)...)
	if state == queue.StateRunning {
		writeJSON(w, http.StatusAccepted, mediaJSON, g.acceptedAs(id))
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// NewJobStatus turns the queue's knowledge of a job into what callers see.
func NewJobStatus(s queue.Status) JobStatus {
	out := JobStatus{
		ID: s.ID, Type: s.Type, Instance: s.Instance, State: string(s.State), Attempt: s.Attempt,
		AcceptedAt: s.AcceptedAt.UTC(), NextAt: instant(s.NextAt), EndedAt: instant(s.EndedAt),
		Reason: s.Reason, RequestID: s.RequestID, ReplayedAs: s.ReplayedAs, Result: resultJSON(s.Result),
	}
	if s.Error != nil {
		out.Error = &JobError{Source: string(s.Error.Source), Message: s.Error.Message}
	}
	return out
}

func instant(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

// resultJSON unwraps the result that dispatch stored, a marshalled pluginv1.Done.
func resultJSON(stored []byte) json.RawMessage {
	var done pluginv1.Done
	if len(stored) == 0 || proto.Unmarshal(stored, &done) != nil || len(done.GetData()) == 0 {
		return nil
	}
	if t := done.GetContentType(); (t == "" || strings.HasPrefix(t, mediaJSON)) && json.Valid(done.GetData()) {
		return done.GetData()
	}
	text, err := json.Marshal(string(done.GetData()))
	if err != nil {
		return nil
	}
	return text
}
