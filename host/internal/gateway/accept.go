package gateway

import (
	"context"
	"encoding/json"
	"net/http"

	"bulkhead.dev/host/internal/schema"
	"bulkhead.dev/sdk/pluginv1"
)

// accepted is the default answer of pattern A.
type accepted struct {
	JobID     string `json:"job_id"`
	StatusURL string `json:"status_url"`
}

// accept is pattern A: queue the job and answer at once. The answer is sent only when the queue or the spool has it. A
// caller who hangs up meanwhile changes nothing: the job stays, and its repeat will be known by its delivery id.
func (e *endpoint) accept(w http.ResponseWriter, r *http.Request, c *call) {
	job, err := e.job(r, c)
	if err != nil {
		e.g.refuse(w, r, err)
		return
	}
	receipt, err := e.g.queue.Enqueue(context.WithoutCancel(r.Context()), job)
	if err != nil {
		e.g.refuse(w, r, err)
		return
	}
	if receipt.Repeated {
		e.g.rec.Repeated(e.instance)
	}
	e.g.log.Info("accepted", e.g.fields(r, "plugin", e.instance, "route", e.pattern, "job", receipt.ID,
		"repeated", receipt.Repeated, "spooled", receipt.Spooled)...)
	if answer := e.route.GetAccepted(); answer != nil {
		writeAnswer(w, answer)
		return
	}
	writeJSON(w, http.StatusAccepted, mediaJSON, e.g.acceptedAs(receipt.ID))
}

func (g *Gateway) acceptedAs(id string) accepted {
	return accepted{JobID: id, StatusURL: g.statusURL(id)}
}

func (g *Gateway) statusURL(id string) string { return g.base + "/jobs/" + id }

// challenged says whether a call is the one by which a vendor proves that the URL is alive.
func challenged(c *pluginv1.Challenge, doc *schema.Document) bool {
	if c == nil {
		return false
	}
	value, ok := doc.Lookup(c.GetMatch())
	return ok && value == c.GetValue()
}

// answerChallenge answers it without a job.
func (g *Gateway) answerChallenge(w http.ResponseWriter, r *http.Request, c *pluginv1.Challenge, doc *schema.Document) {
	echo, ok := doc.Lookup(c.GetEcho())
	if !ok {
		g.refuse(w, r, invalid([]schema.Fault{{Pointer: c.GetEcho(), Message: "a challenge needs a text to echo"}}))
		return
	}
	answer := &pluginv1.Answer{Status: http.StatusOK, ContentType: "text/plain; charset=utf-8", Body: []byte(echo)}
	if member := c.GetMember(); member != "" {
		body, err := json.Marshal(map[string]string{member: echo})
		if err != nil {
			g.refuse(w, r, err)
			return
		}
		answer.ContentType, answer.Body = mediaJSON, body
	}
	g.log.Info("challenge answered", g.fields(r, "path", r.URL.Path)...)
	writeAnswer(w, answer)
}

// writeAnswer sends an answer that the manifest fixes.
func writeAnswer(w http.ResponseWriter, a *pluginv1.Answer) {
	h := w.Header()
	if t := a.GetContentType(); t != "" {
		h.Set("Content-Type", t)
	} else if len(a.GetBody()) == 0 {
		h["Content-Type"] = nil // net/http would guess one
	}
	w.WriteHeader(int(a.GetStatus()))
	_, _ = w.Write(a.GetBody())
}
