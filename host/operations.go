package main

import (
	"encoding/json"
	"errors"
	"net/http"
	"path/filepath"

	"bulkhead.dev/host/internal/admin"
	"bulkhead.dev/host/internal/demo"
	"bulkhead.dev/host/internal/gateway"
	"bulkhead.dev/host/internal/queue"
)

// This file is what the command line can ask of a running host, on the admin socket.

// hostInfo says where a running host is.
type hostInfo struct {
	Node      string `json:"node"`
	Version   string `json:"version"`
	URL       string `json:"url"`
	PublicURL string `json:"public_url"`
	// SandboxURL is empty outside demo mode.
	SandboxURL string `json:"sandbox_url,omitempty"`
}

// signed is a request with its proof in the header.
type signed struct {
	Method string      `json:"method"`
	Path   string      `json:"path"`
	Header http.Header `json:"header"`
	Body   []byte      `json:"body"`
}

func (a *App) operations() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /alive", func(w http.ResponseWriter, _ *http.Request) {
		admin.Answer(w, hostInfo{
			Node: a.node, Version: version, URL: a.URL(), PublicURL: a.cfg.PublicURL, SandboxURL: a.sandboxURL(),
		}, nil, 0)
	})
	mux.HandleFunc("GET /health", func(w http.ResponseWriter, r *http.Request) {
		admin.Answer(w, a.health(r.Context()), nil, 0)
	})
	mux.HandleFunc("GET /jobs/{id}", a.jobOperation)
	mux.HandleFunc("GET /events", func(w http.ResponseWriter, _ *http.Request) {
		if a.sandbox == nil {
			admin.Answer(w, nil, errors.New("this host is not in demo mode, so it has no events to send"), http.StatusConflict)
			return
		}
		admin.Answer(w, a.sandbox.Events, nil, 0)
	})
	mux.HandleFunc("POST /sign", a.signOperation)
	return mux
}

func (a *App) sandboxURL() string {
	if a.sandbox == nil {
		return ""
	}
	return a.sandbox.URL
}

func (a *App) jobOperation(w http.ResponseWriter, r *http.Request) {
	status, err := a.queue.Status(r.Context(), r.PathValue("id"))
	code := http.StatusServiceUnavailable
	if errors.Is(err, queue.ErrNotFound) {
		code = http.StatusNotFound
	}
	admin.Answer(w, gateway.NewJobStatus(status), err, code)
}

// signOperation runs the route's recipe the other way round, so that the command line can send what a vendor would.
func (a *App) signOperation(w http.ResponseWriter, r *http.Request) {
	var in signed
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
		admin.Answer(w, nil, err, http.StatusBadRequest)
		return
	}
	if in.Header == nil {
		in.Header = http.Header{}
	}
	err := a.gateway.Sign(in.Method, in.Path, in.Header, in.Body)
	admin.Answer(w, in, err, http.StatusUnprocessableEntity)
}

// greet prints the demo's banner.
func (a *App) greet() {
	if a.sandbox == nil {
		return
	}
	err := a.sandbox.Banner(a.greeting, a.URL(), filepath.Join(a.cfg.DataDir, "demo"), func(r demo.Request) error {
		return a.gateway.Sign(r.Method, r.Path, r.Header, r.Body)
	})
	if err != nil {
		a.log.Warn("the demo's commands can't be printed", "error", err)
	}
}
