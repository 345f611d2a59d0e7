package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"bulkhead.dev/sdk/plugintest"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

const eventJob = "slack.event"

// start runs the plugin beside a sandbox.
func start(t *testing.T) (*sandbox, *running) {
	t.Helper()
	s := startSandbox(t)
	return s, startPlugin(t, &plugin{}, s.settings)
}

// slack calls a method of the Web API as the bot does.
func (s *sandbox) slack(method string, arguments map[string]any, out any) {
	s.t.Helper()
	raw, err := json.Marshal(arguments)
	if err != nil {
		s.t.Fatal(err)
	}
	s.ask(http.MethodPost, fmt.Sprint(s.settings["base_url"])+"/"+method, string(raw),
		http.Header{"Authorization": {"Bearer " + fmt.Sprint(s.settings["bot_token"])}}, out)
}

// shown is a message as Slack has it.
type shown struct {
	TS       string `json:"ts"`
	ThreadTS string `json:"thread_ts"`
	BotID    string `json:"bot_id"`
	Text     string `json:"text"`
}

// said lists what the bot said in the channel, or in a thread of it, oldest first.
func (s *sandbox) said(thread string) []shown {
	s.t.Helper()
	method, query := history, url.Values{"channel": {fmt.Sprint(s.settings["channel"])}}
	if thread != "" {
		method = replies
		query.Set("ts", thread)
	}
	var page struct {
		Messages []shown `json:"messages"`
	}
	s.ask(http.MethodGet, fmt.Sprint(s.settings["base_url"])+method+"?"+query.Encode(), "",
		http.Header{"Authorization": {"Bearer " + fmt.Sprint(s.settings["bot_token"])}}, &page)
	var all []shown
	for _, m := range page.Messages {
		switch {
		case m.BotID == "" || m.TS == thread:
		case thread == "":
			all = append([]shown{m}, all...) // a history has the newest first
		default:
			all = append(all, m)
		}
	}
	return all
}

// root posts a message that may be mentioned, and returns its ts.
func (s *sandbox) root() string {
	s.t.Helper()
	var posted struct{ TS string }
	s.slack("chat.postMessage", map[string]any{"channel": s.settings["channel"], "text": "Anybody?"}, &posted)
	return posted.TS
}

// mentioned is a delivery of app_mention; more are members of the event.
func (s *sandbox) mentioned(ts, more string) json.RawMessage {
	return fmt.Appendf(nil, `{"token":"verification","team_id":"T0SANDBOX","api_app_id":"A0SANDBOX","type":"event_callback","event_id":"Ev1","event_time":1595926230,
		"authorizations":[{"team_id":"T0SANDBOX","is_bot":true}],"event":{"type":"app_mention","user":"U0SANDMARA","text":"<@U0SANDBOT> a secret",
		"ts":%q,"event_ts":%q,"channel":%q%s}}`, ts, ts, s.settings["channel"], more)
}

func TestAMentionIsAnsweredInItsThread(t *testing.T) {
	t.Parallel()
	s, r := start(t)
	ts := s.root()
	for range 2 { // an edit of the message mentions the app again
		r.done(eventJob, s.mentioned(ts, ""))
	}
	got := s.said(ts)
	if len(got) != 1 || got[0].ThreadTS != ts || got[0].Text != reply {
		t.Errorf("in the thread: %+v, want one reply", got)
	}
	r.silent("secret", "Mara", "MARA")

	// A mention inside a thread is answered there: Slack has no threads within threads.
	inner := got[0].TS
	r.done(eventJob, s.mentioned(inner, `,"thread_ts":"`+ts+`"`))
	if got := s.said(ts); len(got) != 2 || got[1].ThreadTS != ts {
		t.Errorf("in the thread: %+v, want a second reply", got)
	}
}

func TestAReplyWhoseAnswerWasLostIsFound(t *testing.T) {
	t.Parallel()
	for name, trouble := range map[string]map[string]any{
		"the answer is lost":  {"mode": "lost_reply"},
		"nothing was done":    {"mode": "reset"},
		"Slack slips":         {"status": 200, "error": "internal_error"},
		"Slack slips, by 500": {"status": 500},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, r := start(t)
			ts := s.root()
			trouble["path"] = "/api/chat.postMessage"
			s.fault(trouble)
			job := plugintest.Job{Type: eventJob, ID: "slack-1", Payload: s.mentioned(ts, "")}
			if result := r.do(job); result.Kind != plugintest.Retried || result.Fault != "vendor" {
				t.Fatalf("first attempt: %+v", result)
			}
			if result := r.do(job); result.Kind != plugintest.Done {
				t.Fatalf("second attempt: %+v", result)
			}
			if got := s.said(ts); len(got) != 1 {
				t.Errorf("in the thread: %+v, want one reply", got)
			}
		})
	}
}

func TestAMessageThatIsGoneNeedsNoAnswer(t *testing.T) {
	t.Parallel()
	s, r := start(t)
	for range 2 {
		r.done(eventJob, s.mentioned("1595926230.009600", ""))
	}
	if got := s.said(""); len(got) != 0 {
		t.Errorf("in the channel: %+v", got)
	}
}

func TestBotsAreLeftAlone(t *testing.T) {
	t.Parallel()
	s, r := start(t)
	ts := s.root()
	r.done(eventJob, s.mentioned(ts, `,"bot_id":"B0OTHER"`))
	if got := s.said(ts); len(got) != 0 {
		t.Errorf("in the thread: %+v", got)
	}
}

func TestEventsAreAccepted(t *testing.T) {
	t.Parallel()
	s, r := start(t)
	schema := r.schema(http.MethodPost, "events")
	events := samples(t, "event_*.json")
	for name, body := range map[string]string{
		"a message":         `{"type":"event_callback","event_id":"Ev1","event":{"type":"message","channel":"C1","user":"U1","ts":"1.2","text":"<@U0SANDBOT>"}}`,
		"a bot's message":   `{"type":"event_callback","event":{"type":"message","subtype":"bot_message","bot_id":"B1","channel":"C1","ts":"1.2"}}`,
		"a new channel":     `{"type":"event_callback","event":{"type":"channel_created","channel":{"id":"C1","name":"fun","created":1}}}`,
		"a new colleague":   `{"type":"event_callback","event":{"type":"team_join","user":{"id":"U1","profile":{}}}}`,
		"a reaction":        `{"type":"event_callback","event":{"type":"reaction_added","item":{"type":"message","channel":"C1","ts":"1.2"}}}`,
		"too many events":   `{"type":"app_rate_limited","team_id":"T1","minute_rate_limited":1518467820,"api_app_id":"A1"}`,
		"a challenge":       `{"type":"url_verification","token":"t","challenge":"c"}`,
		"no event":          `{"type":"event_callback","event":null}`,
		"an event of text":  `{"type":"event_callback","event":"app_mention"}`,
		"a type of numbers": `{"type":"event_callback","event":{"type":7}}`,
	} {
		events[name] = json.RawMessage(body)
	}
	for name, body := range events {
		if !accepts(t, schema, body) {
			t.Errorf("%s is refused by the schema", name)
		}
		if name == "event_app_mention.json" { // of a channel that is not here
			continue
		}
		r.done(eventJob, body)
	}
	if changes := s.changes(); len(changes) != 0 {
		t.Errorf("changes at Slack: %+v", changes)
	}
	for _, body := range []string{`{}`, `{"type":null}`, `{"type":1}`, `{"event":{"type":"app_mention"}}`, `[]`} {
		if accepts(t, schema, []byte(body)) {
			t.Errorf("%s is accepted", body)
		}
	}
}

func TestAMentionWithoutItsFormIsRejected(t *testing.T) {
	t.Parallel()
	_, r := start(t)
	for _, event := range []string{
		`{"type":"app_mention","channel":"C0SANDGEN"}`, `{"type":"app_mention","ts":"1.2"}`, `{"type":"app_mention","channel":{"id":"C1"},"ts":"1.2"}`,
	} {
		result := r.do(plugintest.Job{Type: eventJob, Payload: json.RawMessage(`{"type":"event_callback","event":` + event + `}`)})
		if result.Kind != plugintest.Rejected {
			t.Errorf("%s: %+v, want it rejected", event, result)
		}
	}
}

// A process that dies between the message and its note of it leaves a message that only Slack knows.
func TestAMessageThatWasNotNotedIsFound(t *testing.T) {
	t.Parallel()
	s, r := start(t)
	commits := 0
	r.Host.Refuse(func(method string) error {
		if method == "CommitState" {
			commits++ // an intent, and then what came of it
		}
		if commits == 2 {
			return status.Error(codes.Unavailable, "gone")
		}
		return nil
	})
	job := plugintest.Job{Type: "slack.welcome", ID: "slack-1", Payload: newcomer(), Time: time.Now().Add(-time.Hour)}
	if result := r.do(job); result.Kind != plugintest.Retried || result.Fault != "host" {
		t.Errorf("first attempt: %+v", result)
	}
	r.Host.Refuse(nil)
	// Others talk meanwhile: more than Slack lists at once.
	for i := range 205 {
		s.slack("chat.postMessage", map[string]any{"channel": s.settings["channel"], "text": fmt.Sprint("chatter ", i),
			"metadata": map[string]any{"event_type": "other", "event_payload": map[string]any{"about": 7}}}, nil)
	}
	if result := r.do(job); result.Kind != plugintest.Done {
		t.Errorf("second attempt: %+v", result)
	}
	welcomes := 0
	for _, m := range s.changes() {
		if strings.Contains(m.Summary, "Welcome") {
			welcomes++
		}
	}
	if welcomes != 1 {
		t.Errorf("%d welcomes, want one", welcomes)
	}
}
