// Package door is the one HTTP port of the sandbox: it hands each call to the stand-in of its prefix, writes it into the
// ledger, makes the trouble that a test asked for, and shows what was done.
package door

import (
	"bytes"
	"context"
	"io"
	"log"
	"net"
	"net/http"
	"strings"
	"time"

	"bulkhead.dev/sandbox/internal/board"
	"bulkhead.dev/sandbox/internal/creds"
	"bulkhead.dev/sandbox/internal/fault"
	"bulkhead.dev/sandbox/internal/jira"
	"bulkhead.dev/sandbox/internal/ledger"
	"bulkhead.dev/sandbox/internal/peopleforce"
	"bulkhead.dev/sandbox/internal/pipedrive"
	"bulkhead.dev/sandbox/internal/reply"
	"bulkhead.dev/sandbox/internal/slack"
)

const (
	ledgerSize = 10_000
	hangLimit  = 60 * time.Second // a hang ends by itself then
)

// vendor is a stand-in: it answers calls and knows how its original would say that something went wrong.
type vendor interface {
	http.Handler
	Refuse(w http.ResponseWriter, f fault.Rule)
}

// Door is the handler of the whole sandbox.
type Door struct {
	url     string
	now     func() time.Time
	mux     *http.ServeMux
	ledger  *ledger.Ledger
	faults  *fault.Set
	vendors map[string]vendor
}

// New makes the four stand-ins with their seeds behind one handler. set bears the credentials and the base URLs; url is
// where people reach the sandbox; now is the clock.
func New(set creds.Settings, url string, now func() time.Time) *Door {
	j, s := jira.New(set.Jira, now), slack.New(set.Slack, now)
	p, f := pipedrive.New(set.Pipedrive, now), peopleforce.New(set.PeopleForce, now)
	d := &Door{url: url, now: now, mux: http.NewServeMux(), ledger: ledger.New(ledgerSize),
		faults:  fault.NewSet("jira", "slack", "pipedrive", "peopleforce"),
		vendors: map[string]vendor{"jira": j, "slack": s, "pipedrive": p, "peopleforce": f}}
	for name := range d.vendors {
		d.mux.Handle("/"+name+"/", d.record(name))
	}
	d.mux.HandleFunc("GET /effects", d.effects)
	d.mux.HandleFunc("GET /effects/wait", d.wait)
	d.mux.HandleFunc("GET /faults", d.listFaults)
	d.mux.HandleFunc("POST /faults", d.addFault)
	d.mux.HandleFunc("DELETE /faults", d.clearFaults)
	d.mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { reply.JSON(w, http.StatusOK, map[string]any{"ok": true}) })
	board.New(board.Sources{Jira: j, Slack: s, Pipedrive: p, PeopleForce: f, Ledger: d.ledger, Faults: d.faults}).Register(d.mux)
	return d
}

// ServeHTTP answers a call. Only names of this machine are answered, so that a page elsewhere can't reach the sandbox
// through a name that it points here.
func (d *Door) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	host := r.Host
	if h, _, err := net.SplitHostPort(r.Host); err == nil {
		host = h
	}
	if ip := net.ParseIP(strings.Trim(host, "[]")); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		http.Error(w, "the sandbox answers to loopback names only", http.StatusMisdirectedRequest)
		return
	}
	d.mux.ServeHTTP(w, r)
}

// record hands calls to a stand-in, after any fault that waits for them, and writes them down.
func (d *Door) record(name string) http.Handler {
	v := d.vendors[name]
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rest := strings.TrimPrefix(r.URL.Path, "/"+name)
		if at, ok := readable(name, rest); ok && r.Method == http.MethodGet {
			http.Redirect(w, r, "/#"+at, http.StatusSeeOther) //nolint:gosec // G710: a fragment of our own page
			return
		}
		ctx, note := ledger.WithNote(r.Context())
		inner := r.Clone(ctx)
		inner.URL.Path = rest
		if r.URL.RawPath != "" {
			inner.URL.RawPath = strings.TrimPrefix(r.URL.RawPath, "/"+name)
		}
		out := &watched{ResponseWriter: w}
		e := ledger.Entry{Vendor: name, Method: r.Method, Path: r.URL.Path, RequestID: r.Header.Get("X-Request-Id")}
		rule, met := d.faults.Take(name, r.Method, rest)
		write := func() {
			summary, anchor, changed := note.Read()
			e.At, e.Status, e.Changed, e.URL = d.now().UTC(), out.status, changed, d.url+"/"
			e.Summary = summary
			if anchor != "" {
				e.URL += "#" + anchor
			}
			d.ledger.Add(e)
		}
		if met {
			e.Fault = rule.String()
			if d.trouble(out, inner, v, rule, write) {
				return
			}
		}
		v.ServeHTTP(out, inner)
		write()
	})
}

// trouble carries out a rule and says whether the call has ended with it; it writes the call down then.
func (d *Door) trouble(w *watched, r *http.Request, v vendor, rule fault.Rule, write func()) bool {
	// net/http notices that a caller has gone only once the body is read.
	body, _ := io.ReadAll(io.LimitReader(r.Body, reply.MaxBody)) // an error comes again to whoever reads on
	r.Body = struct {
		io.Reader
		io.Closer
	}{io.MultiReader(bytes.NewReader(body), r.Body), r.Body}
	pause(r.Context(), time.Duration(rule.LatencyMS)*time.Millisecond)
	switch rule.Mode {
	case fault.ModeHang:
		ledger.Saw(r.Context(), "", "heard nothing (an injected hang)")
		write()
		pause(r.Context(), hangLimit)
		reset(w)
	case fault.ModeReset:
		ledger.Saw(r.Context(), "", "lost the connection before anything was done (injected)")
		write()
		reset(w)
	case fault.ModeLostReply:
		v.ServeHTTP(&discarded{header: http.Header{}}, r)
		write()
		reset(w)
	default:
		if rule.Status == 0 {
			return false
		}
		ledger.Saw(r.Context(), "", "refused (an injected fault)")
		if rule.RetryAfter != "" {
			w.Header().Set("Retry-After", rule.RetryAfter)
		}
		v.Refuse(w, rule)
		write()
	}
	return true
}

func pause(ctx context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// reset ends the connection without an answer and without a farewell, where the operating system lets us.
func reset(w *watched) {
	conn, _, err := http.NewResponseController(w.ResponseWriter).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler) // HTTP/2: net/http knows this value and ends the stream
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		if err := tcp.SetLinger(0); err != nil {
			log.Printf("sandbox: linger: %v", err)
		}
	}
	_ = conn.Close() // broken is what it shall be
}

// watched keeps the status that a handler answers.
type watched struct {
	http.ResponseWriter
	status int
}

func (w *watched) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *watched) Write(b []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	return w.ResponseWriter.Write(b)
}

// discarded is an answer that nobody gets.
type discarded struct{ header http.Header }

func (d *discarded) Header() http.Header         { return d.header }
func (d *discarded) Write(b []byte) (int, error) { return len(b), nil }
func (d *discarded) WriteHeader(int)             {}

// readable answers the place on the page for the addresses at which the vendors' own sites show a thing to people.
func readable(vendor, path string) (anchor string, ok bool) {
	for _, site := range [][3]string{{"jira", "/browse/", "jira-"}, {"pipedrive", "/deal/", "pipedrive-deal-"}, {"peopleforce", "/employees/", "peopleforce-"}} {
		if id, is := strings.CutPrefix(path, site[1]); is && vendor == site[0] && plain(id) {
			return site[2] + id, true
		}
	}
	if rest, is := strings.CutPrefix(path, "/archives/"); is && vendor == "slack" {
		if _, ts, is := strings.Cut(rest, "/p"); is && plain(ts) {
			return "slack-" + ts, true
		}
		return "slack", true
	}
	return "", false
}

func plain(id string) bool {
	for _, c := range id {
		if c != '-' && c != '_' && (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') {
			return false
		}
	}
	return id != ""
}
