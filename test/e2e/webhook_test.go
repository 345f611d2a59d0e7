package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"bulkhead.dev/test/harness"
)

// jiraIssue is a webhook of the shape that Jira Cloud sends, about a seeded issue.
func jiraIssue(summary, status string) string {
	return fmt.Sprintf(`{"timestamp":1795538314075,"webhookEvent":"jira:issue_updated","issue_event_type_name":"issue_generic",
		"user":{"accountId":"5f00sandbox0mara","displayName":"Mara Lindqvist","active":true,"accountType":"atlassian"},
		"issue":{"id":"10004","self":"https://example.atlassian.net/rest/api/2/issue/10004","key":"ONB-4","fields":{
			"summary":%q,"status":{"name":%q,"id":"3"},"issuetype":{"name":"Story","subtask":false},"priority":{"name":"Medium"},
			"assignee":null,"updated":"2026-11-24T10:00:00.000+0000","project":{"key":"ONB"}}},
		"changelog":{"id":"1","items":[{"field":"status","fromString":"To Do","toString":%q}]}}`, summary, status, status)
}

func TestWebhookIsQueuedHandledAndRepeatedOnce(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, o harness.Options) {
		o.Sandbox = harness.StartSandbox(t, binaries(t))
		o.Plugins = []string{"jira"}
		h := harness.StartHost(t, binaries(t), o)
		secret := o.Sandbox.Settings["jira"]["webhook_secret"]
		deliver := func(delivery, body string) string {
			header := signed("X-Hub-Signature", secret, body)
			header.Set("X-Atlassian-Webhook-Identifier", delivery)
			answer := send(t, h, "/webhooks/jira/events", header, body)
			if id := answer.Header.Get("X-Request-Id"); len(id) != 8+1+26 {
				t.Errorf("X-Request-Id %q; want <node>-<ULID>", id)
			}
			return answer.Accepted(t)
		}
		body := jiraIssue("Guide", "In Progress")
		first := deliver("delivery-1", body)
		job := h.AwaitJob(first, "done", "dead")
		if job.State != "done" || job.Type != "jira.event" || job.Instance != "jira" || job.Attempt != 1 {
			t.Errorf("job %+v; want it done at the first attempt", job)
		}
		if again := deliver("delivery-1", body); again != first {
			t.Errorf("a repeat of the delivery became %s; want %s", again, first)
		}
		// Another delivery with the same content: the link in the store knows it, and Jira is left alone.
		h.AwaitJob(deliver("delivery-2", body), "done")
		effects := o.Sandbox.Effects("jira")
		if len(effects) != 1 || effects[0].Method != http.MethodPut || effects[0].RequestID != job.RequestID {
			t.Errorf("effects %+v; want one, under the request id %s", effects, job.RequestID)
		}
		h.AwaitJob(deliver("delivery-3", jiraIssue("Guide", "Done")), "done")
		if effects := o.Sandbox.Effects("jira"); len(effects) != 2 {
			t.Errorf("effects after a change: %+v; want two", effects)
		}
	})
}

func TestWebhookThatIsRefused(t *testing.T) {
	t.Parallel()
	h := harness.StartHost(t, binaries(t), harness.Options{Sandbox: harness.StartSandbox(t, binaries(t))})
	body := `{"id":"x"}`
	good := signed("X-Hub-Signature", "probe-secret", body)
	with := func(change func(http.Header)) http.Header {
		header := good.Clone()
		change(header)
		return header
	}
	for name, c := range map[string]struct {
		method, path string
		header       http.Header
		body         string
		status       int
		kind         string
		contains     string
	}{
		"wrong signature":      {path: "/webhooks/probe/events", header: signed("X-Hub-Signature", "other", body), body: body, status: 401, kind: "signature"},
		"no signature":         {path: "/webhooks/probe/events", header: with(func(h http.Header) { h.Del("X-Hub-Signature") }), body: body, status: 401, kind: "signature"},
		"repeated signature":   {path: "/webhooks/probe/events", header: with(func(h http.Header) { h.Add("X-Hub-Signature", "sha256=00") }), body: body, status: 401, kind: "signature"},
		"changed body":         {path: "/webhooks/probe/events", header: good, body: `{"id":"y"}`, status: 401, kind: "signature"},
		"wrong shape":          {path: "/webhooks/probe/events", header: signed("X-Hub-Signature", "probe-secret", `{"sleep_ms":"soon"}`), body: `{"sleep_ms":"soon"}`, status: 422, kind: "invalid", contains: `"pointer":"/sleep_ms"`},
		"no JSON":              {path: "/webhooks/probe/events", header: signed("X-Hub-Signature", "probe-secret", `{"id":`), body: `{"id":`, status: 400, kind: "malformed"},
		"another media type":   {path: "/webhooks/probe/events", header: with(func(h http.Header) { h.Set("Content-Type", "text/plain") }), body: body, status: 415, kind: "media-type"},
		"too large":            {path: "/webhooks/probe/events", header: good, body: strings.Repeat("x", 1<<20+1), status: 413, kind: "too-large"},
		"wrong method":         {method: http.MethodPut, path: "/webhooks/probe/events", header: good, body: body, status: 405, kind: "method"},
		"no such route":        {path: "/webhooks/probe/nothing", header: good, body: body, status: 404, kind: "no-route"},
		"no such plugin":       {path: "/webhooks/nobody/events", header: good, body: body, status: 404, kind: "no-route"},
		"unclean path":         {path: "/webhooks/probe//events", header: good, body: body, status: 404, kind: "no-route"},
		"no token":             {path: "/interactive/probe/ask", header: http.Header{"Content-Type": {"application/json"}}, body: "{}", status: 401, kind: "unauthenticated"},
		"jira without webhook": {path: "/webhooks/jira/events", header: http.Header{"Content-Type": {"application/json"}}, body: "{}", status: 401, kind: "signature"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			method := c.method
			if method == "" {
				method = http.MethodPost
			}
			answer, err := h.Do(method, c.path, c.header, []byte(c.body))
			if err != nil {
				t.Fatal(err)
			}
			var problem struct {
				Type      string `json:"type"`
				Title     string `json:"title"`
				Status    int    `json:"status"`
				RequestID string `json:"request_id"`
			}
			answer.JSON(t, &problem)
			if answer.Status != c.status || problem.Status != c.status || problem.Type != "urn:bulkhead:problem:"+c.kind {
				t.Errorf("answer %d %s; want %d %s", answer.Status, answer.Body, c.status, c.kind)
			}
			if answer.Header.Get("Content-Type") != "application/problem+json" || problem.RequestID != answer.Header.Get("X-Request-Id") || problem.RequestID == "" {
				t.Errorf("content type %q, request id %q and %q; want problem+json and one id", answer.Header.Get("Content-Type"), problem.RequestID, answer.Header.Get("X-Request-Id"))
			}
			if !strings.Contains(string(answer.Body), c.contains) {
				t.Errorf("body %s; want it to contain %s", answer.Body, c.contains)
			}
		})
	}
}

func TestJobsRetryRejectAndKeepTheirOrder(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, o harness.Options) {
		o.Plugins = []string{"probe"}
		h := harness.StartHost(t, binaries(t), o)
		retried := probeEvent(t, h, `{"id":"a","key":"k","fail":2,"note":"kept"}`)
		behind := probeEvent(t, h, `{"id":"b","key":"k"}`)
		rejected := probeEvent(t, h, `{"id":"c","reject":true}`)
		hopeless := probeEvent(t, h, `{"id":"d","fail":99}`)
		job := h.AwaitJob(retried, "done", "dead")
		if job.State != "done" || job.Attempt != 3 || !strings.Contains(string(job.Result), `"note":"kept","cursor":"kept","link":"kept"`) {
			t.Errorf("job %+v; want it done at the third attempt with what it kept in the state", job)
		}
		if job := h.AwaitJob(behind, "done", "dead"); job.State != "done" {
			t.Errorf("job behind it: %+v", job)
		}
		if job := h.AwaitJob(rejected, "done", "dead"); job.State != "dead" || job.Error == nil || job.Error.Source != "plugin" || job.Attempt != 1 {
			t.Errorf("rejected job: %+v", job)
		}
		if job := h.AwaitJob(hopeless, "done", "dead"); job.State != "dead" || job.Attempt != 5 {
			t.Errorf("hopeless job: %+v; want it dead after five attempts", job)
		}
	})
}

func TestEventsOfNoInterestEndAsDone(t *testing.T) {
	t.Parallel()
	sandbox := harness.StartSandbox(t, binaries(t))
	h := harness.StartHost(t, binaries(t), harness.Options{Sandbox: sandbox})
	for name, c := range map[string]struct{ path, header, secret, body string }{
		"jira":        {"/webhooks/jira/events", "X-Hub-Signature", sandbox.Settings["jira"]["webhook_secret"], `{"webhookEvent":"sprint_started"}`},
		"peopleforce": {"/webhooks/peopleforce/events", "X-PeopleForce-Signature", sandbox.Settings["peopleforce"]["webhook_secret"], `{"action":"vacancy_create","data":{"id":1}}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			id := send(t, h, c.path, signed(c.header, c.secret, c.body), c.body).Accepted(t)
			if job := h.AwaitJob(id, "done", "dead"); job.State != "done" {
				t.Errorf("job %+v; want done", job)
			}
		})
	}
}
