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

// offline are settings of a plugin that calls nobody.
func offline() map[string]any {
	return map[string]any{"base_url": "http://127.0.0.1:1", "api_key": "key", "webhook_secret": "s"}
}

// employeeEvent is a webhook of PeopleForce; much is in it that is nobody's business.
func employeeEvent(action, hiredOn string) json.RawMessage {
	day := "null"
	if hiredOn != "" {
		day = `"` + hiredOn + `"`
	}
	return fmt.Appendf(nil, `{"action":%q,"data":{"id":41207,"attributes":{"employee_number":"NS-0107","hired_on":%s,"probation_ends_on":null,
		"first_name":"Zoë","last_name":"Kask","email":"Zoe.Kask@Example.com","personal_email":"zoe@private.example","gender":"female",
		"mobile_number":"+3725550110","date_of_birth":"1990-04-12","termination_comment":null},
		"reporting_to":{"id":40011,"full_name":"Mara Lindqvist","email":"Mara@Example.com"},"position":{"id":7044,"name":"Engineer"},
		"department":{"id":512,"name":"Platform"},"division":null,"location":{"id":930,"name":"Tartu"},
		"custom_fields":{"0d2f6c1e":{"name":"T-shirt size","value":"M","group":"Personal"}},
		"meta":{"created_at":"2026-11-10T09:30:11.204+02:00","updated_at":"2026-11-18T14:02:33.019+02:00"}}}`, action, day)
}

func TestAHireIsToldWithoutPrivateMatters(t *testing.T) {
	t.Parallel()
	r := startPlugin(t, &plugin{}, offline())
	emits := r.done("peopleforce.event", employeeEvent("employee_create", "2026-12-01")).Emits
	if len(emits) != 1 {
		t.Fatalf("facts %+v, want one", emits)
	}
	var data map[string]any
	if err := json.Unmarshal(emits[0].Data, &data); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"employee_id": "41207", "full_name": "Zoë Kask", "first_name": "Zoë", "email": "zoe.kask@example.com", "position": "Engineer",
		"department": "Platform", "location": "Tartu", "manager_name": "Mara Lindqvist", "manager_email": "mara@example.com", "hired_on": "2026-12-01",
	}
	if diff := cmp.Diff(want, data); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if e := emits[0]; e.Type != factHired || e.Subject != "41207" || e.Key != "hired:41207:2026-12-01" {
		t.Errorf("fact %+v", e)
	}
	r.silent("Zoë", "Kask", "xample.com", "Mara", "1990-04-12", "+372")
}

func TestAHireIsToldOnce(t *testing.T) {
	t.Parallel()
	type step struct{ job, action, day, told string } // told: the day of the fact, or "" for none
	for name, steps := range map[string][]step{
		"made and begun":      {{"a", "employee_create", "2026-12-01", "2026-12-01"}, {"b", "employee_start", "2026-12-01", ""}},
		"the creation missed": {{"b", "employee_start", "2026-12-01", "2026-12-01"}},
		"begun twice":         {{"b", "employee_start", "2026-12-01", "2026-12-01"}, {"c", "employee_start", "2026-12-01", ""}},
		"put off":             {{"a", "employee_create", "2026-12-01", "2026-12-01"}, {"b", "employee_start", "2027-01-10", ""}},
		// The job is repeated because its outcome was lost: so may be its fact.
		"repeated": {{"a", "employee_create", "2026-12-01", "2026-12-01"}, {"a", "employee_create", "2026-12-01", "2026-12-01"}},
		"hired again": {
			{"a", "employee_create", "2026-12-01", "2026-12-01"}, {"b", "employee_terminate", "2026-12-01", ""}, {"c", "employee_start", "2028-01-10", "2028-01-10"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := startPlugin(t, &plugin{}, offline())
			for i, step := range steps {
				result := r.do(plugintest.Job{Type: "peopleforce.event", ID: step.job, Payload: employeeEvent(step.action, step.day)})
				told := ""
				for _, emit := range result.Emits {
					var fact hired
					if err := json.Unmarshal(emit.Data, &fact); err != nil {
						t.Fatal(err)
					}
					told += fact.HiredOn
				}
				if result.Kind != plugintest.Done || told != step.told {
					t.Errorf("step %d: %s %s, told %q, want %q", i, result.Kind, result.Reason, told, step.told)
				}
			}
		})
	}
}

func TestRecordsThatLackMuch(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ data, id, fullName string }{
		"an id as text":     {`{"id":"41207","attributes":{"first_name":"Zoë","last_name":null,"email":null}}`, "41207", "Zoë"},
		"no name":           {`{"id":41207,"attributes":{"first_name":null,"last_name":"","email":"Zoe@Example.com"},"reporting_to":null,"position":null}`, "41207", "zoe@example.com"},
		"nothing but an id": {`{"id":41207}`, "41207", "Employee 41207"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := startPlugin(t, &plugin{}, offline())
			emits := r.done("peopleforce.event", json.RawMessage(`{"action":"employee_start","data":`+tc.data+`}`)).Emits
			var fact hired
			if len(emits) != 1 || json.Unmarshal(emits[0].Data, &fact) != nil || fact.EmployeeID != tc.id || fact.FullName != tc.fullName {
				t.Errorf("facts %+v, want %s of %s", emits, tc.fullName, tc.id)
			}
		})
	}
}

func TestDataWithoutItsFormIsRejected(t *testing.T) {
	t.Parallel()
	r := startPlugin(t, &plugin{}, offline())
	for _, data := range []string{`null`, `{}`, `{"id":{}}`, `[]`, `{"id":7,"attributes":"Zoë"}`} {
		result := r.do(plugintest.Job{Type: "peopleforce.event", Payload: json.RawMessage(`{"action":"employee_create","data":` + data + `}`)})
		if result.Kind != plugintest.Rejected || strings.Contains(result.Reason, "Zoë") {
			t.Errorf("%s: %+v, want it rejected without its content", data, result)
		}
	}
	if result := r.do(plugintest.Job{Type: "peopleforce.event", Payload: json.RawMessage(`{"action":"employee_create"}`)}); result.Kind != plugintest.Rejected {
		t.Errorf("no data: %+v, want it rejected", result)
	}
}

func TestEventsAreAccepted(t *testing.T) {
	t.Parallel()
	r := startPlugin(t, &plugin{}, offline())
	schema := r.schema(http.MethodPost, "events")
	events := samples(t, "[el]*_*.json") // not the signature's
	for name, body := range map[string]string{
		"leave":    `{"action":"leave_request_approve","data":{"id":660412,"attributes":{"employee_id":41002,"amount":"3.0"},"entries":[]}}`,
		"position": `{"action":"employee_position_update","data":{"id":"9","attributes":{"effective_on":"2026-12-01"},"employee":{"id":1}}}`,
		"vacancy":  `{"action":"vacancy_create","data":[1,2]}`,
		"bare":     `{"action":"employee_update"}`,
		"hire":     string(employeeEvent("employee_create", "")),
	} {
		events[name] = json.RawMessage(body)
	}
	for name, body := range events {
		if !accepts(t, schema, body) {
			t.Errorf("%s is refused by the schema", name)
		}
		r.done("peopleforce.event", body)
	}
	for _, body := range []string{`{}`, `{"action":null}`, `{"action":1}`, `{"data":{"id":1}}`, `[]`} {
		if accepts(t, schema, []byte(body)) {
			t.Errorf("%s is accepted", body)
		}
	}
}

func TestSettingsThatCannotBe(t *testing.T) {
	t.Parallel()
	for field, value := range map[string]any{
		"base_url": "http://app.peopleforce.io", "timezone": "Europe/Talinn", "longest_leave_days": 0, "calls_per_second": 0,
	} {
		settings := offline()
		settings[field] = value
		if got := faultOf(t, settings); got != field {
			t.Errorf("%s %v: the fault is of %q", field, value, got)
		}
	}
}

// noon is a clock that stands.
func noon() time.Time { return time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC) } // a Wednesday
