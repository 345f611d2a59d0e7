package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"bulkhead.dev/sdk/plugintest"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

const createPath = "/rest/api/3/issue"

// newcomer is the fact of a hire.
func newcomer() hired {
	return hired{
		EmployeeID: "41207", FullName: "Zoë  Kask", Email: "zoe.kask@example.com", Position: "Engineer", Department: "Platform",
		Location: "Tartu", ManagerName: "Mara Lindqvist", HiredOn: "2026-12-01",
	}
}

// onboarding is what the project holds of hires: a line an issue, in the order of their creation.
func (s *sandbox) onboarding() []string {
	s.t.Helper()
	var page struct {
		Issues []struct {
			Key    string
			Fields struct {
				Summary   string
				Labels    []string
				IssueType struct{ Name string }
				Parent    *struct{ Key string }
			}
		}
	}
	s.jira(http.MethodPost, "/rest/api/3/search/jql",
		`{"jql":"labels = bulkhead ORDER BY created, key","fields":["summary","labels","issuetype","parent"]}`, &page)
	var all []string
	for _, i := range page.Issues {
		line := i.Fields.IssueType.Name + ": " + i.Fields.Summary + " " + strings.Join(i.Fields.Labels, ",")
		if i.Fields.Parent != nil {
			line += " under " + i.Fields.Parent.Key
		}
		all = append(all, line)
	}
	return all
}

// wanted is the same for a newcomer who gets the first free key.
func wanted() []string {
	const parent = "ONB-7"
	return []string{
		"Task: Onboarding: Zoë Kask bulkhead,bh-hire-41207-2026-12-01",
		"Sub-task: Create accounts and access: Zoë Kask bulkhead,bh-hire-41207-2026-12-01-accounts under " + parent,
		"Sub-task: Prepare laptop and equipment: Zoë Kask bulkhead,bh-hire-41207-2026-12-01-equipment under " + parent,
		"Sub-task: Plan the first week: Zoë Kask bulkhead,bh-hire-41207-2026-12-01-first-week under " + parent,
		"Sub-task: Introduce to the team: Zoë Kask bulkhead,bh-hire-41207-2026-12-01-welcome under " + parent,
	}
}

func TestAHireGetsItsIssuesOnce(t *testing.T) {
	t.Parallel()
	s, r := start(t)
	for range 2 { // two facts of one hire
		r.done("jira.onboard", newcomer())
	}
	if diff := cmp.Diff(wanted(), s.onboarding()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	var issue struct {
		Fields struct{ Description json.RawMessage }
	}
	s.jira(http.MethodGet, createPath+"/ONB-7", "", &issue)
	for _, line := range []string{"First day: 2026-12-01", "Position: Engineer", "Manager: Mara Lindqvist", "E-mail: zoe.kask@example.com"} {
		if !strings.Contains(string(issue.Fields.Description), line) {
			t.Errorf("the description lacks %q: %s", line, issue.Fields.Description)
		}
	}
	r.silent("Zoë", "Kask", "zoe.kask", "Mara", "Engineer")

	again := newcomer()
	again.HiredOn = "2028-01-10" // left, and came back
	r.done("jira.onboard", again)
	if n := len(s.onboarding()); n != 10 {
		t.Errorf("%d issues after the second hire, want 10", n)
	}
}

// Whatever happens at the nth issue, all of them are there in the end, and each one once.
func TestAnOnboardingThatWasCutOffGoesOn(t *testing.T) {
	t.Parallel()
	for name, trouble := range map[string]map[string]any{
		"the answer is lost":     {"mode": "lost_reply"},
		"the connection is lost": {"mode": "reset"},
		"Jira slips":             {"status": 500},
		"Jira is busy":           {"status": 429, "times": 3}, // as often as one call tries
	} {
		for nth := 1; nth <= 5; nth += 2 {
			t.Run(fmt.Sprintf("%s at issue %d", name, nth), func(t *testing.T) {
				t.Parallel()
				s := startSandbox(t)
				if nth > 1 { // the ones before are only late
					s.fault(map[string]any{"method": "POST", "path": createPath, "latency_ms": 1, "times": nth - 1})
				}
				rule := map[string]any{"method": "POST", "path": createPath}
				maps.Copy(rule, trouble)
				s.fault(rule)
				var clock atomic.Int64
				r := startPlugin(t, &plugin{now: func() time.Time { return time.Unix(clock.Load(), 0) }}, s.settings)
				if attempts := r.untilDone(&clock); attempts < 2 {
					t.Error("nothing went wrong")
				}
				if diff := cmp.Diff(wanted(), s.onboarding()); diff != "" {
					t.Errorf("-want +got:\n%s", diff)
				}
			})
		}
	}
}

// untilDone attempts one onboarding until it is done, each time when it was asked to, and returns the attempts.
func (r *running) untilDone(clock *atomic.Int64) int {
	r.t.Helper()
	for attempt := 1; attempt <= 5; attempt++ {
		result := r.do(plugintest.Job{Type: "jira.onboard", ID: "jira-1", Attempt: attempt, Payload: newcomer()})
		if result.Kind == plugintest.Done {
			return attempt
		}
		if result.Kind == plugintest.Rejected {
			r.t.Fatalf("attempt %d: %+v", attempt, result)
		}
		clock.Add(int64(result.After / time.Second))
	}
	r.t.Fatal("the onboarding does not end")
	return 0
}

// A process that dies between the issue and its note of it leaves an issue that only Jira knows.
func TestAnIssueThatWasNotNotedIsFoundByItsLabel(t *testing.T) {
	t.Parallel()
	for nth := 1; nth <= 5; nth += 2 {
		t.Run(fmt.Sprintf("issue %d", nth), func(t *testing.T) {
			t.Parallel()
			s, r := start(t)
			commits := 0
			r.Host.Refuse(func(method string) error {
				if method == "CommitState" {
					commits++ // an intent, and then what came of it
				}
				if commits == 2*nth {
					return status.Error(codes.Unavailable, "gone")
				}
				return nil
			})
			job := plugintest.Job{Type: "jira.onboard", ID: "jira-1", Payload: newcomer()}
			if result := r.do(job); result.Kind != plugintest.Retried || result.Fault != "host" {
				t.Errorf("first attempt: %+v, want it back by the host's fault", result)
			}
			r.Host.Refuse(nil)
			if result := r.do(job); result.Kind != plugintest.Done {
				t.Errorf("second attempt: %+v", result)
			}
			if diff := cmp.Diff(wanted(), s.onboarding()); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// lagging is a Jira in German whose search finds what was made at the second time of asking.
type lagging struct {
	http.Handler
	mu    sync.Mutex
	made  []map[string]any // the fields
	asked int
	lose  bool // the answer of the next issue
}

func newLagging() *lagging {
	l := &lagging{lose: true}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /rest/api/3/issue/createmeta/ONB/issuetypes", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"issueTypes":[{"id":"1","name":"Epos","subtask":false,"hierarchyLevel":1},
			{"id":"2","name":"Unteraufgabe","subtask":true,"hierarchyLevel":-1},{"id":"3","name":"Aufgabe","subtask":false,"hierarchyLevel":0},
			{"id":"4","name":"Fehler","subtask":false,"hierarchyLevel":0},{"id":"5","name":"Unterfehler","subtask":true,"hierarchyLevel":-1}]}`)
	})
	mux.HandleFunc("POST /rest/api/3/search/jql", func(w http.ResponseWriter, _ *http.Request) {
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.asked++; l.asked < 2 {
			_, _ = io.WriteString(w, `{"issues":[],"isLast":true}`)
			return
		}
		_, _ = io.WriteString(w, `{"issues":[{"id":"1","key":"ONB-1"}],"isLast":true}`)
	})
	mux.HandleFunc("POST /rest/api/3/issue", func(w http.ResponseWriter, r *http.Request) {
		var in struct {
			Fields map[string]any `json:"fields"`
		}
		if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		l.mu.Lock()
		defer l.mu.Unlock()
		l.made = append(l.made, in.Fields)
		if l.lose {
			l.lose = false
			w.WriteHeader(http.StatusGatewayTimeout)
			return
		}
		w.WriteHeader(http.StatusCreated)
		_, _ = fmt.Fprintf(w, `{"key":"ONB-%d"}`, len(l.made))
	})
	l.Handler = mux
	return l
}

func TestASearchThatLagsMakesNoSecondIssue(t *testing.T) {
	t.Parallel()
	lag := newLagging()
	jira := httptest.NewServer(lag)
	defer jira.Close()
	var clock atomic.Int64
	r := startPlugin(t, &plugin{now: func() time.Time { return time.Unix(clock.Load(), 0) }}, map[string]any{
		"base_url": jira.URL, "email": "a@example.com", "api_token": "token", "webhook_secret": "s", "project_key": "ONB",
	})
	job := plugintest.Job{Type: "jira.onboard", ID: "jira-1", Payload: newcomer()}
	if result := r.do(job); result.Kind != plugintest.Retried || result.Free {
		t.Fatalf("first attempt: %+v, want another", result)
	}
	if result := r.do(job); result.Kind != plugintest.Retried || !result.Free || result.After != searchLag {
		t.Fatalf("second attempt: %+v, want the search to get its time", result)
	}
	clock.Add(int64(searchLag / time.Second))
	if result := r.do(job); result.Kind != plugintest.Done {
		t.Fatalf("third attempt: %+v", result)
	}
	lag.mu.Lock()
	defer lag.mu.Unlock()
	var types []any
	for _, fields := range lag.made {
		kind, _ := fields["issuetype"].(map[string]any)
		types = append(types, kind["id"])
	}
	if diff := cmp.Diff([]any{"3", "2", "2", "2", "2"}, types); diff != "" {
		t.Errorf("types of the issues, by the project's own ids, -want +got:\n%s", diff)
	}
}

func TestTypesThatCannotBeReadAreTheUsualOnes(t *testing.T) {
	t.Parallel()
	s, r := start(t)
	s.fault(map[string]any{"path": "/rest/api/3/issue/createmeta", "status": 404})
	r.done("jira.onboard", newcomer())
	if diff := cmp.Diff(wanted(), s.onboarding()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestAProjectThatIsNotThereIsSaid(t *testing.T) {
	t.Parallel()
	s := startSandbox(t)
	s.settings["project_key"] = "NONE"
	r := startPlugin(t, &plugin{now: time.Now}, s.settings)
	result := r.do(plugintest.Job{Type: "jira.onboard", Payload: newcomer()})
	if result.Kind != plugintest.Rejected || !strings.Contains(result.Reason, "project") {
		t.Errorf("%+v, want it rejected with Jira's words", result)
	}
}

// A project may get other types while the plugin runs: they are asked for anew after a refusal.
func TestTypesAreForgottenAfterARefusal(t *testing.T) {
	t.Parallel()
	s := startSandbox(t)
	var clock atomic.Int64
	r := startPlugin(t, &plugin{now: func() time.Time { return time.Unix(clock.Load(), 0) }}, s.settings)
	s.fault(map[string]any{"method": "POST", "path": createPath, "status": 400})
	if result := r.do(plugintest.Job{Type: "jira.onboard", ID: "jira-1", Payload: newcomer()}); result.Kind != plugintest.Rejected {
		t.Errorf("%+v, want it rejected", result)
	}
	r.untilDone(&clock) // the dead letter, replayed
	asked := 0
	for _, call := range s.calls() {
		if strings.Contains(call.Path, "createmeta") {
			asked++
		}
	}
	if asked < 2 {
		t.Errorf("asked %d times for the types, want a second time after the refusal", asked)
	}
}

func TestNamesThatAreNoSummaries(t *testing.T) {
	t.Parallel()
	s, r := start(t)
	in := newcomer()
	in.FullName = "Zoë\nKask " + strings.Repeat("ä", 300)
	r.done("jira.onboard", in)
	for _, line := range s.onboarding() {
		_, summary, _ := strings.Cut(line, ": ")
		summary, _, _ = strings.Cut(summary, " bulkhead,")
		if n := len([]rune(summary)); n != 255 || !strings.Contains(summary, ": Zoë Kask ä") {
			t.Errorf("a summary of %d characters: %s", n, summary)
		}
	}
}
