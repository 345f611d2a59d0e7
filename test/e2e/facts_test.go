package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"bulkhead.dev/test/harness"
)

const hireEvent = `{"action":"employee_start","data":{"id":41207,"attributes":{"employee_number":"NS-0107","hired_on":"2026-12-01",
	"first_name":"Zoë","last_name":"Kask","email":"Zoe.Kask@example.com","personal_email":null,"gender":"female"},
	"reporting_to":{"id":40011,"full_name":"Mara Lindqvist","email":"mara@example.com"},"position":{"id":1,"name":"Engineer"},
	"department":{"id":2,"name":"Platform"},"location":{"id":3,"name":"Tartu"},"custom_fields":{},
	"meta":{"created_at":"2026-11-10T09:30:11.204+02:00","updated_at":"%s"}}}`

func TestHireSentThreeTimesMakesOneIssueAndOneMessage(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, o harness.Options) {
		sandbox := harness.StartSandbox(t, binaries(t))
		o.Sandbox = sandbox
		h := harness.StartHost(t, binaries(t), o)
		secret := sandbox.Settings["peopleforce"]["webhook_secret"]
		// Twice the same delivery, and once a later one about the same hire.
		for _, updated := range []string{"2026-11-18T14:02:33.019+02:00", "2026-11-18T14:02:33.019+02:00", "2026-11-18T15:00:00.000+02:00"} {
			body := fmt.Sprintf(hireEvent, updated)
			id := send(t, h, "/webhooks/peopleforce/events", signed("X-PeopleForce-Signature", secret, body), body).Accepted(t)
			if job := h.AwaitJob(id, "done", "dead"); job.State != "done" {
				t.Fatalf("job %+v", job)
			}
		}
		harness.Eventually(t, "the issue, its sub-tasks and the message", func() error {
			if jira, slack := sandbox.Effects("jira"), sandbox.Effects("slack"); len(jira) < 5 || len(slack) < 1 {
				return fmt.Errorf("jira %d, slack %d", len(jira), len(slack))
			}
			return nil
		})
		idle(t, h)
		jira, slack := sandbox.Effects("jira"), sandbox.Effects("slack")
		if len(jira) != 5 || !strings.Contains(jira[0].Summary, "Onboarding: Zoë Kask") || !strings.Contains(jira[4].Summary, " under ") {
			t.Errorf("jira: %+v; want one issue with four sub-tasks", jira)
		}
		if len(slack) != 1 || !strings.Contains(slack[0].Summary, "Zoë Kask") {
			t.Errorf("slack: %+v; want one welcome", slack)
		}
		if jira[0].RequestID != slack[0].RequestID || jira[0].RequestID == "" {
			t.Errorf("request ids %q and %q; want the webhook's at both vendors", jira[0].RequestID, slack[0].RequestID)
		}
	})
}

func TestWonDealBecomesAMessage(t *testing.T) {
	t.Parallel()
	sandbox := harness.StartSandbox(t, binaries(t))
	h := harness.StartHost(t, binaries(t), harness.Options{Sandbox: sandbox})
	deal := func(attempt int) harness.Answer {
		body := fmt.Sprintf(`{"data":{"id":4107,"title":"Warehouse scanners, phase 1","status":"won","value":11800.50,"currency":"EUR",
			"owner_id":15010021,"person_id":2210,"org_id":902,"won_time":"2026-11-12T15:02:09Z"},"previous":{"status":"open"},
			"meta":{"action":"change","company_id":"7301144","entity_id":"4107","entity":"deal","id":"f1260ebc","timestamp":"2026-11-12T15:02:09.874Z","version":"2.0","attempt":%d}}`, attempt)
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, h.URL, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		req.SetBasicAuth(sandbox.Settings["pipedrive"]["webhook_user"], sandbox.Settings["pipedrive"]["webhook_password"])
		req.Header.Set("Content-Type", "application/json")
		return send(t, h, "/webhooks/pipedrive/events", req.Header, body)
	}
	first := deal(1).Accepted(t)
	if again := deal(2).Accepted(t); again != first {
		t.Errorf("the second attempt of the delivery became %s; want %s", again, first)
	}
	h.AwaitJob(first, "done")
	harness.Eventually(t, "the message", func() error {
		if n := len(sandbox.Effects("slack")); n < 1 {
			return fmt.Errorf("%d messages", n)
		}
		return nil
	})
	idle(t, h)
	slack := sandbox.Effects("slack")
	if len(slack) != 1 || !strings.Contains(slack[0].Summary, "Warehouse scanners") || !strings.Contains(slack[0].Summary, "11800.50 EUR") {
		t.Errorf("slack: %+v; want one message with the exact amount", slack)
	}
}

// idle waits until no job waits or runs.
func idle(t *testing.T, h *harness.Host) {
	t.Helper()
	harness.Eventually(t, "all jobs end", func() error {
		_, body := h.Get("/metrics")
		for line := range strings.SplitSeq(string(body), "\n") {
			busy := strings.HasPrefix(line, "bulkhead_queue_depth{") || strings.HasPrefix(line, "bulkhead_runs_in_flight{")
			if busy && !strings.HasSuffix(line, " 0") {
				return fmt.Errorf("%s", line)
			}
		}
		return nil
	})
}
