package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"bulkhead.dev/sdk/plugintest"

	"github.com/google/go-cmp/cmp"
)

const ask = "peopleforce.who-is-out"

// answer is who is out on a day; empty: today.
func (r *running) answer(day string) absences {
	r.t.Helper()
	var got absences
	if err := r.done(ask, question{Date: day}).Decode(&got); err != nil {
		r.t.Fatal(err)
	}
	return got
}

func names(a absences) string {
	var all []string
	for _, out := range a.Out {
		line := out.Name
		if out.Type != "" {
			line += " (" + out.Type + ")"
		}
		if out.Part != "" {
			line += " " + out.Part
		}
		all = append(all, line)
	}
	return strings.Join(all, ", ")
}

func TestWhoIsOutReadsAllPages(t *testing.T) {
	t.Parallel()
	s := startSandbox(t)
	r := startPlugin(t, &plugin{now: time.Now}, s.settings)
	got := r.answer("")
	// Not: who works from home, and leaves that are pending, rejected or to come.
	const want = "Elsa Nowak (Parental leave), Marta Kask (Vacation), Piotr Wolski, Sven Holm (Vacation) half"
	if names(got) != want {
		t.Errorf("on %s: %s, want %s", got.Date, names(got), want)
	}
	if calls := s.calls(); len(calls) != 2 {
		t.Errorf("calls %+v, want one a page", calls)
	}
	r.silent("Elsa", "Kask", "Sick", "Dentist")
	// The same by GET, whose query comes as an object of texts.
	var queried absences
	result := r.done(ask+".get", json.RawMessage(`{"date":"`+got.Date+`"}`))
	if err := result.Decode(&queried); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(got, queried); diff != "" {
		t.Errorf("by GET, -post +get:\n%s", diff)
	}
	if got := r.answer("1990-01-01"); got.Date != "1990-01-01" || got.Out == nil || len(got.Out) != 0 {
		t.Errorf("long ago: %+v, want an empty list", got)
	}
}

// list is a PeopleForce that answers the same rows, whatever it is asked for, a page each.
func list(t *testing.T, pages ...string) (settings map[string]any, queries *[]string) {
	t.Helper()
	queries = new([]string)
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		*queries = append(*queries, r.URL.Query().Get("starts_on"))
		page, err := strconv.Atoi(r.URL.Query().Get("page"))
		if err != nil || page < 1 || page > len(pages) || r.URL.Path != "/leave_requests" {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		_, _ = fmt.Fprintf(w, `{"data":[%s],"metadata":{"pagination":{"page":%d,"pages":%d,"count":1,"items":1}}}`, pages[page-1], page, len(pages))
	}))
	t.Cleanup(api.Close)
	settings = offline()
	settings["base_url"] = api.URL
	return settings, queries
}

// row is an approved leave of somebody from Monday, 23 November 2026, until 2 December; more are members that take the
// place of the usual ones.
func row(id int, more string) string {
	members := map[string]json.RawMessage{}
	for _, text := range []string{fmt.Sprintf(`{"id":%d,"employee_id":%d,"employee":{"id":1,"first_name":"Ann","last_name":"%d","email":"a@example.com"},
		"leave_type_id":81,"leave_type":"Vacation","state":"approved","amount":8,"tracking_time_in":"days","starts_on":"2026-11-23","ends_on":"2026-12-02",
		"comment":"Sailing","entries":[],"leave_type_policy":{"name":"P","visibility":"public","activity_type":"not_working_paid"}}`, id, 40000+id, id),
		"{" + more + "}"} {
		if err := json.Unmarshal([]byte(text), &members); err != nil {
			panic(err) // all of it stands in this file
		}
	}
	merged, err := json.Marshal(members)
	if err != nil {
		panic(err)
	}
	return string(merged)
}

func TestWhoIsOut(t *testing.T) {
	t.Parallel()
	entries := func(unit string, list ...string) string {
		return `"tracking_time_in":"` + unit + `","entries":[{"date":"2026-11-24","amount":1},` + strings.Join(list, ",") + `]`
	}
	policy := func(visibility, activity string) string {
		return `"leave_type_policy":{"visibility":` + visibility + `,"activity_type":"` + activity + `"}`
	}
	for name, tc := range map[string]struct{ more, day, want string }{
		"in the middle":               {"", "2026-11-25", "Ann 1 (Vacation)"},
		"the first day":               {"", "2026-11-23", "Ann 1 (Vacation)"},
		"the last day":                {"", "2026-12-02", "Ann 1 (Vacation)"},
		"the day before":              {"", "2026-11-22", ""},
		"the day after":               {"", "2026-12-03", ""},
		"pending, the filter ignored": {`"state":"pending"`, "2026-11-25", ""},
		"withdrawn":                   {`"state":"withdrawn"`, "2026-11-25", ""},
		"a whole day":                 {entries("days", `{"date":"2026-11-25","amount":1}`), "2026-11-25", "Ann 1 (Vacation)"},
		"half a day":                  {entries("days", `{"date":"2026-11-25","amount":0.5}`), "2026-11-25", "Ann 1 (Vacation) half"},
		"half a day, in quotes":       {entries("days", `{"date":"2026-11-25","amount":"0.5"}`), "2026-11-25", "Ann 1 (Vacation) half"},
		"hours":                       {entries("hours", `{"date":"2026-11-25","amount":"2.50"}`), "2026-11-25", "Ann 1 (Vacation) 2.5 h"},
		"a weekend that costs 0":      {entries("days", `{"date":"2026-11-28","amount":"0.0"}`), "2026-11-28", ""},
		"a weekend left out":          {entries("days", `{"date":"2026-11-27","amount":1},{"date":"2026-11-30","amount":1}`), "2026-11-28", ""},
		"an amount that is not said":  {entries("days", `{"date":"2026-11-25","amount":null}`), "2026-11-25", "Ann 1 (Vacation)"},
		"no entries at all":           {`"entries":null`, "2026-11-25", "Ann 1 (Vacation)"},
		"private":                     {policy(`"private"`, "not_working_paid"), "2026-11-25", "Ann 1"},
		"visibility as a boolean":     {policy(`true`, "not_working_paid"), "2026-11-25", "Ann 1"},
		"no policy":                   {`"leave_type_policy":null`, "2026-11-25", "Ann 1"},
		"unpaid":                      {policy(`"public"`, "not_working_unpaid"), "2026-11-25", "Ann 1 (Vacation)"},
		"works from home":             {policy(`"public"`, "working_paid"), "2026-11-25", ""},
		"ids as text":                 {`"id":"1","employee_id":"40001"`, "2026-11-25", "Ann 1 (Vacation)"},
		"a type of another form":      {`"leave_type":{"id":81,"name":"Vacation"}`, "2026-11-25", "Ann 1"},
		"somebody without a name":     {`"employee":null`, "2026-11-25", " (Vacation)"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			settings, _ := list(t, row(1, tc.more))
			if got := names(startPlugin(t, &plugin{now: noon}, settings).answer(tc.day)); got != tc.want {
				t.Errorf("out: %q, want %q", got, tc.want)
			}
		})
	}
}

func TestWhoIsOutIsSortedAndSaysEachLeaveOnce(t *testing.T) {
	t.Parallel()
	// A row has moved to the next page; and somebody has two leaves on one day.
	settings, _ := list(t, row(2, "")+","+row(1, ""), row(1, "")+","+row(3, `"employee_id":40001,"employee":{"first_name":"Ann","last_name":"1"}`))
	got := startPlugin(t, &plugin{now: noon}, settings).answer("")
	if want := "Ann 1 (Vacation), Ann 1 (Vacation), Ann 2 (Vacation)"; names(got) != want {
		t.Errorf("out: %s, want %s", names(got), want)
	}
	for _, out := range got.Out {
		if out.From != "2026-11-23" || out.Until != "2026-12-02" || !strings.HasPrefix(out.EmployeeID, "4000") {
			t.Errorf("absence %+v", out)
		}
	}
}

func TestTodayIsThatOfTheTimeZone(t *testing.T) {
	t.Parallel()
	late := func() time.Time { return time.Date(2026, 12, 2, 22, 30, 0, 0, time.UTC) }
	for zone, want := range map[string]string{"UTC": "2026-12-02", "Europe/Tallinn": "2026-12-03", "America/New_York": "2026-12-02"} {
		settings, queries := list(t, row(1, ""))
		settings["timezone"], settings["longest_leave_days"] = zone, 100
		got := startPlugin(t, &plugin{now: late}, settings).answer("")
		if out := len(got.Out) == 1; got.Date != want || out != (want == "2026-12-02") {
			t.Errorf("%s: %+v, want %s", zone, got, want)
		}
		day, err := time.Parse(time.DateOnly, want)
		if err != nil {
			t.Fatal(err)
		}
		if from := day.AddDate(0, 0, -100).Format(time.DateOnly); len(*queries) != 1 || (*queries)[0] != from {
			t.Errorf("%s: asked for leaves from %v on, want %s", zone, *queries, from)
		}
	}
}

func TestADayThatIsNoneIsTheCallersFault(t *testing.T) {
	t.Parallel()
	r := startPlugin(t, &plugin{now: noon}, offline())
	for _, day := range []string{"today", "2026-02-30", "25.11.2026", "2026-11-25T00:00:00Z"} {
		if result := r.done(ask, question{Date: day}); result.Status != http.StatusBadRequest || !strings.Contains(string(result.Data), "YYYY-MM-DD") {
			t.Errorf("%s: %d %s, want 400", day, result.Status, result.Data)
		}
	}
	for method, bodies := range map[string]map[string]bool{
		http.MethodPost: {`{}`: true, `{"date":"2026-11-25"}`: true, `{"date":null}`: true, `{"date":7}`: false, `[]`: false},
		http.MethodGet:  {`{}`: true, `{"date":"2026-11-25"}`: true},
	} {
		schema := r.schema(method, "who-is-out")
		for body, want := range bodies {
			if got := accepts(t, schema, []byte(body)); got != want {
				t.Errorf("%s %s: accepted %t, want %t", method, body, got, want)
			}
		}
	}
}

func TestRefusalsOfPeopleForce(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		fault map[string]any
		want  plugintest.Result
	}{
		"too many calls":      {map[string]any{"status": 429, "retry_after": "120"}, plugintest.Result{Kind: plugintest.Retried, Fault: "vendor", Free: true, After: 2 * time.Minute}},
		"a bad key":           {map[string]any{"status": 401}, plugintest.Result{Kind: plugintest.Retried, Fault: "vendor"}},
		"no right":            {map[string]any{"status": 403}, plugintest.Result{Kind: plugintest.Retried, Fault: "vendor"}},
		"no such path":        {map[string]any{"status": 404}, plugintest.Result{Kind: plugintest.Rejected, Fault: "plugin"}},
		"a connection breaks": {map[string]any{"mode": "reset"}, plugintest.Result{Kind: plugintest.Done}}, // repeated inside the call
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := startSandbox(t)
			s.fault(tc.fault)
			got := startPlugin(t, &plugin{now: time.Now}, s.settings).do(plugintest.Job{Type: ask, Payload: question{}})
			got.Reason, got.Data, got.Status = "", nil, 0
			if diff := cmp.Diff(&tc.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// A list that passes over its page parameter would be read for ever.
func TestPagesThatDoNotEnd(t *testing.T) {
	t.Parallel()
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"data":[`+row(1, "")+`],"metadata":{"pagination":{"page":1,"pages":9}}}`)
	}))
	defer api.Close()
	settings := offline()
	settings["base_url"] = api.URL
	if result := startPlugin(t, &plugin{now: noon}, settings).do(plugintest.Job{Type: ask, Payload: question{}}); result.Kind == plugintest.Done {
		t.Errorf("%+v, want an end by an error", result)
	}
}
