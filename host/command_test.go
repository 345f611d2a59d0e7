package main

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

func TestCommandLineWithoutAHost(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		args      []string
		environ   []string
		file      string
		code      int
		out, errs []string
	}{
		"help":               {args: []string{"--help"}, out: []string{"Exit codes: 0", "plugins list", "plugins restart", "jobs show", "config check", "send", "version"}},
		"help of a command":  {args: []string{"plugins", "restart", "--help"}, out: []string{"Drain", "<instance>", "--node=ID"}},
		"version":            {args: []string{"version"}, out: []string{version}},
		"no such command":    {args: []string{"plugin", "list"}, code: 2, errs: []string{"host: ", "plugins", "see host --help"}},
		"an argument amiss":  {args: []string{"jobs", "show"}, code: 2, errs: []string{"<id>"}},
		"no such flag":       {args: []string{"version", "--loud"}, code: 2, errs: []string{"--loud"}},
		"check of nothing":   {args: []string{"config", "check"}, out: []string{"sound", "demo"}},
		"check of a file":    {args: []string{"config", "check"}, file: "log:\n  level: info\n", out: []string{"sound", "bulkhead.yaml"}},
		"check of variables": {args: []string{"config", "check"}, environ: []string{"BULKHEAD_LOG__LEVEL=info"}, out: []string{"sound", "environment"}},
		"one fault":          {args: []string{"config", "check"}, file: "listen: nowhere\n", code: 2, errs: []string{"1 fault:", "bulkhead.yaml:1", "listen"}},
		"all faults at once": {args: []string{"run"}, file: "listen: nowhere\nlog:\n  level: loud\n", code: 2, errs: []string{"2 faults:", "listen", "loud"}},
		"list":               {args: []string{"plugins", "list"}, code: 1, errs: []string{"no host is running", "BULKHEAD_DATA_DIR"}},
		"restart":            {args: []string{"plugins", "restart", "echo"}, code: 1, errs: []string{"no host is running"}},
		"show":               {args: []string{"jobs", "show", "echo-1"}, code: 1, errs: []string{"no host is running"}},
		"send":               {args: []string{"send"}, code: 1, errs: []string{"no host is running"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := &site{dir: t.TempDir(), environ: c.environ, executable: "/nowhere/host"}
			if c.file != "" {
				if err := os.WriteFile(filepath.Join(s.dir, "bulkhead.yaml"), []byte(c.file), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			code, out, errs := s.command(t, c.args...)
			if code != c.code {
				t.Errorf("exit code %d; want %d", code, c.code)
			}
			said(t, out, c.out...)
			said(t, errs, c.errs...)
			if len(c.errs) == 0 && errs != "" || strings.Contains(errs, "goroutine") {
				t.Errorf("on standard error:\n%s", errs)
			}
		})
	}
}

func TestCommandLineWithAHost(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	h := s.start(t)
	_, health := h.ready()
	before := health.Plugins[0]
	id := h.hear("hello")
	eventually(t, "the job is done", func() bool { return h.job(id) == "done" })

	code, out, errs := s.command(t, "plugins", "list")
	if code != 0 {
		t.Errorf("plugins list: %d %s", code, errs)
	}
	said(t, out, "INSTANCE", "echo", "1.0.0", "ready", strconv.Itoa(before.PID))

	code, out, errs = s.command(t, "jobs", "show", id)
	if code != 0 {
		t.Errorf("jobs show: %d %s", code, errs)
	}
	said(t, out, `"id": "`+id+`"`, `"state": "done"`)

	for _, c := range []struct {
		args  []string
		words []string
	}{
		{[]string{"jobs", "show", "echo-none"}, []string{`no job "echo-none"`}},
		{[]string{"jobs", "show", "../health"}, []string{`no job "../health"`}},
		{[]string{"plugins", "restart", "gadget"}, []string{`no plugin "gadget"`, "plugins list"}},
		{[]string{"plugins", "list", "--node", "nosuch00"}, []string{"nosuch00", health.Node}},
		{[]string{"send"}, []string{"not in demo mode"}},
	} {
		code, _, errs := s.command(t, c.args...)
		if code != 1 {
			t.Errorf("%v: exit code %d; want 1", c.args, code)
		}
		said(t, errs, c.words...)
	}

	if code, out, errs = s.command(t, "plugins", "restart", "echo", "--node", health.Node); code != 0 {
		t.Errorf("plugins restart: %d %s %s", code, out, errs)
	}
	eventually(t, "another process is ready", func() bool {
		_, health := h.ready()
		p := health.Plugins[0]
		return p.State == "ready" && p.PID != before.PID && p.Restarts == 1
	})
}

func TestSendShowsWhatBecomesOfAnEvent(t *testing.T) {
	t.Parallel()
	vendor := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/effects" || r.URL.Query().Get("request_id") == "" {
			http.NotFound(w, r)
			return
		}
		_, _ = w.Write([]byte(`[{"seq":1,"vendor":"acme","method":"POST","path":"/things","status":201,"summary":"made thing 7","url":"http://acme/7"}]`))
	}))
	t.Cleanup(vendor.Close)
	s := demoSite(t)
	s.fakeSandbox(t, vendor.URL)
	greeting := &journal{}
	s.greeting = greeting
	h := s.start(t)
	if _, health := h.ready(); health.Mode != "demo" || health.Plugins[0].State != "ready" {
		t.Errorf("health %+v", health)
	}
	said(t, greeting.String(), "DEMO MODE", "BULKHEAD_DATA_DIR="+s.data, "send hear", "X-Hub-Signature: sha256=", "answer  202", "answer  200")

	code, out, _ := s.command(t, "send")
	if code != 0 {
		t.Errorf("send: exit code %d", code)
	}
	said(t, out, "hear", "Something is said", "/interactive/echo/say")
	code, out, errs := s.command(t, "send", "nothing")
	if code != 1 {
		t.Errorf("send nothing: exit code %d; want 1", code)
	}
	said(t, out, "hear", "say")
	said(t, errs, `no event "nothing"`)

	for event, c := range map[string]struct {
		code  int
		words []string
	}{
		"hear":  {0, []string{"→ POST /webhooks/echo/events", "← 202 Accepted", "job echo-", "done", "acme", "made thing 7"}},
		"say":   {0, []string{"← 200 OK", `"text": "again"`, "made thing 7"}},
		"wrong": {1, []string{"← 422", `lacks the member`, "expected 200 the text"}},
	} {
		t.Run(event, func(t *testing.T) {
			t.Parallel()
			code, out, errs := s.command(t, "send", event)
			if code != c.code {
				t.Errorf("exit code %d; want %d", code, c.code)
			}
			said(t, out+errs, c.words...)
		})
	}
}

func TestDemoWithoutASandbox(t *testing.T) {
	t.Parallel()
	s := demoSite(t)
	h := s.start(t)
	if status, health := h.ready(); status != http.StatusOK || health.Status != "degraded" || health.Plugins[0].State != "unconfigured" {
		t.Errorf("%d %+v; want a host that serves, and a plugin without settings", status, health)
	}
	said(t, h.log.String(), "the demo has no sandbox", "make plugins")
	code, _, errs := s.command(t, "send", "hear")
	if code != 1 {
		t.Errorf("send: exit code %d; want 1", code)
	}
	said(t, errs, "the demo has no sandbox")
}
