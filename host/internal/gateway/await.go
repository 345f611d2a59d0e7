package gateway

import (
	"context"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"

	"bulkhead.dev/host/internal/queue"
	"bulkhead.dev/sdk/pluginv1"
)

// cancelTime bounds the call that takes a job back whose caller has gone.
const cancelTime = 2 * time.Second

// await is pattern B: wait for the result of the job. The waiter is registered before the job is enqueued, so that no
// result can come too early.
func (e *endpoint) await(w http.ResponseWriter, r *http.Request, c *call) {
	ctx, cancel := context.WithTimeout(r.Context(), e.deadline)
	defer cancel()
	job, err := e.job(r, c)
	if err != nil {
		e.g.refuse(w, r, err)
		return
	}
	waiter := e.g.queue.Await(c.id)
	defer waiter.Close()
	receipt, err := e.g.queue.Enqueue(ctx, job)
	if err != nil {
		if r.Context().Err() == nil {
			e.g.refuse(w, r, err)
		}
		return
	}
	waiter.Watch(receipt)
	select {
	case answer := <-waiter.C:
		e.answer(w, r, receipt.ID, answer)
	case <-ctx.Done():
		if r.Context().Err() != nil {
			e.gone(r.Context(), receipt.ID)
			return
		}
		e.late(w, r, receipt.ID)
	}
}

// answer writes how the job ended.
func (e *endpoint) answer(w http.ResponseWriter, r *http.Request, id string, a queue.Answer) {
	switch a.State {
	case queue.StateDone:
		var done pluginv1.Done
		if err := proto.Unmarshal(a.Result, &done); err != nil {
			e.g.refuse(w, r, err)
			return
		}
		e.g.log.Info("answered", "request_id", requestID(r.Context()), "job", id, "route", e.path)
		writeResult(w, &done)
	case queue.StateExpired:
		e.late(w, r, id)
	default:
		p := problem(http.StatusBadGateway, "job-failed", "The job did not succeed", a.Reason)
		p.JobID, p.StatusURL = id, e.g.statusURL(id)
		e.g.refuse(w, r, p)
	}
}

// late answers that the deadline has passed; the job goes on, and its result will be at the status URL.
func (e *endpoint) late(w http.ResponseWriter, r *http.Request, id string) {
	if answer := e.route.GetLate(); answer != nil {
		writeAnswer(w, answer)
		return
	}
	p := problem(http.StatusGatewayTimeout, "deadline", "The result did not come in time",
		"it is kept; see status_url")
	p.JobID, p.StatusURL = id, e.g.statusURL(id)
	e.g.refuse(w, r, p)
}

// gone takes back the job of a caller who hung up.
func (e *endpoint) gone(ctx context.Context, id string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cancelTime)
	defer cancel()
	state, err := e.g.queue.Cancel(ctx, id, "the caller hung up")
	e.g.log.Info("the caller hung up", "request_id", requestID(ctx), "job", id, "state", state, "error", err)
}

// hopByHop are headers that a plugin's answer may not set: they belong to the connection or to the gateway.
func hopByHop() []string {
	return []string{"connection", "content-length", "keep-alive", "proxy-authenticate", "te", "trailer",
		"transfer-encoding", "upgrade", "x-request-id", "set-cookie"}
}

// writeResult sends what the plugin answered.
func writeResult(w http.ResponseWriter, done *pluginv1.Done) {
	h := w.Header()
	forbidden := hopByHop()
	for name, value := range maps.All(done.GetHeaders()) {
		if !slices.Contains(forbidden, strings.ToLower(name)) {
			h.Set(name, value)
		}
	}
	contentType := done.GetContentType()
	if contentType == "" {
		contentType = "application/json"
	}
	h.Set("Content-Type", contentType)
	h.Set("X-Content-Type-Options", "nosniff")
	if h.Get("Cache-Control") == "" {
		h.Set("Cache-Control", "no-store")
	}
	status := int(done.GetStatus())
	if status < 200 || status > 599 {
		status = http.StatusOK
	}
	w.WriteHeader(status)
	_, _ = w.Write(done.GetData())
}
