package slack

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// Ids of the seeded channels.
const (
	General = "C0SANDGEN"
	sales   = "C0SANDSALES"
	people  = "C0SANDPEOPLE"
	old     = "C0SANDOLD"
	legal   = "C0SANDLEGAL"
)

func (s *Server) seed() {
	s.users = []user{
		{BotUser, "Bulkhead Integration", "", true},
		{Mara, "Mara Lindqvist", "mara.lindqvist@northlight.example", false},
		{"U0SANDTOMAS", "Tomas Vesely", "tomas.vesely@northlight.example", false},
		{"U0SANDINES", "Ines Duarte", "ines.duarte@northlight.example", false},
		{"U0SANDADA", "Ada Okafor", "ada.okafor@northlight.example", false},
		{"U0SANDJONAS", "Jonas Berg", "jonas.berg@northlight.example", false},
	}
	s.channels = []*channel{
		{id: General, name: "general", member: true}, {id: sales, name: "sales", member: true}, {id: people, name: "people-ops", member: true},
		{id: old, name: "old-news", member: true, archived: true}, {id: legal, name: "legal"},
	}
	if s.find(s.cred.Channel) == nil { // a channel that the settings name is there
		s.channels = append(s.channels, &channel{id: s.cred.Channel, name: strings.ToLower(strings.TrimPrefix(s.cred.Channel, "#")), member: true})
	}
	base := s.now().Add(-4 * time.Hour).UnixMicro()
	for i, m := range []struct{ channel, user, text string }{
		{General, Mara, "Good morning! The coffee machine on the second floor works again."},
		{General, "U0SANDTOMAS", "Network maintenance tonight from 20:00 to 21:00."},
		{sales, "U0SANDINES", "The scanner pilot in Gdansk went well, the contract is with their lawyers now."},
		{people, Mara, "Ada Okafor starts today, let's make her welcome."},
	} {
		at := base + int64(i)*int64(time.Hour/time.Microsecond)
		s.lastTS = at
		ch := s.find(m.channel)
		ch.messages = append(ch.messages, &message{ts: fmt.Sprintf("%d.%06d", at/1e6, at%1e6), user: m.user, text: m.text})
	}
}

// View is a message as the page draws it.
type View struct {
	Anchor, Channel, Author, Text string
	At                            time.Time
	Bot, Ephemeral, InThread      bool
	Reactions                     []string
}

// Views answers the newest messages of all channels, newest first, limit at most, and how many there are in all.
func (s *Server) Views(limit int) ([]View, int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	views, total := []View{}, 0
	heads := make([]int, len(s.channels)) // how many of each channel's newest are taken
	for _, ch := range s.channels {
		total += len(ch.messages)
	}
	for len(views) < limit {
		best := -1
		for i, ch := range s.channels {
			if heads[i] < len(ch.messages) && (best < 0 || newest(ch, heads[i]).time().After(newest(s.channels[best], heads[best]).time())) {
				best = i
			}
		}
		if best < 0 {
			break
		}
		m := newest(s.channels[best], heads[best])
		heads[best]++
		if !m.deleted {
			views = append(views, s.view(s.channels[best], m))
		}
	}
	return views, total
}

func newest(ch *channel, skip int) *message { return ch.messages[len(ch.messages)-1-skip] }

func (s *Server) view(ch *channel, m *message) View {
	v := View{Anchor: anchor(m), Channel: ch.label(), Author: "Bulkhead Integration", Text: m.text, Bot: m.user == BotUser || m.user == "",
		Ephemeral: m.ephemeral != "", InThread: m.thread != "" && m.thread != m.ts, Reactions: m.reactions, At: m.time()}
	if u := s.user(m.user); u != nil {
		v.Author = u.name
	}
	if v.Text == "" {
		v.Text = blockText(m.blocks)
	}
	return v
}

// time is when the message came; zero when its ts is not one that this server gives.
func (m *message) time() time.Time {
	var seconds, micros int64
	if _, err := fmt.Sscanf(m.ts, "%d.%d", &seconds, &micros); err != nil || !m.at.IsZero() {
		return m.at
	}
	return time.UnixMicro(seconds*1e6 + micros).UTC()
}

// blockText is the text of a message's blocks, a line for each.
func blockText(raw json.RawMessage) string {
	var blocks []struct {
		Text struct {
			Text string `json:"text"`
		} `json:"text"`
	}
	if json.Unmarshal(raw, &blocks) != nil {
		return ""
	}
	var lines []string
	for _, b := range blocks {
		if b.Text.Text != "" {
			lines = append(lines, b.Text.Text)
		}
	}
	return strings.Join(lines, "\n")
}
