package slack

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"bulkhead.dev/sandbox/internal/ledger"
	"bulkhead.dev/sandbox/internal/reply"
)

func (s *Server) authTest(c *call) (map[string]any, string) {
	c.saw("slack", "asked who the token is")
	return map[string]any{"url": "https://" + domain + ".slack.com/", "team": "Northlight", "user": "bulkhead", "team_id": Team, "user_id": BotUser,
		"bot_id": botID, "is_enterprise_install": false}, ""
}

func (s *Server) user(id string) *user {
	for i := range s.users {
		if s.users[i].id == id {
			return &s.users[i]
		}
	}
	return nil
}

func (u *user) body() map[string]any {
	first, last, _ := strings.Cut(u.name, " ")
	return map[string]any{"id": u.id, "team_id": Team, "name": strings.ToLower(strings.ReplaceAll(u.name, " ", ".")), "real_name": u.name, "deleted": false,
		"is_bot": u.bot, "tz": "Etc/UTC", "profile": map[string]any{"email": u.email, "real_name": u.name, "display_name": first, "first_name": first,
			"last_name": last, "team": Team}}
}

func (s *Server) lookup(c *call) (map[string]any, string) {
	email := c.text("email")
	for i := range s.users {
		if u := &s.users[i]; email != "" && strings.EqualFold(u.email, email) {
			c.saw("slack", "found %s by e-mail", u.name)
			return map[string]any{"user": u.body()}, ""
		}
	}
	return nil, "users_not_found"
}

func (s *Server) userInfo(c *call) (map[string]any, string) {
	u := s.user(c.text("user"))
	if u == nil {
		return nil, "user_not_found"
	}
	c.saw("slack", "read user %s", u.name)
	return map[string]any{"user": u.body()}, ""
}

func (s *Server) userList(c *call) (map[string]any, string) {
	from, to, next, code := c.page(len(s.users))
	if code != "" {
		return nil, code
	}
	all := []any{}
	for i := range s.users[from:to] {
		all = append(all, s.users[from+i].body())
	}
	c.saw("slack", "read %d users", len(all))
	return map[string]any{"members": all, "cache_ts": s.now().Unix(), "response_metadata": next}, ""
}

// page reads cursor and limit and answers the part of n to show, and the response_metadata.
func (c *call) page(n int) (from, to int, next map[string]any, code string) {
	limit, err := strconv.Atoi(c.text("limit"))
	if err != nil || limit <= 0 {
		limit = 100
	}
	if cursor := c.text("cursor"); cursor != "" {
		raw, err := base64.StdEncoding.DecodeString(cursor)
		at, ok := strings.CutPrefix(string(raw), "next:")
		from, bad := strconv.Atoi(at)
		if err != nil || !ok || bad != nil || from < 0 || from > n {
			return 0, 0, nil, "invalid_cursor"
		}
		return c.slice(n, from, limit)
	}
	return c.slice(n, 0, limit)
}

func (c *call) slice(n, from, limit int) (int, int, map[string]any, string) {
	to, cursor := min(from+min(limit, 1000), n), ""
	if to < n {
		cursor = base64.StdEncoding.EncodeToString([]byte("next:" + strconv.Itoa(to)))
	}
	return from, to, map[string]any{"next_cursor": cursor}, ""
}

func (ch *channel) body() map[string]any {
	b := map[string]any{"id": ch.id, "is_archived": ch.archived, "is_private": ch.private, "created": 1767225600, "context_team_id": Team}
	if ch.with != "" {
		b["is_im"], b["user"] = true, ch.with
		return b
	}
	b["name"], b["name_normalized"], b["is_channel"], b["is_member"], b["is_im"] = ch.name, ch.name, true, ch.member, false
	return b
}

func (s *Server) list(c *call) (map[string]any, string) {
	var shown []*channel
	for _, ch := range s.channels {
		if ch.with == "" && !(ch.archived && c.text("exclude_archived") == "true") {
			shown = append(shown, ch)
		}
	}
	from, to, next, code := c.page(len(shown))
	if code != "" {
		return nil, code
	}
	all := []any{}
	for _, ch := range shown[from:to] {
		all = append(all, ch.body())
	}
	c.saw("slack", "read %d channels", len(all))
	return map[string]any{"channels": all, "response_metadata": next}, ""
}

func (s *Server) info(c *call) (map[string]any, string) {
	ch := s.find(c.text("channel"))
	if ch == nil {
		return nil, "channel_not_found"
	}
	c.saw("slack", "read channel %s", ch.label())
	return map[string]any{"channel": ch.body()}, ""
}

func (s *Server) join(c *call) (map[string]any, string) {
	ch := s.find(c.text("channel"))
	switch {
	case ch == nil:
		return nil, "channel_not_found"
	case ch.archived:
		return nil, "is_archived"
	}
	ch.member = true
	c.did("slack", "joined %s", ch.label())
	return map[string]any{"channel": ch.body()}, ""
}

func (s *Server) open(c *call) (map[string]any, string) {
	users := c.text("users")
	ch := s.find(users)
	if ch == nil || !strings.HasPrefix(users, "U") {
		return nil, "user_not_found"
	}
	c.saw("slack", "opened the direct messages with %s", users)
	return map[string]any{"channel": map[string]any{"id": ch.id}}, ""
}

func (s *Server) history(c *call) (map[string]any, string) {
	return s.read(c, func(m *message) bool { return m.thread == "" || m.thread == m.ts }, true)
}

func (s *Server) replies(c *call) (map[string]any, string) {
	ts := c.text("ts")
	if ch := s.find(c.text("channel")); ch != nil && ch.root(ts) == nil {
		return nil, "thread_not_found"
	}
	return s.read(c, func(m *message) bool { return m.ts == ts || m.thread == ts }, false)
}

// read answers the messages of a channel that take lets through; newest first in a history, oldest first in a thread.
func (s *Server) read(c *call, take func(*message) bool, newestFirst bool) (map[string]any, string) {
	ch := s.find(c.text("channel"))
	if ch == nil {
		return nil, "channel_not_found"
	}
	if !ch.member {
		return nil, "not_in_channel"
	}
	oldest, latest := c.text("oldest"), c.text("latest")
	inclusive := c.text("inclusive") == "true" || c.text("inclusive") == "1"
	within := func(ts string) bool {
		low, high := oldest == "" || compareTS(ts, oldest) > 0, latest == "" || compareTS(ts, latest) < 0
		return (low || (inclusive && compareTS(ts, oldest) == 0)) && (high || (inclusive && compareTS(ts, latest) == 0))
	}
	var shown []*message
	for _, m := range ch.messages {
		if !m.deleted && m.ephemeral == "" && take(m) && within(m.ts) {
			shown = append(shown, m)
		}
	}
	if newestFirst {
		slices.Reverse(shown)
	}
	from, to, next, code := c.page(len(shown))
	if code != "" {
		return nil, code
	}
	all := []any{}
	for _, m := range shown[from:to] {
		b := s.body(m)
		if c.text("include_all_metadata") != "true" {
			delete(b, "metadata")
		}
		all = append(all, b)
	}
	c.saw("slack", "read %d messages of %s", len(all), ch.label())
	return map[string]any{"messages": all, "has_more": to < len(shown), "response_metadata": next}, ""
}

func compareTS(a, b string) int {
	as, am, _ := strings.Cut(a, ".")
	bs, bm, _ := strings.Cut(b, ".")
	if len(as) != len(bs) {
		return len(as) - len(bs)
	}
	return strings.Compare(as+am+"000000"[min(len(am), 6):], bs+bm+"000000"[min(len(bm), 6):])
}

// respond takes a message for a response URL: no token, five uses in thirty minutes. Any path is one.
func (s *Server) respond(w http.ResponseWriter, r *http.Request, token string) {
	var in struct {
		Text         string          `json:"text"`
		Blocks       json.RawMessage `json:"blocks"`
		ResponseType string          `json:"response_type"`
		ThreadTS     string          `json:"thread_ts"`
	}
	if err := reply.Decode(r, &in); err != nil {
		ledger.Saw(r.Context(), "", "refused at a response URL: no JSON")
		reply.JSON(w, http.StatusBadRequest, map[string]any{"ok": false, "error": "invalid_payload"})
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	at := s.responses[token]
	if at == nil && len(s.responses) < maxResponses {
		at = &response{until: now.Add(responseLife)}
		s.responses[token] = at
	}
	if at == nil || at.uses >= responseUses || now.After(at.until) {
		code := "used_url"
		if at != nil && now.After(at.until) {
			code = "expired_url"
		}
		ledger.Saw(r.Context(), "", "refused at a response URL: %s", code)
		reply.JSON(w, http.StatusNotFound, map[string]any{"ok": false, "error": code})
		return
	}
	at.uses++
	m := &message{ts: s.stamp(), text: in.Text, blocks: in.Blocks, thread: in.ThreadTS}
	where := "for one reader"
	if in.ResponseType == "in_channel" {
		where = "for the channel"
	} else {
		m.ephemeral = Mara
	}
	s.channels[0].add(m)
	ledger.Did(r.Context(), anchor(m), "answered at a response URL %s: %s", where, short(in.Text))
	w.Header().Set("Content-Type", "text/plain")
	_, _ = w.Write([]byte("ok")) // the caller may have gone
}
