package e2e

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"bulkhead.dev/test/harness"
)

func TestInteractiveCallIsAnswered(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, o harness.Options) {
		o.Sandbox = harness.StartSandbox(t, binaries(t))
		h := harness.StartHost(t, binaries(t), o)
		var found struct {
			Issues []struct{ Key, Summary string }
			More   bool
		}
		answer := h.Ask("/interactive/jira/search", `{"jql":"project = ONB order by created","limit":2}`)
		answer.JSON(t, &found)
		if answer.Status != http.StatusOK || len(found.Issues) != 2 || found.Issues[0].Key != "ONB-1" || !found.More {
			t.Errorf("search: %d %s; want the first two issues", answer.Status, answer.Body)
		}
		if answer := h.Ask("/interactive/jira/search", `{"jql":"this is no ( query"}`); answer.Status != http.StatusBadRequest {
			t.Errorf("a query that Jira refuses: %d %s; want 400", answer.Status, answer.Body)
		}
		if answer := h.Ask("/interactive/jira/search", `{"jql":"project = ONB","limit":0}`); answer.Status != http.StatusUnprocessableEntity {
			t.Errorf("a limit of 0: %d %s; want 422", answer.Status, answer.Body)
		}
		var out struct {
			Date string
			Out  []struct{ Name string }
		}
		answer = h.Ask("/interactive/peopleforce/who-is-out", `{}`)
		answer.JSON(t, &out)
		if answer.Status != http.StatusOK || out.Date == "" || len(out.Out) == 0 {
			t.Errorf("who is out: %d %s; want somebody", answer.Status, answer.Body)
		}
	})
}

func TestAnswerThatComesTooLateIsKept(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, o harness.Options) {
		o.Plugins = []string{"probe"}
		h := harness.StartHost(t, binaries(t), o)
		answer := h.Ask("/interactive/probe/hurry", `{"sleep_ms":1500}`)
		var problem struct {
			JobID     string `json:"job_id"`
			StatusURL string `json:"status_url"`
		}
		answer.JSON(t, &problem)
		if answer.Status != http.StatusGatewayTimeout || problem.JobID == "" || problem.StatusURL != h.URL+"/jobs/"+problem.JobID {
			t.Fatalf("answer %d %s; want 504 with the status URL", answer.Status, answer.Body)
		}
		job := h.AwaitJob(problem.JobID, "done", "dead", "expired", "cancelled")
		if job.State != "done" || !strings.Contains(string(job.Result), `"pid"`) {
			t.Errorf("the late job: %+v; want its result", job)
		}
	})
}

func TestDeadlineIs25Seconds(t *testing.T) {
	t.Parallel()
	h := harness.StartHost(t, binaries(t), harness.Options{Plugins: []string{"probe"}})
	start := time.Now()
	answer := h.Ask("/interactive/probe/ask", `{"sleep_ms":27000}`)
	took := time.Since(start)
	if answer.Status != http.StatusGatewayTimeout || took < 24*time.Second {
		t.Errorf("answer %d after %v; want 504 at 25 s", answer.Status, took)
	}
}

func TestCallerWhoHangsUpFreesThePlugin(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, o harness.Options) {
		o.Plugins = []string{"probe"}
		h := harness.StartHost(t, binaries(t), o)
		ctx, hangUp := context.WithCancel(t.Context())
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, h.URL+"/interactive/probe/ask", strings.NewReader(`{"sleep_ms":60000}`))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+harness.Token)
		req.Header.Set("Content-Type", "application/json")
		gone := make(chan error, 1)
		go func() {
			resp, err := http.DefaultClient.Do(req)
			if err == nil {
				_ = resp.Body.Close()
			}
			gone <- err
		}()
		// The run has begun when the host has said so; there is no other sign of it outside.
		harness.Eventually(t, "the run begins", func() error {
			if _, body := h.Get("/metrics"); !strings.Contains(string(body), `bulkhead_runs_in_flight{instance="probe"} 1`) {
				return fmt.Errorf("no run in flight")
			}
			return nil
		})
		hangUp()
		if err := <-gone; err == nil {
			t.Fatal("the call was answered")
		}
		harness.Eventually(t, "the plugin's context ends and its slot is free", func() error {
			if !strings.Contains(h.Log(), "the run was ended") {
				return fmt.Errorf("the plugin has not noticed")
			}
			if _, body := h.Get("/metrics"); !strings.Contains(string(body), `bulkhead_runs_in_flight{instance="probe"} 0`) {
				return fmt.Errorf("the run is still in flight")
			}
			return nil
		})
	})
}
