package gateway

import (
	"encoding/json"
	"net/http"

	"bulkhead.dev/sdk/pluginv1"
)

// accepted is the default answer of pattern A.
type accepted struct {
	JobID     string `json:"job_id"`
	StatusURL string `json:"status_url"`
}

// accept is pattern A: queue the job and answer at once. The answer is sent only when the queue or the spool has it.
func (e *endpoint) accept(w http.ResponseWriter, r *http.Request, c *call) {
	job, err := e.job(r, c)
	if err != nil {
		e.g.refuse(w, r, err)
		return
	}
	receipt, err := e.g.queue.Enqueue(r.Context(), job)
	if err != nil {
		e.g.refuse(w, r, err)
		return
	}
	if receipt.Repeated {
		e.g.rec.Repeated(e.instance)
	}
	e.g.log.Info("accepted", "request_id", c.id, "job", receipt.ID, "route", e.path,
		"repeated", receipt.Repeated, "spooled", receipt.Spooled)
	if answer := e.route.GetAccepted(); answer != nil {
		writeAnswer(w, answer)
		return
	}
	writeJSON(w, http.StatusAccepted, "application/json", accepted{JobID: receipt.ID, StatusURL: e.g.statusURL(receipt.ID)})
}

func (g *Gateway) statusURL(id string) string { return g.base + "/jobs/" + id }

// challenge answers the call by which a vendor proves that the URL is alive.
func (e *endpoint) challenge(c *call) (*pluginv1.Answer, bool) {
	ch := e.route.GetChallenge()
	if ch == nil {
		return nil, false
	}
	if value, ok := c.doc.Lookup(ch.GetMatch()); !ok || value != ch.GetValue() {
		return nil, false
	}
	echo, _ := c.doc.Lookup(ch.GetEcho())
	if ch.GetMember() == "" {
		return &pluginv1.Answer{Status: http.StatusOK, ContentType: "text/plain; charset=utf-8", Body: []byte(echo)}, true
	}
	body, err := json.Marshal(map[string]string{ch.GetMember(): echo})
	if err != nil {
		return nil, false
	}
	return &pluginv1.Answer{Status: http.StatusOK, ContentType: "application/json", Body: body}, true
}

// writeAnswer sends an answer that the manifest fixes.
func writeAnswer(w http.ResponseWriter, a *pluginv1.Answer) {
	if t := a.GetContentType(); t != "" {
		w.Header().Set("Content-Type", t)
	} else if len(a.GetBody()) == 0 {
		w.Header()["Content-Type"] = nil
	}
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(int(a.GetStatus()))
	_, _ = w.Write(a.GetBody())
}

// queryObject is the body of a GET route: an object with the first value of each query parameter.
func queryObject(r *http.Request) []byte {
	object := map[string]string{}
	for name, values := range r.URL.Query() {
		object[name] = values[0]
	}
	body, err := json.Marshal(object)
	if err != nil {
		return []byte("{}")
	}
	return body
}
