package harness

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"testing"
)

// Job is a job's status, as GET /jobs/{id} shows it.
type Job struct {
	ID        string          `json:"id"`
	Type      string          `json:"type"`
	Instance  string          `json:"instance"`
	State     string          `json:"state"`
	Attempt   int             `json:"attempt"`
	Reason    string          `json:"reason"`
	Result    json.RawMessage `json:"result"`
	RequestID string          `json:"request_id"`
	Error     *struct {
		Source  string `json:"source"`
		Message string `json:"message"`
	} `json:"error"`
}

// Job returns a job's status.
func (h *Host) Job(id string) (Job, error) {
	status, body := h.Get("/jobs/" + id)
	if status != http.StatusOK {
		return Job{}, fmt.Errorf("GET /jobs/%s: %d %s", id, status, body)
	}
	var job Job
	return job, json.Unmarshal(body, &job)
}

// AwaitJob waits until a job is in one of the states.
func (h *Host) AwaitJob(id string, states ...string) Job {
	h.t.Helper()
	var job Job
	Eventually(h.t, "job "+id, func() (err error) {
		if job, err = h.Job(id); err != nil {
			return err
		}
		if !slices.Contains(states, job.State) {
			return fmt.Errorf("state %s (%s), not %v", job.State, job.Reason, states)
		}
		return nil
	})
	return job
}

// Accepted reads the job's id from the answer of a webhook.
func (a Answer) Accepted(t testing.TB) string {
	t.Helper()
	var accepted struct {
		JobID     string `json:"job_id"`
		StatusURL string `json:"status_url"`
	}
	a.JSON(t, &accepted)
	if a.Status != http.StatusAccepted || accepted.JobID == "" || accepted.StatusURL == "" {
		t.Fatalf("answer %d %s; want 202 with a job's id and status URL", a.Status, a.Body)
	}
	return accepted.JobID
}

// Plugin is an entry of /readyz.
type Plugin struct {
	Instance string `json:"instance"`
	State    string `json:"state"`
	PID      int    `json:"pid"`
	Restarts int    `json:"restarts"`
	Reason   string `json:"reason"`
	Version  string `json:"version"`
}

// Plugin returns what /readyz says of an instance.
func (h *Host) Plugin(instance string) (Plugin, error) {
	var health struct {
		Plugins []Plugin `json:"plugins"`
	}
	_, body := h.Get("/readyz")
	if err := json.Unmarshal(body, &health); err != nil {
		return Plugin{}, err
	}
	for _, p := range health.Plugins {
		if p.Instance == instance {
			return p, nil
		}
	}
	return Plugin{}, errors.New("no such plugin in " + string(body))
}
