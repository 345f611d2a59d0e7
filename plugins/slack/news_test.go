package main

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"bulkhead.dev/sdk/plugintest"

	"github.com/google/go-cmp/cmp"
)

func newcomer() hired {
	return hired{
		EmployeeID: "41207", FullName: "Zoë Kask", Position: "Engineer", Department: "Platform", ManagerName: "Mara Lindqvist", HiredOn: "2026-12-01",
	}
}

func scanners() won {
	return won{
		DealID: "4107", Title: "Warehouse scanners", Value: "11800.50", Currency: "EUR", WonTime: "2026-11-12T15:02:09Z",
		Owner: "Ines Duarte", Person: "Piotr Zielinski", Organization: "Baltic Freight",
	}
}

func TestNewsIsSaidOnce(t *testing.T) {
	t.Parallel()
	s, r := start(t)
	again := scanners()
	again.WonTime = "2026-11-20T09:00:00Z"
	for range 2 { // two facts of one thing
		r.done("slack.welcome", newcomer())
		r.done("slack.deal-won", scanners())
	}
	r.done("slack.deal-won", again)
	var got []string
	for _, m := range s.said("") {
		got = append(got, m.Text)
	}
	won := ":tada: Deal won: *Warehouse scanners* for 11800.50 EUR (Baltic Freight, Piotr Zielinski), by Ines Duarte"
	want := []string{":wave: Welcome *Zoë Kask*! Engineer, Platform. First day: 2026-12-01. Reports to Mara Lindqvist.", won, won}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	r.silent("Zoë", "Mara", "Ines", "Piotr", "Baltic", "11800", "xoxb", fmt.Sprint(s.settings["bot_token"]))
}

func TestWhatNewsSays(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		job  string
		fact any
		want string
	}{
		"a name alone": {"slack.welcome", hired{EmployeeID: "1", FullName: "Ann"}, ":wave: Welcome *Ann*!"},
		"a position":   {"slack.welcome", hired{EmployeeID: "1", FullName: "Ann", Position: "Lead"}, ":wave: Welcome *Ann*! Lead."},
		"a title alone": {
			"slack.deal-won", won{DealID: "1", Title: "Scanners"}, ":tada: Deal won: *Scanners*",
		},
		"no value": {
			"slack.deal-won", won{DealID: "1", Title: "Scanners", Currency: "EUR", Person: "Ann"}, ":tada: Deal won: *Scanners* (Ann)",
		},
		"no currency": {"slack.deal-won", won{DealID: "1", Title: "Scanners", Value: "0.10"}, ":tada: Deal won: *Scanners* for 0.10"},
		"markup in names": {
			"slack.deal-won", won{DealID: "1", Title: "<!channel> R&D\n<https://evil.example|click>", Organization: "A&B <@U0SANDMARA>", Owner: "<b>"},
			":tada: Deal won: *&lt;!channel&gt; R&amp;D &lt;https://evil.example|click&gt;* (A&amp;B &lt;@U0SANDMARA&gt;), by &lt;b&gt;",
		},
		"markup in a welcome": {
			"slack.welcome", hired{EmployeeID: "1", FullName: "<!here>", Position: "R&D", HiredOn: "<1>", ManagerName: "&"},
			":wave: Welcome *&lt;!here&gt;*! R&amp;D. First day: &lt;1&gt;. Reports to &amp;.",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, r := start(t)
			r.done(tc.job, tc.fact)
			if got := s.said(""); len(got) != 1 || got[0].Text != tc.want {
				t.Errorf("said %+v, want %s", got, tc.want)
			}
		})
	}
}

func TestABotThatMayNotReadSpeaksTwiceRatherThanNever(t *testing.T) {
	t.Parallel()
	for _, word := range []string{"missing_scope", "not_in_channel"} {
		s, r := start(t)
		s.fault(map[string]any{"path": "/api/chat.postMessage", "mode": "lost_reply"})
		s.fault(map[string]any{"path": "/api/conversations.history", "status": 200, "error": word})
		job := plugintest.Job{Type: "slack.welcome", ID: "slack-1", Payload: newcomer()}
		if result := r.do(job); result.Kind != plugintest.Retried {
			t.Fatalf("first attempt: %+v", result)
		}
		if result := r.do(job); result.Kind != plugintest.Done {
			t.Fatalf("second attempt: %+v", result)
		}
		if got := s.said(""); len(got) != 2 {
			t.Errorf("%s: said %+v, want it twice", word, got)
		}
		if !strings.Contains(r.log.String(), "may not read the channel") {
			t.Errorf("%s: it is not said why", word)
		}
	}
}

func TestRefusalsOfSlack(t *testing.T) {
	t.Parallel()
	retried := plugintest.Result{Kind: plugintest.Retried, Fault: "vendor"}
	rejected := plugintest.Result{Kind: plugintest.Rejected, Fault: "plugin"}
	later := plugintest.Result{Kind: plugintest.Retried, Fault: "vendor", Free: true, After: 2 * time.Minute}
	for name, tc := range map[string]struct {
		fault map[string]any
		want  plugintest.Result
	}{
		"too many calls":        {map[string]any{"status": 429, "retry_after": "120"}, later},
		"too many calls, by ok": {map[string]any{"status": 200, "error": "ratelimited", "retry_after": "120"}, later},
		"a bad token":           {map[string]any{"status": 200, "error": "invalid_auth"}, retried},
		"a revoked token":       {map[string]any{"status": 200, "error": "token_revoked"}, retried},
		"a missing scope":       {map[string]any{"status": 200, "error": "missing_scope"}, retried},
		"a wrong channel":       {map[string]any{"status": 200, "error": "channel_not_found"}, retried},
		"not invited":           {map[string]any{"status": 200, "error": "not_in_channel"}, retried},
		"a quiet channel":       {map[string]any{"status": 200, "error": "restricted_action_read_only_channel"}, retried},
		"Slack slips":           {map[string]any{"status": 200, "error": "fatal_error"}, retried},
		"Slack is away":         {map[string]any{"status": 503}, retried},
		"a bad message":         {map[string]any{"status": 200, "error": "msg_too_long"}, rejected},
		"an unknown word":       {map[string]any{"status": 200, "error": "something_new"}, rejected},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, r := start(t)
			tc.fault["path"] = "/api/chat.postMessage"
			s.fault(tc.fault)
			got := r.do(plugintest.Job{Type: "slack.welcome", Payload: newcomer()})
			if word, ok := tc.fault["error"].(string); ok && !strings.Contains(got.Reason, word) {
				t.Errorf("the reason lacks Slack's word: %s", got.Reason)
			}
			got.Reason = ""
			if diff := cmp.Diff(&tc.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestSettingsThatCannotBe(t *testing.T) {
	t.Parallel()
	for field, value := range map[string]string{"base_url": "http://slack.com/api", "channel": "#general"} {
		settings := map[string]any{"bot_token": "xoxb-1", "signing_secret": "s", "channel": "C0123ABCD"}
		settings[field] = value
		if got := faultOf(t, settings); got != field {
			t.Errorf("%s %q: the fault is of %q", field, value, got)
		}
	}
}

// The metadata by which a message is found again is on it, and holds nothing of a person.
func TestAMessageBearsWhatItIsAbout(t *testing.T) {
	t.Parallel()
	s, r := start(t)
	r.done("slack.welcome", newcomer())
	var page struct {
		Messages []posted `json:"messages"`
	}
	s.ask(http.MethodGet, fmt.Sprint(s.settings["base_url"])+history+"?limit=1&include_all_metadata=true&channel="+fmt.Sprint(s.settings["channel"]), "",
		http.Header{"Authorization": {"Bearer " + fmt.Sprint(s.settings["bot_token"])}}, &page)
	if len(page.Messages) != 1 || page.Messages[0].Metadata.EventType != metadataType {
		t.Fatalf("messages %+v", page.Messages)
	}
	if diff := cmp.Diff(map[string]any{"about": "hired:41207:2026-12-01"}, page.Messages[0].Metadata.EventPayload); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}
