package gateway

import "net/http"

// Health is the body of /readyz.
type Health struct {
	// Status is starting, ready, degraded or draining; the first and the last are answered with 503.
	Status string `json:"status"`
	// Node is the id of this host process.
	Node    string `json:"node"`
	Version string `json:"version"`
	// Mode is demo or empty.
	Mode    string         `json:"mode,omitempty"`
	Redis   Part           `json:"redis"`
	Store   Part           `json:"store"`
	Plugins []PluginHealth `json:"plugins"`
}

// Part is the state of something the host stands on.
type Part struct {
	OK     bool   `json:"ok"`
	Detail string `json:"detail,omitempty"`
}

// PluginHealth is the state of one instance.
type PluginHealth struct {
	Instance string `json:"instance"`
	Plugin   string `json:"plugin,omitempty"`
	Version  string `json:"version,omitempty"`
	State    string `json:"state"`
	PID      int    `json:"pid,omitempty"`
	Restarts int    `json:"restarts"`
	Reason   string `json:"reason,omitempty"`
}

// accepts says whether the door is open.
func (h Health) accepts() bool { return h.Status != "starting" && h.Status != "draining" }

func (g *Gateway) alive(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, mediaJSON, map[string]string{"status": "alive"})
}

func (g *Gateway) ready(w http.ResponseWriter, r *http.Request) {
	health := g.health(r.Context())
	status := http.StatusOK
	if !health.accepts() {
		status = http.StatusServiceUnavailable
	}
	writeJSON(w, status, mediaJSON, health)
}
