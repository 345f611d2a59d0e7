// Package board draws the sandbox for people: what is in each vendor and the latest calls, on one page that keeps itself
// up to date. It needs nothing from outside.
package board

import (
	"bytes"
	"embed"
	"html/template"
	"net/http"
	"slices"
	"time"

	"bulkhead.dev/sandbox/internal/fault"
	"bulkhead.dev/sandbox/internal/jira"
	"bulkhead.dev/sandbox/internal/ledger"
	"bulkhead.dev/sandbox/internal/peopleforce"
	"bulkhead.dev/sandbox/internal/pipedrive"
	"bulkhead.dev/sandbox/internal/slack"
)

//go:embed page.html board.css board.js
var files embed.FS

const (
	rows  = 12 // of each vendor
	calls = 30
)

// Sources is what the board draws.
type Sources struct {
	Jira        *jira.Server
	Slack       *slack.Server
	Pipedrive   *pipedrive.Server
	PeopleForce *peopleforce.Server
	Ledger      *ledger.Ledger
	Faults      *fault.Set
}

// Board is the page.
type Board struct {
	from Sources
	page *template.Template
}

// New makes the page.
func New(from Sources) *Board {
	page := template.New("page.html").Funcs(template.FuncMap{
		"clock": func(t time.Time) string { return t.Format("15:04:05") },
		"iso":   func(t time.Time) string { return t.Format(time.RFC3339) },
		"class": func(status int) string {
			if status >= http.StatusBadRequest || status == 0 {
				return "bad"
			}
			return "good"
		},
	})
	return &Board{from: from, page: template.Must(page.ParseFS(files, "page.html"))} // embedded: a test parses it
}

// Register puts the page and its two assets on mux.
func (b *Board) Register(mux *http.ServeMux) {
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) { b.draw(w, "page.html") })
	mux.HandleFunc("GET /board", func(w http.ResponseWriter, _ *http.Request) { b.draw(w, "board") })
	mux.HandleFunc("GET /board.css", func(w http.ResponseWriter, r *http.Request) { http.ServeFileFS(w, r, files, "board.css") })
	mux.HandleFunc("GET /board.js", func(w http.ResponseWriter, r *http.Request) { http.ServeFileFS(w, r, files, "board.js") })
}

func (b *Board) draw(w http.ResponseWriter, name string) {
	type section[T any] struct {
		Rows  []T
		Total int
	}
	var data struct {
		Issues   section[jira.View]
		Messages section[slack.View]
		Deals    section[pipedrive.View]
		People   section[peopleforce.View]
		Calls    []ledger.Entry
		Faults   []fault.Rule
		Last     int64
	}
	data.Calls = b.from.Ledger.List(ledger.Filter{})
	if n := len(data.Calls); n > 0 {
		data.Last = data.Calls[n-1].Seq
	}
	data.Calls = data.Calls[max(0, len(data.Calls)-calls):]
	slices.Reverse(data.Calls)
	data.Faults = b.from.Faults.List()
	data.Issues.Rows, data.Issues.Total = b.from.Jira.Views(rows)
	data.Messages.Rows, data.Messages.Total = b.from.Slack.Views(rows)
	data.Deals.Rows, data.Deals.Total = b.from.Pipedrive.Views(rows)
	data.People.Rows, data.People.Total = b.from.PeopleForce.Views(rows)
	var buf bytes.Buffer
	if err := b.page.ExecuteTemplate(&buf, name, data); err != nil {
		http.Error(w, "sandbox: "+err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	_, _ = buf.WriteTo(w) // the reader may have gone
}
