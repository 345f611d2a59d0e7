package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"bulkhead.dev/sdk/plugintest"

	"github.com/google/go-cmp/cmp"
)

const eventJob = "pipedrive.event"

// v2Deal is a delivery of version 2 about the seeded deal 4107; more are members of data that take the place of the usual ones.
func v2Deal(action, previous, more string) json.RawMessage {
	data := with(`{"id":4107,"title":"Warehouse scanners","status":"won","value":11800.50,"currency":"EUR","owner_id":15010021,"person_id":2210,
		"org_id":902,"label_ids":[31],"visible_to":"3","won_time":"2026-11-12T15:02:09Z","probability":null,
		"custom_fields":{"18b23f":{"type":"enum","id":44},"7341":null}}`, more)
	return fmt.Appendf(nil, `{"data":%s,"previous":%s,"meta":{"action":%q,"entity":"deal","entity_id":"4107","company_id":"7301144","id":"f1260ebc",
		"timestamp":"2026-11-12T15:02:09.874Z","version":"2.0","attempt":1,"permitted_user_ids":["15010001"]}}`, data, previous, action)
}

// with is a JSON object with members of another in the place of its own.
func with(object, more string) string {
	members := map[string]json.RawMessage{}
	for _, text := range []string{object, "{" + more + "}"} {
		if err := json.Unmarshal([]byte(text), &members); err != nil {
			panic(err) // both stand in this file
		}
	}
	merged, err := json.Marshal(members)
	if err != nil {
		panic(err)
	}
	return string(merged)
}

// v1Deal is the same in version 1, where previous is the whole deal.
func v1Deal(action, before, now string) json.RawMessage {
	deal := func(status, wonTime string) string {
		return fmt.Sprintf(`{"id":4107,"user_id":15010021,"person_id":2210,"org_id":902,"title":"Warehouse scanners","value":11800.5,"currency":"EUR",
			"status":%q,"won_time":%s,"person_name":"Contact One","org_name":"Sample Ltd","owner_name":"Owner Two","label":"31","18b23f":"44"}`, status, wonTime)
	}
	previous := "null"
	if before != "" {
		previous = deal(before, "null")
	}
	return fmt.Appendf(nil, `{"v":1,"meta":{"v":1,"action":%q,"object":"deal","id":4107,"company_id":7301144,"timestamp":1794495729,
		"timestamp_micro":1794495729874100,"permitted_user_ids":["*"]},"current":%s,"previous":%s,"event":"updated.deal","retry":0}`,
		action, deal(now, `"2026-11-12 15:02:09"`), previous)
}

// told runs a delivery and returns its fact; nil if there is none.
func (r *running) told(event json.RawMessage) *won {
	r.t.Helper()
	emits := r.done(eventJob, event).Emits
	if len(emits) == 0 {
		return nil
	}
	var fact won
	if err := json.Unmarshal(emits[0].Data, &fact); err != nil || len(emits) > 1 || emits[0].Type != factWon || emits[0].Subject != fact.DealID ||
		emits[0].Key != "won:"+fact.DealID+":"+fact.WonTime {
		r.t.Fatalf("facts %+v, error %v", emits, err)
	}
	return &fact
}

func TestAWonDealIsToldWithItsNames(t *testing.T) {
	t.Parallel()
	s := startSandbox(t)
	r := startPlugin(t, &plugin{}, s.settings)
	want := &won{
		DealID: "4107", Title: "Warehouse scanners", Value: "11800.50", Currency: "EUR", WonTime: "2026-11-12T15:02:09Z",
		Owner: "Ines Duarte", OwnerEmail: "ines.duarte@northlight.example", Person: "Piotr Zielinski", Organization: "Baltic Freight",
	}
	if diff := cmp.Diff(want, r.told(v2Deal("change", `{"status":"open","won_time":null}`, ""))); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	r.silent("Ines", "Piotr", "Baltic", "ines.duarte", "11800", "Warehouse")

	// Version 1 brings the names along. Its time is the same one.
	calls := len(s.calls())
	want = &won{
		DealID: "4107", Title: "Warehouse scanners", Value: "11800.5", Currency: "EUR", WonTime: "2026-11-12T15:02:09Z",
		Owner: "Owner Two", Person: "Contact One", Organization: "Sample Ltd",
	}
	if diff := cmp.Diff(want, r.told(v1Deal("updated", "open", "won"))); diff != "" {
		t.Errorf("version 1, -want +got:\n%s", diff)
	}
	if more := s.calls()[calls:]; len(more) != 0 {
		t.Errorf("version 1 led to calls: %+v", more)
	}
	if changes := s.changes(); len(changes) != 0 {
		t.Errorf("changes at Pipedrive: %+v", changes)
	}
}

func TestWhetherADealWasWon(t *testing.T) {
	t.Parallel()
	s := startSandbox(t)
	r := startPlugin(t, &plugin{}, s.settings)
	for name, tc := range map[string]struct {
		event json.RawMessage
		won   bool
	}{
		"open to won":                  {v2Deal("change", `{"status":"open"}`, ""), true},
		"lost to won":                  {v2Deal("change", `{"status":"lost","lost_reason":"Budget"}`, ""), true},
		"made as won":                  {v2Deal("create", `null`, ""), true},
		"another field of a won deal":  {v2Deal("change", `{"title":"Scanners"}`, ""), false},
		"a custom field of a won deal": {v2Deal("change", `{"custom_fields":{"18b23f":null}}`, ""), false},
		"nothing that is said":         {v2Deal("change", `{}`, ""), false},
		"won to open":                  {v2Deal("change", `{"status":"won"}`, `"status":"open","won_time":null`), false},
		"another move of an open deal": {v2Deal("change", `{"stage_id":17}`, `"status":"open"`), false},
		"deleted":                      {json.RawMessage(`{"data":null,"previous":{"id":4107,"status":"won"},"meta":{"action":"delete","entity":"deal"}}`), false},
		"a lead":                       {json.RawMessage(`{"data":{"id":"6b1f","status":"won"},"previous":null,"meta":{"action":"create","entity":"lead"}}`), false},
		"v1: open to won":              {v1Deal("updated", "open", "won"), true},
		"v1: made as won":              {v1Deal("added", "", "won"), true},
		"v1: another field":            {v1Deal("updated", "won", "won"), false},
		"v1: won to open":              {v1Deal("updated", "won", "open"), false},
		"v1: deleted":                  {json.RawMessage(`{"v":1,"meta":{"action":"deleted","object":"deal"},"current":null,"previous":{"status":"won"}}`), false},
		"v1: users come in lists":      {json.RawMessage(`{"v":1,"meta":{"action":"updated","object":"user"},"current":[{"id":1}],"previous":[{"id":1}]}`), false},
	} {
		if fact := r.told(tc.event); (fact != nil) != tc.won {
			t.Errorf("%s: %+v, want a win: %t", name, fact, tc.won)
		}
	}
}

func TestADealThatIsWonAgainIsAnotherWin(t *testing.T) {
	t.Parallel()
	s := startSandbox(t)
	r := startPlugin(t, &plugin{}, s.settings)
	first := r.told(v2Deal("change", `{"status":"open"}`, ""))
	again := r.told(v2Deal("change", `{"status":"open"}`, `"won_time":"2026-11-20T09:00:00Z","first_won_time":"2026-11-12T15:02:09Z"`))
	if first == nil || again == nil || first.WonTime == again.WonTime {
		t.Errorf("first %+v, again %+v; want two wins at two times", first, again)
	}
}

func TestAmountsAreTheirText(t *testing.T) {
	t.Parallel()
	s := startSandbox(t)
	r := startPlugin(t, &plugin{}, s.settings)
	for value, want := range map[string]string{
		"11800.50": "11800.50", "0.1": "0.1", "12345678901234567.89": "12345678901234567.89", "0": "0", "null": "", `"99.90"`: "99.90",
	} {
		if fact := r.told(v2Deal("change", `{"status":"open"}`, `"value":`+value)); fact == nil || fact.Value != want {
			t.Errorf("%s: %+v, want %q", value, fact, want)
		}
	}
}

func TestNamesThatAreMissingHoldNothingUp(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		more  string
		fault map[string]any
		want  [3]string
	}{
		"nobody is named":    {`"owner_id":null,"person_id":null,"org_id":null`, nil, [3]string{}},
		"ids as text":        {`"owner_id":"15010021","person_id":"2210","org_id":"902"`, nil, [3]string{"Ines Duarte", "Piotr Zielinski", "Baltic Freight"}},
		"gone":               {`"owner_id":1,"person_id":2,"org_id":3`, nil, [3]string{}},
		"hidden":             {"", map[string]any{"path": "/api/v2/persons", "status": 403}, [3]string{"Ines Duarte", "", "Baltic Freight"}},
		"gone for good":      {"", map[string]any{"path": "/api/v2/organizations", "status": 410}, [3]string{"Ines Duarte", "Piotr Zielinski", ""}},
		"a connection broke": {"", map[string]any{"path": "/api/v1/users", "mode": "reset"}, [3]string{"Ines Duarte", "Piotr Zielinski", "Baltic Freight"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := startSandbox(t)
			if tc.fault != nil {
				s.fault(tc.fault)
			}
			fact := startPlugin(t, &plugin{}, s.settings).told(v2Deal("change", `{"status":"open"}`, tc.more))
			if fact == nil {
				t.Fatal("the win is not told")
			}
			if got := [3]string{fact.Owner, fact.Person, fact.Organization}; got != tc.want {
				t.Errorf("names %q, want %q", got, tc.want)
			}
		})
	}
}

func TestRefusalsOfPipedrive(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		fault map[string]any
		want  plugintest.Result
	}{
		"too many calls":     {map[string]any{"status": 429, "retry_after": "120"}, plugintest.Result{Kind: plugintest.Retried, Fault: "vendor", Free: true, After: 2 * time.Minute}},
		"a bad token":        {map[string]any{"status": 401}, plugintest.Result{Kind: plugintest.Retried, Fault: "vendor"}},
		"an unpaid account":  {map[string]any{"status": 402}, plugintest.Result{Kind: plugintest.Retried, Fault: "vendor"}},
		"not understood":     {map[string]any{"status": 400}, plugintest.Result{Kind: plugintest.Rejected, Fault: "plugin"}},
		"down the whole try": {map[string]any{"status": 500, "times": 3}, plugintest.Result{Kind: plugintest.Retried, Fault: "vendor"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := startSandbox(t)
			tc.fault["path"] = "/api/v2/persons"
			s.fault(tc.fault)
			r := startPlugin(t, &plugin{}, s.settings)
			event := v2Deal("change", `{"status":"open"}`, "")
			got := r.do(plugintest.Job{Type: eventJob, Payload: event})
			got.Reason = ""
			if diff := cmp.Diff(&tc.want, got); diff != "" { // without a fact: it goes out with the success alone
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestEventsAreAccepted(t *testing.T) {
	t.Parallel()
	s := startSandbox(t)
	r := startPlugin(t, &plugin{}, s.settings)
	schema := r.schema(http.MethodPost, "events")
	events := samples(t, "v*.json")
	for name, body := range map[string]string{
		"note":         `{"data":{"id":5604,"content":"<p>x</p>"},"previous":{"content":"y"},"meta":{"action":"change","entity":"note","entity_id":"5604"}}`,
		"user":         `{"data":{"id":"15010021","active_flag":false},"previous":null,"meta":{"action":"change","entity":"user","timestamp":1794495729}}`,
		"phase":        `{"data":[1],"meta":{"action":"create","entity":"phase"}}`,
		"organization": `{"v":1,"meta":{"v":1,"action":"merged","object":"organization","id":902},"current":{"id":902},"previous":{"id":902},"event":"merged.organization"}`,
		"won":          string(v2Deal("change", `{"status":"open"}`, "")),
		"won, v1":      string(v1Deal("updated", "open", "won")),
	} {
		events[name] = json.RawMessage(body)
	}
	for name, body := range events {
		if !accepts(t, schema, body) {
			t.Errorf("%s is refused by the schema", name)
		}
		if fact := r.told(body); (fact != nil) != strings.Contains(name, "won") {
			t.Errorf("%s: fact %+v", name, fact)
		}
	}
	for _, body := range []string{`{}`, `{"meta":null}`, `{"meta":[]}`, `{"meta":{"action":7}}`, `{"data":{}}`} {
		if accepts(t, schema, []byte(body)) {
			t.Errorf("%s is accepted", body)
		}
	}
}

func TestADealWithoutItsFormIsRejected(t *testing.T) {
	t.Parallel()
	s := startSandbox(t)
	r := startPlugin(t, &plugin{}, s.settings)
	for name, event := range map[string]json.RawMessage{
		"no deal":     json.RawMessage(`{"data":"Warehouse","previous":{},"meta":{"action":"change","entity":"deal"}}`),
		"no id":       v2Deal("create", "null", `"id":null`),
		"no previous": v2Deal("change", `["Warehouse"]`, ""),
	} {
		result := r.do(plugintest.Job{Type: eventJob, Payload: event})
		if result.Kind != plugintest.Rejected || strings.Contains(result.Reason, "Warehouse") {
			t.Errorf("%s: %+v, want it rejected without its content", name, result)
		}
	}
}
