package slack_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"bulkhead.dev/sandbox/internal/calltest"
	"bulkhead.dev/sandbox/internal/creds"
	"bulkhead.dev/sandbox/internal/fault"
	"bulkhead.dev/sandbox/internal/slack"
)

// open answers a desk and a way to move its clock.
func open(t *testing.T) (calltest.Desk, *time.Time) {
	t.Helper()
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	cred := creds.Slack{BaseURL: "http://127.0.0.1:1/slack/api", BotToken: "xoxb-1", Channel: slack.General}
	return calltest.Desk{T: t, Handler: slack.New(cred, func() time.Time { return now }),
		Dress: func(r *http.Request) { r.Header.Set("Authorization", "Bearer xoxb-1") }}, &now
}

func TestPostAndRead(t *testing.T) {
	t.Parallel()
	d, _ := open(t)
	calltest.Same(t, d.Call("POST", "/api/auth.test", "", 200), "user_id", slack.BotUser)
	first := d.Call("POST", "/api/chat.postMessage", `{"channel":"C0SANDGEN","text":"Welcome","blocks":[{"type":"section","text":{"type":"mrkdwn","text":"*Welcome*"}}],
		"metadata":{"event_type":"hire","event_payload":{"id":41207}}}`, 200)
	calltest.Same(t, first, "ok", "true")
	calltest.Same(t, first, "message.bot_id", "B0SANDBOT")
	form := url.Values{"channel": {"#general"}, "text": {"A reply"}, "thread_ts": {calltest.At(first, "ts")}, "blocks": {`[{"type":"divider"}]`}}
	second := d.Call("POST", "/api/chat.postMessage", form.Encode(), 200)
	calltest.Same(t, second, "message.blocks.0.type", "divider")
	if a, b := calltest.At(first, "ts"), calltest.At(second, "ts"); a >= b {
		t.Errorf("ts %s is not before %s, though the clock stands", a, b)
	}
	calltest.Same(t, d.Call("GET", "/api/conversations.replies?channel=C0SANDGEN&ts="+calltest.At(first, "ts"), "", 200), "messages.1.text", "A reply")
	page := d.Call("GET", "/api/conversations.history?channel=C0SANDGEN&limit=1&include_all_metadata=true", "", 200)
	calltest.Same(t, page, "messages.0.metadata.event_payload.id", "41207")
	calltest.Same(t, page, "has_more", "true")
	next := url.QueryEscape(calltest.At(page, "response_metadata.next_cursor"))
	calltest.Same(t, d.Call("GET", "/api/conversations.history?channel=C0SANDGEN&limit=1&cursor="+next, "", 200), "messages.0.user", "U0SANDTOMAS")
	calltest.Same(t, d.Call("GET", "/api/conversations.history?channel=C0SANDGEN&inclusive=1&oldest="+calltest.At(first, "ts"), "", 200), "messages.1", "<nil>")
	edit := `{"channel":"C0SANDGEN","text":"Welcome!","ts":"` + calltest.At(first, "ts") + `"}`
	calltest.Same(t, d.Call("POST", "/api/chat.update", edit, 200), "text", "Welcome!")
	calltest.Same(t, d.Call("POST", "/api/reactions.add", `{"channel":"C0SANDGEN","name":"wave","timestamp":"`+calltest.At(first, "ts")+`"}`, 200), "ok", "true")
	if link := calltest.At(d.Call("GET", "/api/chat.getPermalink?channel=C0SANDGEN&message_ts="+calltest.At(first, "ts"), "", 200), "permalink"); !strings.Contains(link, "/slack/archives/C0SANDGEN/p") {
		t.Errorf("permalink %s", link)
	}
	calltest.Same(t, d.Call("POST", "/api/chat.delete", edit, 200), "ok", "true")
	calltest.Same(t, d.Call("POST", "/api/chat.update", edit, 200), "error", "message_not_found")
}

func TestPeopleAndChannels(t *testing.T) {
	t.Parallel()
	d, _ := open(t)
	calltest.Same(t, d.Call("POST", "/api/users.lookupByEmail", "email=Ada.Okafor@northlight.example", 200), "user.id", "U0SANDADA")
	calltest.Same(t, d.Call("GET", "/api/users.info?user=U0SANDADA", "", 200), "user.profile.first_name", "Ada")
	calltest.Len(t, d.Call("GET", "/api/users.list?limit=4", "", 200), "members", 4)
	calltest.Len(t, d.Call("GET", "/api/conversations.list?exclude_archived=true", "", 200), "channels", 4)
	calltest.Same(t, d.Call("POST", "/api/chat.postMessage", `{"channel":"U0SANDADA","text":"hi"}`, 200), "channel", "D0SANDADA")
	calltest.Same(t, d.Call("POST", "/api/conversations.open", `{"users":"U0SANDADA"}`, 200), "channel.id", "D0SANDADA")
	calltest.Same(t, d.Call("POST", "/api/conversations.join", `{"channel":"C0SANDLEGAL"}`, 200), "channel.is_member", "true")
	calltest.Same(t, d.Call("POST", "/api/chat.postEphemeral", `{"channel":"C0SANDGEN","user":"U0SANDADA","text":"psst"}`, 200), "ok", "true")
	calltest.Len(t, d.Call("GET", "/api/conversations.history?channel=C0SANDGEN", "", 200), "messages", 2) // a whisper is in no history
}

func TestFailuresAre200(t *testing.T) {
	t.Parallel()
	d, _ := open(t)
	for want, c := range map[string][2]string{
		"channel_not_found":     {"chat.postMessage", `{"channel":"C0NONE","text":"x"}`},
		"is_archived":           {"chat.postMessage", `{"channel":"C0SANDOLD","text":"x"}`},
		"not_in_channel":        {"chat.postMessage", `{"channel":"C0SANDLEGAL","text":"x"}`},
		"no_text":               {"chat.postMessage", `{"channel":"C0SANDGEN","text":" "}`},
		"thread_not_found":      {"chat.postMessage", `{"channel":"C0SANDGEN","text":"x","thread_ts":"1.000001"}`},
		"invalid_blocks":        {"chat.postMessage", `{"channel":"C0SANDGEN","text":"x","blocks":[{}]}`},
		"invalid_blocks_format": {"chat.postMessage", `{"channel":"C0SANDGEN","text":"x","blocks":"nonsense"}`},
		"users_not_found":       {"users.lookupByEmail", `{"email":"nobody@example.com"}`},
		"user_not_found":        {"users.info", `{"user":"U0"}`},
		"invalid_cursor":        {"users.list", `{"cursor":"x"}`},
		"unknown_method":        {"chat.shout", `{}`},
		"invalid_json":          {"auth.test", `{`},
		"json_not_object":       {"auth.test", `[]`},
	} {
		got := d.Call("POST", "/api/"+c[0], c[1], 200)
		calltest.Same(t, got, "ok", "false")
		calltest.Same(t, got, "error", want)
	}
	d.Dress = nil
	calltest.Same(t, d.Call("POST", "/api/auth.test", "", 200), "error", "not_authed")
	calltest.Same(t, d.Call("POST", "/api/auth.test", "token=xoxb-2", 200), "error", "invalid_auth")
}

func TestResponseURLs(t *testing.T) {
	t.Parallel()
	d, now := open(t)
	d.Dress = nil
	post := func(path string) (int, string) {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, path, strings.NewReader(`{"response_type":"in_channel","text":"done"}`))
		w := httptest.NewRecorder()
		d.Handler.ServeHTTP(w, r)
		return w.Code, w.Body.String()
	}
	for i := range 5 {
		if code, body := post("/response/T1/2/abc"); code != http.StatusOK || body != "ok" {
			t.Errorf("use %d: %d %s", i+1, code, body)
		}
	}
	if code, body := post("/response/T1/2/abc"); code != http.StatusNotFound || !strings.Contains(body, "used_url") {
		t.Errorf("sixth use: %d %s", code, body)
	}
	post("/response/T1/2/def")
	*now = now.Add(31 * time.Minute)
	if code, body := post("/response/T1/2/def"); code != http.StatusNotFound || !strings.Contains(body, "expired_url") {
		t.Errorf("after half an hour: %d %s", code, body)
	}
}

func TestRefuse(t *testing.T) {
	t.Parallel()
	s := slack.New(creds.Slack{}, time.Now)
	for want, rule := range map[string]fault.Rule{
		`"ratelimited"`:    {Status: http.StatusTooManyRequests},
		`"internal_error"`: {Status: http.StatusInternalServerError},
		`"fatal_error"`:    {Status: http.StatusOK, Error: "fatal_error"},
	} {
		w := httptest.NewRecorder()
		s.Refuse(w, rule)
		if w.Code != rule.Status || !strings.Contains(w.Body.String(), want) {
			t.Errorf("%+v: %d %s", rule, w.Code, w.Body)
		}
	}
}

// A mention of the described event is there as soon as the app turns to it, each by its own ts; nothing else is.
func TestAMentionIsThereWhenItIsAnswered(t *testing.T) {
	t.Parallel()
	d, _ := open(t)
	for _, ulid := range []string{"01KAVTDK00R2Z9W4Q6X8Y0ABCD", "01KAVTDK00R2Z9W4Q6X8Y0ABCE"} {
		ts := "1795521600." + ulid
		reply := d.Call("POST", "/api/chat.postMessage", `{"channel":"C0SANDGEN","text":"Here","thread_ts":"`+ts+`"}`, 200)
		calltest.Same(t, reply, "message.thread_ts", ts)
		thread := d.Call("GET", "/api/conversations.replies?channel=C0SANDGEN&ts="+ts, "", 200)
		calltest.Len(t, thread, "messages", 2)
		calltest.Same(t, thread, "messages.0.text", slack.MentionText)
		calltest.Same(t, thread, "messages.0.user", slack.Mara)
	}
	for _, ts := range []string{"1795521600.000100", "1795521600.01KAVTDK00R2Z9W4Q6X8Y0ABC", "1795521600.01KAVTDK00R2Z9W4Q6X8Y0ABCI", "x"} {
		calltest.Same(t, d.Call("POST", "/api/chat.postMessage", `{"channel":"C0SANDGEN","text":"Here","thread_ts":"`+ts+`"}`, 200), "error", "thread_not_found")
	}
}
