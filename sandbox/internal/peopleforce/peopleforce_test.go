package peopleforce_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"bulkhead.dev/sandbox/internal/calltest"
	"bulkhead.dev/sandbox/internal/creds"
	"bulkhead.dev/sandbox/internal/fault"
	"bulkhead.dev/sandbox/internal/peopleforce"
)

func open(t *testing.T) calltest.Desk {
	t.Helper()
	now := func() time.Time { return time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC) }
	return calltest.Desk{T: t, Handler: peopleforce.New(creds.PeopleForce{APIKey: "key"}, now), Prefix: "/api/public/v3",
		Dress: func(r *http.Request) { r.Header.Set("X-Api-Key", "key") }}
}

func TestEmployees(t *testing.T) {
	t.Parallel()
	d := open(t)
	ada := d.Call("GET", fmt.Sprintf("/employees/%d", peopleforce.Ada), "", 200)
	calltest.Same(t, ada, "data.full_name", "Ada Okafor")
	calltest.Same(t, ada, "data.hired_on", "2026-11-24")
	calltest.Same(t, ada, "data.gender.name", "female")
	calltest.Same(t, ada, "data.reporting_to.first_name", "Mara")
	all := d.Call("GET", "/employees?status=all&page=2", "", 200)
	calltest.Same(t, all, "metadata.pagination.items", "53")
	calltest.Same(t, all, "metadata.pagination.pages", "2")
	calltest.Len(t, all, "data", 3)
	for query, want := range map[string]string{
		"": "51", "status=terminated": "2", "status=probation": "2", "emails[]=ada.okafor@northlight.example": "1", "ids[]=41207&ids[]=40011": "2",
		"hired_on[gte]=2026-11-20": "1", "hired_on[lte]=2026-11-20&status=probation": "1", "employee_numbers[]=NL-0053": "1", "updated_at[gte]=2026-11-24T11:00:00Z": "1",
	} {
		calltest.Same(t, d.Call("GET", "/employees?"+query, "", 200), "metadata.pagination.items", want)
	}
	calltest.Len(t, d.Call("GET", "/employees/terminated", "", 200), "data", 2)
	d.Call("GET", "/employees/1", "", 404)
	d.Call("GET", "/nothing", "", 404)
	for _, list := range []string{"departments", "positions", "divisions", "locations", "employment_types", "leave_types"} {
		if calltest.At(d.Call("GET", "/"+list, "", 200), "data.0.name") == "<nil>" {
			t.Errorf("%s is empty", list)
		}
	}
}

func TestNamesAndMailsAreUnique(t *testing.T) {
	t.Parallel()
	d, seen := open(t), map[string]bool{}
	for page := 1; page <= 2; page++ {
		rows := d.Call("GET", fmt.Sprintf("/employees?status=all&page=%d", page), "", 200)
		for i := 0; calltest.At(rows, fmt.Sprintf("data.%d", i)) != "<nil>"; i++ {
			for _, key := range []string{"email", "id"} {
				v := calltest.At(rows, fmt.Sprintf("data.%d.%s", i, key))
				if seen[v] {
					t.Errorf("%s comes twice", v)
				}
				seen[v] = true
			}
		}
	}
}

// Who is out today can be told from the entries alone, over all pages: half a day counts, work from home does not.
func TestLeaves(t *testing.T) {
	t.Parallel()
	d, out, last := open(t), map[string]string{}, ""
	for page := 1; page <= 2; page++ {
		rows := d.Call("GET", fmt.Sprintf("/leave_requests?states[]=approved&starts_on=2025-10-20&page=%d", page), "", 200)
		calltest.Same(t, rows, "metadata.pagination.pages", "2")
		for i := 0; calltest.At(rows, fmt.Sprintf("data.%d", i)) != "<nil>"; i++ {
			at := func(key string) string { return calltest.At(rows, fmt.Sprintf("data.%d.%s", i, key)) }
			if at("starts_on") < last {
				t.Errorf("leave of %s comes after %s", at("starts_on"), last)
			}
			last = at("starts_on")
			for j := 0; at(fmt.Sprintf("entries.%d", j)) != "<nil>"; j++ {
				if at(fmt.Sprintf("entries.%d.date", j)) == "2026-11-24" {
					out[at("leave_type")+" "+at(fmt.Sprintf("entries.%d.amount", j))] = at("leave_type_policy.activity_type")
				}
			}
		}
	}
	want := "map[Home office 1:working_paid Parental leave 1:not_working_unpaid Sick leave 1:not_working_paid Vacation 0.5:not_working_paid Vacation 1:not_working_paid]"
	if got := fmt.Sprint(out); got != want {
		t.Errorf("out today: %s", got)
	}
	calltest.Len(t, d.Call("GET", "/leave_requests?starts_on=2026-11-24&ends_on=2026-11-24", "", 200), "data", 1) // containment, not overlap
	calltest.Len(t, d.Call("GET", "/leave_requests/pending", "", 200), "data", 1)
	calltest.Same(t, d.Call("GET", "/leave_requests/90001", "", 200), "data.tracking_time_in", "days")
	d.Call("GET", "/leave_requests/1", "", 404)
	calltest.Len(t, d.Call("GET", fmt.Sprintf("/leave_requests?updated_at[gt]=%d", time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC).Unix()), "", 200), "data", 0)
}

func TestNotes(t *testing.T) {
	t.Parallel()
	d := open(t)
	calltest.Same(t, d.Call("POST", "/employees/41207/notes", `{"body":"Onboarding: ONB-7"}`, 201), "data.body", "Onboarding: ONB-7")
	calltest.Len(t, d.Call("GET", "/employees/41207/notes", "", 200), "data", 1)
	d.Call("POST", "/employees/41207/notes", `{}`, 400)
	d.Call("POST", "/employees/1/notes", `{"body":"x"}`, 404)
}

func TestWhoMayCall(t *testing.T) {
	t.Parallel()
	d := open(t)
	d.Dress = nil
	calltest.Same(t, d.Call("GET", "/employees", "", 401), "message", "Bad Credentials")
	w := httptest.NewRecorder()
	peopleforce.New(creds.PeopleForce{}, time.Now).Refuse(w, fault.Rule{Status: http.StatusTooManyRequests})
	if w.Code != http.StatusTooManyRequests || !strings.Contains(w.Body.String(), "Too Many Requests") {
		t.Errorf("429: %s", w.Body)
	}
}
