package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"

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
		})
	})
	mux.HandleFunc("GET /health", func(w http.ResponseWriter, r *http.Request) { admin.Answer(w, a.health(r.Context())) })
	mux.HandleFunc("POST /plugins/{instance}/restart", a.restartOperation)
	mux.HandleFunc("GET /jobs/{id}", a.jobOperation)
	mux.HandleFunc("GET /events", a.eventsOperation)
	mux.HandleFunc("POST /sign", a.signOperation)
	return mux
}

func (a *App) sandboxURL() string {
	if a.sandbox == nil {
		return ""
	}
	return a.sandbox.URL
}

// restartOperation asks for a new process of an instance; it does not wait for it.
func (a *App) restartOperation(w http.ResponseWriter, r *http.Request) {
	instance := r.PathValue("instance")
	domain, ok := a.plugins.Domain(instance)
	if !ok {
		admin.Refuse(w, http.StatusNotFound, fmt.Errorf("there is no plugin %q; see: host plugins list", instance))
		return
	}
	domain.Restart()
	admin.Answer(w, domain.Info().PID)
}

func (a *App) jobOperation(w http.ResponseWriter, r *http.Request) {
	id := r.PathValue("id")
	status, err := a.queue.Status(r.Context(), id)
	switch {
	case errors.Is(err, queue.ErrNotFound):
		admin.Refuse(w, http.StatusNotFound, fmt.Errorf("there is no job %q: it was never accepted, or is forgotten by now", id))
	case err != nil:
		admin.Refuse(w, http.StatusServiceUnavailable, err)
	default:
		admin.Answer(w, gateway.NewJobStatus(status))
	}
}

func (a *App) eventsOperation(w http.ResponseWriter, _ *http.Request) {
	switch {
	case a.sandbox != nil:
		admin.Answer(w, a.sandbox.Events)
	case a.cfg.Demo:
		admin.Refuse(w, http.StatusConflict, errors.New("the demo has no sandbox, so there is nothing to send; the host's log says why"))
	default:
		admin.Refuse(w, http.StatusConflict, errors.New("this host is configured, so it is not in demo mode and has no events to send"))
	}
}

// signOperation runs the route's recipe the other way round, so that the command line can send what a vendor would. It
// is the demo's alone: elsewhere the command line has no business with vendors' proofs.
func (a *App) signOperation(w http.ResponseWriter, r *http.Request) {
	if !a.cfg.Demo {
		admin.Refuse(w, http.StatusConflict, errors.New("only a host in demo mode signs"))
		return
	}
	var in signed
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
		admin.Refuse(w, http.StatusBadRequest, err)
		return
	}
	if in.Header == nil {
		in.Header = http.Header{}
	}
	if err := a.gateway.Sign(in.Method, in.Path, in.Header, in.Body); err != nil {
		admin.Refuse(w, http.StatusUnprocessableEntity, err)
		return
	}
	admin.Answer(w, in)
}

// greet prints the demo's banner.
func (a *App) greet() {
	if a.sandbox == nil {
		return
	}
	banner := demo.Banner{
		URL: a.URL(), Dir: filepath.Join(a.cfg.DataDir, "demo"), Host: a.hostCommand(),
		Sign: func(r demo.Request) error { return a.gateway.Sign(r.Method, r.Path, r.Header, r.Body) },
	}
	if err := banner.Print(a.greeting, a.sandbox); err != nil {
		a.log.Warn("the demo's commands can't be printed", "error", err)
	}
}

// hostCommand is how the host's binary is called in a second terminal in the same directory, so that it finds this host.
func (a *App) hostCommand() string {
	command := a.executable
	dir, err := os.Getwd()
	if err == nil {
		if short, err := filepath.Rel(dir, command); err == nil && !strings.HasPrefix(short, "..") {
			command = "." + string(filepath.Separator) + short
		}
	}
	command = demo.Quote(command)
	if err != nil || a.cfg.DataDir != filepath.Join(dir, "data") {
		command = "BULKHEAD_DATA_DIR=" + demo.Quote(a.cfg.DataDir) + " " + command
	}
	return command
}
