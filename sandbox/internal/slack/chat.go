package slack

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
)

// find answers the channel that an argument names: by id, by #name, or the direct messages with a user id.
func (s *Server) find(name string) *channel {
	for _, c := range s.channels {
		if c.id == name || "#"+c.name == name || (c.with != "" && c.with == name) {
			return c
		}
	}
	if strings.HasPrefix(name, "U") {
		return s.direct(name)
	}
	return nil
}

func (s *Server) direct(userID string) *channel {
	at := slices.IndexFunc(s.users, func(u user) bool { return u.id == userID && !u.bot })
	if at < 0 || len(s.channels) >= maxChannels {
		return nil
	}
	c := &channel{id: "D" + userID[1:], name: "direct: " + s.users[at].name, with: userID, private: true, member: true}
	s.channels = append(s.channels, c)
	return c
}

// target answers the channel of a call that writes, or the error code.
func (s *Server) target(c *call) (*channel, string) {
	ch := s.find(c.text("channel"))
	switch {
	case c.text("channel") == "":
		return nil, "invalid_arguments"
	case ch == nil:
		return nil, "channel_not_found"
	case ch.archived:
		return nil, "is_archived"
	case !ch.member:
		return nil, "not_in_channel"
	}
	return ch, ""
}

func (s *Server) stamp() string {
	at := max(s.now().UnixMicro(), s.lastTS+1)
	s.lastTS = at
	return fmt.Sprintf("%d.%06d", at/1e6, at%1e6)
}

// compose reads what a message is made of.
func (c *call) compose() (*message, string) {
	m := &message{user: BotUser, text: c.text("text"), thread: c.text("thread_ts")}
	var ok bool
	if m.blocks, ok = c.nested("blocks"); !ok {
		return nil, "invalid_blocks_format"
	}
	if m.metadata, ok = c.nested("metadata"); !ok {
		return nil, "invalid_metadata_format"
	}
	attachments, ok := c.nested("attachments")
	if !ok {
		return nil, "invalid_attachments"
	}
	if len(m.blocks) > 0 {
		var blocks []struct {
			Type string `json:"type"`
		}
		if json.Unmarshal(m.blocks, &blocks) != nil || len(blocks) > 50 || slices.ContainsFunc(blocks, func(b struct {
			Type string `json:"type"`
		}) bool {
			return b.Type == ""
		}) {
			return nil, "invalid_blocks"
		}
	}
	if strings.TrimSpace(m.text) == "" && len(m.blocks) == 0 && len(attachments) == 0 {
		return nil, "no_text"
	}
	if r := []rune(m.text); len(r) > 40_000 {
		m.text = string(r[:40_000])
	}
	return m, ""
}

func (ch *channel) add(m *message) {
	if len(ch.messages) >= maxMessages {
		ch.messages = slices.Delete(ch.messages, 0, maxMessages/10)
	}
	ch.messages = append(ch.messages, m)
}

func (ch *channel) message(ts string) *message {
	for i := len(ch.messages) - 1; i >= 0; i-- {
		if m := ch.messages[i]; m.ts == ts && !m.deleted {
			return m
		}
	}
	return nil
}

// root answers the message that a thread hangs on: one that is here, or a mention that comes to be now (MentionText).
func (ch *channel) root(ts string) *message {
	if m := ch.message(ts); m != nil {
		return m
	}
	_, fraction, _ := strings.Cut(ts, ".")
	at, err := ulidTime(fraction)
	if err != nil {
		return nil
	}
	m := &message{ts: ts, user: Mara, text: MentionText, at: at}
	ch.add(m)
	return m
}

// ulidTime reads the time of a ULID (github.com/ulid/spec): its first ten characters are milliseconds in base 32.
func ulidTime(text string) (time.Time, error) {
	const digits = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
	if len(text) != 26 || strings.Trim(text, digits) != "" {
		return time.Time{}, fmt.Errorf("%q is no ULID", text)
	}
	var ms int64
	for _, c := range text[:10] {
		ms = ms<<5 | int64(strings.IndexRune(digits, c))
	}
	return time.UnixMilli(ms).UTC(), nil
}

func anchor(m *message) string { return "slack-" + strings.ReplaceAll(m.ts, ".", "") }

func short(text string) string {
	text = strings.Join(strings.Fields(text), " ")
	if r := []rune(text); len(r) > 80 {
		return string(r[:79]) + "…"
	}
	return text
}

func (ch *channel) label() string {
	if ch.with != "" {
		return ch.name
	}
	return "#" + ch.name
}

func (s *Server) post(c *call) (map[string]any, string) {
	ch, code := s.target(c)
	if code != "" {
		return nil, code
	}
	m, code := c.compose()
	if code != "" {
		return nil, code
	}
	if m.thread != "" && ch.root(m.thread) == nil {
		return nil, "thread_not_found"
	}
	m.ts = s.stamp()
	ch.add(m)
	where := "in " + ch.label()
	if m.thread != "" {
		where = "in a thread of " + ch.label()
	}
	c.did(anchor(m), "posted %s: %s", where, short(m.text))
	return map[string]any{"channel": ch.id, "ts": m.ts, "message": s.body(m)}, ""
}

func (s *Server) postEphemeral(c *call) (map[string]any, string) {
	ch, code := s.target(c)
	if code != "" {
		return nil, code
	}
	if s.user(c.text("user")) == nil {
		return nil, "user_not_in_channel"
	}
	m, code := c.compose()
	if code != "" {
		return nil, code
	}
	m.ts, m.ephemeral = s.stamp(), c.text("user")
	ch.add(m)
	c.did(anchor(m), "whispered to %s in %s: %s", m.ephemeral, ch.label(), short(m.text))
	return map[string]any{"message_ts": m.ts}, ""
}

func (s *Server) existing(c *call) (*channel, *message, string) {
	ch, code := s.target(c)
	if code != "" {
		return nil, nil, code
	}
	ts := c.text("ts") + c.text("message_ts") + c.text("timestamp")
	m := ch.message(ts)
	if m == nil || m.ephemeral != "" {
		return nil, nil, "message_not_found"
	}
	return ch, m, ""
}

func (s *Server) update(c *call) (map[string]any, string) {
	ch, m, code := s.existing(c)
	if code != "" {
		return nil, code
	}
	if m.user != BotUser {
		return nil, "cant_update_message"
	}
	next, code := c.compose()
	if code != "" {
		return nil, code
	}
	m.text, m.blocks, m.edited = next.text, next.blocks, s.stamp()
	if len(next.metadata) > 0 {
		m.metadata = next.metadata
	}
	c.did(anchor(m), "edited a message in %s: %s", ch.label(), short(m.text))
	return map[string]any{"channel": ch.id, "ts": m.ts, "text": m.text, "message": s.body(m)}, ""
}

func (s *Server) remove(c *call) (map[string]any, string) {
	ch, m, code := s.existing(c)
	if code != "" {
		return nil, code
	}
	if m.user != BotUser {
		return nil, "cant_delete_message"
	}
	m.deleted = true
	c.did("slack", "deleted a message in %s", ch.label())
	return map[string]any{"channel": ch.id, "ts": m.ts}, ""
}

func (s *Server) permalink(c *call) (map[string]any, string) {
	ch, m, code := s.existing(c)
	if code != "" {
		return nil, code
	}
	c.saw(anchor(m), "read the permalink of a message")
	root := strings.TrimSuffix(s.cred.BaseURL, "/api")
	return map[string]any{"channel": ch.id, "permalink": root + "/archives/" + ch.id + "/p" + strings.ReplaceAll(m.ts, ".", "")}, ""
}

func (s *Server) react(c *call) (map[string]any, string) {
	_, m, code := s.existing(c)
	name := strings.Trim(c.text("name"), ":")
	switch {
	case code != "":
		return nil, code
	case name == "" || strings.ContainsAny(name, " <>"):
		return nil, "invalid_name"
	case slices.Contains(m.reactions, name):
		return nil, "already_reacted"
	case len(m.reactions) >= 23:
		return nil, "too_many_reactions"
	}
	m.reactions = append(m.reactions, name)
	c.did(anchor(m), "reacted with :%s:", name)
	return nil, ""
}

func (s *Server) body(m *message) map[string]any {
	b := map[string]any{"type": "message", "user": m.user, "text": m.text, "ts": m.ts, "team": Team}
	if m.user == BotUser {
		b["bot_id"], b["app_id"] = botID, appID
	}
	if m.user == "" {
		delete(b, "user")
		b["subtype"], b["bot_id"] = "bot_message", botID
	}
	if m.thread != "" {
		b["thread_ts"] = m.thread
	}
	if len(m.blocks) > 0 {
		b["blocks"] = m.blocks
	}
	if len(m.metadata) > 0 {
		b["metadata"] = m.metadata
	}
	if m.edited != "" {
		b["edited"] = map[string]any{"user": m.user, "ts": m.edited}
	}
	if len(m.reactions) > 0 {
		all := []any{}
		for _, r := range m.reactions {
			all = append(all, map[string]any{"name": r, "users": []string{BotUser}, "count": 1})
		}
		b["reactions"] = all
	}
	return b
}

const (
	responseUses = 5
	responseLife = 30 * time.Minute
	maxResponses = 10_000
)

// response is what is known of one response URL.
type response struct {
	uses  int
	until time.Time
}
