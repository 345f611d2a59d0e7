package gateway_test

import (
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"bulkhead.dev/host/internal/gateway"
	"bulkhead.dev/host/internal/queue"
	"bulkhead.dev/sdk/pluginv1"
)

func (d *door) status(t *testing.T, id string) gateway.JobStatus {
	t.Helper()
	a := d.send(request{method: "GET", path: "/jobs/" + id, header: known()})
	var s gateway.JobStatus
	if err := json.Unmarshal([]byte(a.body), &s); err != nil || a.StatusCode != http.StatusOK {
		t.Fatalf("answer %d %s", a.StatusCode, a.body)
	}
	return s
}

func TestStatus(t *testing.T) {
	t.Parallel()
	d := open(t, event())
	p := d.plugin()
	send := func() (string, string) {
		a := d.send(request{path: "/webhooks/acme/events", header: signed(), body: "{}"})
		return a.accepted(t), a.Header.Get("X-Request-Id")
	}
	id, requestID := send()
	s := d.status(t, id)
	if s.ID != id || s.State != "queued" || s.Type != "acme.event" || s.Instance != acme || s.RequestID != requestID || time.Since(s.AcceptedAt) > patience || s.Result != nil {
		t.Errorf("status %+v", s)
	}
	for want, done := range map[string]*pluginv1.Done{
		`{"a":1}`: {Data: []byte(`{"a":1}`)},
		`"a,b"`:   {Data: []byte(`a,b`), ContentType: "text/csv"},
		`"{"`:     {Data: []byte(`{`), ContentType: "application/json"},
		``:        {},
	} {
		delivery, _ := p.next()
		p.answer(delivery, done)
		if s := d.status(t, delivery.ID); s.State != "done" || string(s.Result) != want || s.EndedAt == nil || s.Attempt != 1 {
			t.Errorf("status %+v, result %s; want %s", s, s.Result, want)
		}
		send()
	}
	delivery, _ := p.next()
	p.settle(delivery, queue.Settlement{Kind: queue.Dead, Reason: "no such order", Fault: queue.FaultVendor})
	if s := d.status(t, delivery.ID); s.State != "dead" || s.Error == nil || *s.Error != (gateway.JobError{Source: "vendor", Message: "no such order"}) {
		t.Errorf("status %+v", s)
	}
}

func TestCancelAJob(t *testing.T) {
	t.Parallel()
	d := open(t, event())
	cancel := func(id string) answer {
		return d.send(request{method: "DELETE", path: "/jobs/" + id, header: headers("Authorization", "Bearer "+token)})
	}
	send := func() string {
		return d.send(request{path: "/webhooks/acme/events", header: signed(), body: "{}"}).accepted(t)
	}
	waiting := send()
	if a := cancel(waiting); a.StatusCode != http.StatusNoContent || a.body != "" {
		t.Errorf("answer %d %s", a.StatusCode, a.body)
	}
	if s := d.status(t, waiting); s.State != "cancelled" || s.Reason != "cancelled by mara" {
		t.Errorf("status %+v", s)
	}
	p := d.plugin()
	running := send()
	delivery, _ := p.next()
	if id := cancel(running).accepted(t); id != running || d.state(running) != queue.StateRunning {
		t.Errorf("the job %s is %s", id, d.state(running))
	}
	p.answer(delivery, &pluginv1.Done{})
	if got := cancel(running).problem(t, http.StatusConflict, "too-late"); got.Detail != "it is done" || got.JobID != running {
		t.Errorf("problem %+v", got)
	}
	cancel("acme-nothing").problem(t, http.StatusNotFound, "unknown-job")
	foreign := d.send(request{method: "DELETE", path: "/jobs/" + running, header: known("Sec-Fetch-Site", "cross-site")})
	foreign.problem(t, http.StatusForbidden, "cross-origin")
}

func TestWhoCalls(t *testing.T) {
	t.Parallel()
	request := func(auth string) *http.Request { return &http.Request{Header: headers("Authorization", auth)} }
	for auth, want := range map[string]bool{
		"Bearer s": true, "bearer s": true, "Bearer  s": true, "Bearer x": false, "Basic s": false, "s": false, "Bearer": false, "": false,
	} {
		who, err := gateway.BearerToken{Who: "mara", Token: "s"}.Authenticate(request(auth))
		if (err == nil) != want || want && who.GetWho() != "mara" {
			t.Errorf("%q: %v, %v", auth, who, err)
		}
	}
	if _, err := (gateway.BearerToken{}).Authenticate(request("Bearer ")); err == nil {
		t.Error("an empty token lets in who presents none")
	}
	if who, err := (gateway.Everyone{Who: "demo"}).Authenticate(request("")); err != nil || who.GetWho() != "demo" {
		t.Errorf("everyone: %v, %v", who, err)
	}
}
