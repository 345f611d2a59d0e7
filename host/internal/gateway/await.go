package gateway

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"

	"bulkhead.dev/host/internal/queue"
	"bulkhead.dev/sdk/pluginv1"
)

// cancelTime bounds the call that takes a job back.
const cancelTime = 2 * time.Second

// await is pattern B: wait for the result of the job. The waiter is registered before the job is enqueued, so that no
// result can come too early.
func (e *endpoint) await(w http.ResponseWriter, r *http.Request, c *call) {
	deadline := time.Now().Add(e.deadline)
	job, err := e.waitedFor(r, c, deadline)
	if err != nil {
		e.g.refuse(w, r, err)
		return
	}
	if r.Context().Err() != nil {
		e.g.refuse(w, r, callerGone())
		return
	}
	waiter := e.g.queue.Await(c.id)
	defer waiter.Close()
	// The enqueue is bounded by itself. Cut short by a caller who hangs up, it might still land, and nobody would know.
	receipt, err := e.g.queue.Enqueue(context.WithoutCancel(r.Context()), job)
	if err != nil {
		if errors.Is(err, queue.ErrUnavailable) {
			e.takeBack(r, job.ID, "the caller was told that it was not accepted") // Redis may have it all the same
		}
		e.g.refuse(w, r, err)
		return
	}
	waiter.Watch(receipt)
	over := time.NewTimer(time.Until(deadline))
	defer over.Stop()
	select {
	case answer := <-waiter.C:
		e.answer(w, r, receipt.ID, answer)
	case <-r.Context().Done():
		e.takeBack(r, receipt.ID, "the caller hung up")
		e.g.refuse(w, r, callerGone())
	case <-over.C:
		e.late(w, r, receipt.ID)
	}
}

// answer writes how the job ended.
func (e *endpoint) answer(w http.ResponseWriter, r *http.Request, id string, a queue.Answer) {
	switch {
	case a.State == queue.StateExpired:
		e.late(w, r, id)
		return
	case a.State != queue.StateDone:
		e.g.refuse(w, r, e.g.aboutJob(id, problem(http.StatusBadGateway, "job-failed", "The job did not succeed", a.Reason)))
		return
	case len(a.Result) == 0 && a.Reason != "":
		e.g.refuse(w, r, e.g.aboutJob(id, problem(http.StatusBadGateway, "no-result", "The job succeeded, but its result is not there", a.Reason)))
		return
	}
	var done pluginv1.Done
	if err := proto.Unmarshal(a.Result, &done); err != nil {
		e.g.refuse(w, r, err)
		return
	}
	e.g.log.Info("answered", e.g.fields(r, "plugin", e.instance, "route", e.pattern, "job", id, "status", done.GetStatus())...)
	writeResult(w, &done)
}

// late answers that the deadline has passed. A job that has begun goes on, and its result will be at the status URL.
func (e *endpoint) late(w http.ResponseWriter, r *http.Request, id string) {
	if answer := e.route.GetLate(); answer != nil {
		e.g.log.Info("answered before the result", e.g.fields(r, "plugin", e.instance, "route", e.pattern, "job", id)...)
		writeAnswer(w, answer)
		return
	}
	e.g.refuse(w, r, e.g.aboutJob(id, problem(http.StatusGatewayTimeout, "deadline", "The result did not come in time",
		"what has begun goes on, and its result is kept: see status_url")))
}

func (g *Gateway) aboutJob(id string, p *Problem) *Problem {
	p.JobID, p.StatusURL = id, g.statusURL(id)
	return p
}

// takeBack cancels a job that nobody waits for any more.
func (e *endpoint) takeBack(r *http.Request, id, reason string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), cancelTime)
	defer cancel()
	state, err := e.g.queue.Cancel(ctx, id, reason)
	e.g.log.Info("job taken back", e.g.fields(r, "plugin", e.instance, "job", id, "reason", reason, "state", state, "error", err)...)
}

// reserved are headers that a plugin's answer may not set: they belong to the connection, to the gateway, or speak for
// the whole origin.
func reserved() []string {
	return []string{"connection", "content-length", "keep-alive", "proxy-authenticate", "proxy-authentication-info", "te", "trailer",
		"transfer-encoding", "upgrade", "x-request-id", "set-cookie", "clear-site-data", "strict-transport-security", "alt-svc", "date"}
}

// writeResult sends what the plugin answered.
func writeResult(w http.ResponseWriter, done *pluginv1.Done) {
	h := w.Header()
	forbidden := reserved()
	for name, value := range done.GetHeaders() {
		if !slices.Contains(forbidden, strings.ToLower(name)) {
			h.Set(name, value)
		}
	}
	status := int(done.GetStatus())
	if status < 200 || status > 599 {
		status = http.StatusOK
	}
	switch t := done.GetContentType(); {
	case status == http.StatusNoContent || status == http.StatusNotModified:
		w.WriteHeader(status) // these have no body
		return
	case t != "":
		h.Set("Content-Type", t)
	case len(done.GetData()) > 0:
		h.Set("Content-Type", mediaJSON)
	default:
		h["Content-Type"] = nil // net/http would guess one
	}
	w.WriteHeader(status)
	_, _ = w.Write(done.GetData())
}
