// Package slack stands in for Slack's Web API in what integrations use: posting and editing messages, reading a channel,
// finding people, and response URLs. It keeps its messages in memory, the newest of each channel.
//
// Facts about the real thing: docs.slack.dev/apis/web-api and docs.slack.dev/reference/methods.
package slack

import (
	"crypto/subtle"
	"encoding/json"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"bulkhead.dev/sandbox/internal/creds"
	"bulkhead.dev/sandbox/internal/fault"
	"bulkhead.dev/sandbox/internal/ledger"
	"bulkhead.dev/sandbox/internal/reply"
)

// Ids that do not change between starts.
const (
	Team    = "T0SANDBOX"
	BotUser = "U0SANDBOT"
	Mara    = "U0SANDMARA"

	// MentionText is the message by which Mara mentions the app. Whoever describes that event can't put the message here,
	// for this server may not run yet: it comes to be when the app first asks for it by its ts, whose fraction is a ULID
	// where those of all other messages are microseconds.
	MentionText = "<@" + BotUser + "> hello, are you there?"

	botID  = "B0SANDBOT"
	appID  = "A0SANDBOX"
	domain = "northlight"

	maxMessages = 10_000 // of one channel; the oldest go
	maxChannels = 1_000
)

// Server is the stand-in: an http.Handler for paths without a prefix (/api/chat.postMessage, /response/...).
type Server struct {
	cred    creds.Slack
	now     func() time.Time
	methods map[string]method

	mu        sync.Mutex
	users     []user
	channels  []*channel
	lastTS    int64 // microseconds: a ts is given once
	responses map[string]*response
}

type user struct {
	id, name, email string
	bot             bool
}

type channel struct {
	id, name          string
	archived, private bool
	member            bool // the bot
	with              string
	messages          []*message
}

type message struct {
	ts, thread, user, text, edited string
	ephemeral                      string // the only reader, or ""
	blocks, metadata               json.RawMessage
	reactions                      []string
	deleted                        bool
	at                             time.Time // of a mention; else the ts says it
}

// method is one API method; it answers the fields beside "ok", or the error code.
type method func(c *call) (map[string]any, string)

// call is a request with its arguments, of a form or of JSON.
type call struct {
	r    *http.Request
	args map[string]json.RawMessage
}

func (c *call) text(name string) string {
	var s string
	raw := c.args[name]
	if json.Unmarshal(raw, &s) == nil {
		return s
	}
	return strings.Trim(string(raw), `"`)
}

func (c *call) saw(anchor, format string, args ...any) {
	ledger.Saw(c.r.Context(), anchor, format, args...)
}

func (c *call) did(anchor, format string, args ...any) {
	ledger.Did(c.r.Context(), anchor, format, args...)
}

// New makes the stand-in with its seeds; now is the clock.
func New(cred creds.Slack, now func() time.Time) *Server {
	s := &Server{cred: cred, now: now, responses: map[string]*response{}}
	s.methods = map[string]method{
		"api.test": func(*call) (map[string]any, string) { return nil, "" }, "auth.test": s.authTest,
		"chat.postMessage": s.post, "chat.postEphemeral": s.postEphemeral, "chat.update": s.update, "chat.delete": s.remove,
		"chat.getPermalink": s.permalink, "reactions.add": s.react,
		"conversations.list": s.list, "conversations.info": s.info, "conversations.history": s.history, "conversations.replies": s.replies,
		"conversations.open": s.open, "conversations.join": s.join,
		"users.lookupByEmail": s.lookup, "users.info": s.userInfo, "users.list": s.userList,
	}
	s.seed()
	return s
}

// ServeHTTP answers one call. Failures are HTTP 200 with ok false, as Slack has it.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if token, ok := strings.CutPrefix(r.URL.Path, "/response/"); ok {
		s.respond(w, r, token)
		return
	}
	name := strings.TrimPrefix(strings.TrimPrefix(r.URL.Path, "/api"), "/")
	c, code := parse(r)
	if code == "" {
		code = s.authenticate(r, c)
	}
	var fields map[string]any
	if code == "" {
		if m, ok := s.methods[name]; ok {
			s.mu.Lock()
			fields, code = m(c)
			s.mu.Unlock()
		} else {
			fields, code = map[string]any{"req_method": name}, "unknown_method"
		}
	}
	body := map[string]any{"ok": code == ""}
	for k, v := range fields {
		body[k] = v
	}
	if code != "" {
		body["error"] = code
		ledger.Saw(r.Context(), "", "refused %s: %s", name, code)
	}
	w.Header().Set("X-Oauth-Scopes", "chat:write,channels:read,channels:history,users:read,users:read.email,reactions:write")
	w.Header().Set("X-Slack-Req-Id", fmt.Sprintf("%016x", s.now().UnixNano()))
	reply.JSON(w, http.StatusOK, body)
}

func (s *Server) authenticate(r *http.Request, c *call) string {
	token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok {
		token = c.text("token")
	}
	switch {
	case token == "":
		return "not_authed"
	case subtle.ConstantTimeCompare([]byte(token), []byte(s.cred.BotToken)) != 1:
		return "invalid_auth"
	}
	return ""
}

// parse reads the arguments of the query, of a form and of JSON; values of a form are strings, or JSON in strings.
func parse(r *http.Request) (*call, string) {
	c := &call{r: r, args: map[string]json.RawMessage{}}
	c.take(r.URL.Query())
	body, err := reply.Body(r)
	if err != nil {
		return c, "request_too_large"
	}
	if len(body) == 0 {
		return c, ""
	}
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	switch {
	case err != nil:
		return c, "missing_post_type"
	case kind == "application/json":
		if !json.Valid(body) {
			return c, "invalid_json"
		}
		if json.Unmarshal(body, &c.args) != nil {
			return c, "json_not_object"
		}
	case kind == "application/x-www-form-urlencoded":
		form, err := url.ParseQuery(string(body))
		if err != nil {
			return c, "invalid_form_data"
		}
		c.take(form)
	default:
		return c, "invalid_post_type"
	}
	return c, ""
}

func (c *call) take(form url.Values) {
	for k := range form {
		if raw, err := json.Marshal(form.Get(k)); err == nil {
			c.args[k] = raw
		}
	}
}

// nested reads an argument that is an object or an array, given as such or as JSON in a string.
func (c *call) nested(name string) (json.RawMessage, bool) {
	raw := c.args[name]
	if len(raw) == 0 || string(raw) == "null" || string(raw) == `""` {
		return nil, true
	}
	if raw[0] == '"' {
		raw = json.RawMessage(c.text(name))
	}
	return raw, json.Valid(raw) && (raw[0] == '[' || raw[0] == '{')
}

// Refuse answers an injected fault as Slack would: 429 with ratelimited, 200 with ok false and the rule's error code.
func (s *Server) Refuse(w http.ResponseWriter, f fault.Rule) {
	code := f.Error
	if code == "" {
		code = map[int]string{http.StatusTooManyRequests: "ratelimited", http.StatusServiceUnavailable: "service_unavailable",
			http.StatusUnauthorized: "invalid_auth", http.StatusForbidden: "access_denied"}[f.Status]
	}
	if code == "" {
		code = "internal_error"
	}
	reply.JSON(w, f.Status, map[string]any{"ok": false, "error": code})
}
