package main

import (
	"cmp"
	"context"
	"encoding/json"
	"iter"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"bulkhead.dev/sdk"
	"bulkhead.dev/sdk/rest"
)

// question is the body, or the query, of who-is-out.
type question struct {
	Date string `json:"date,omitempty" jsonschema_description:"The day, YYYY-MM-DD; today when absent."`
}

// absence is one person who is out.
type absence struct {
	EmployeeID string `json:"employee_id"`
	Name       string `json:"name"`
	// Type is left out where the company keeps it private.
	Type  string `json:"type,omitempty"`
	From  string `json:"from"`
	Until string `json:"until"`
	// Part of the day: "half", or hours such as "4 h" where leave is counted so; empty: all of it.
	Part string `json:"part,omitempty"`
}

// absences is the answer of who-is-out.
type absences struct {
	Date string    `json:"date"`
	Out  []absence `json:"out"`
}

// leave is a leave request as the API lists it (GET /leave_requests).
type leave struct {
	ID         json.Number `json:"id"`
	EmployeeID json.Number `json:"employee_id"`
	State      string      `json:"state"`
	StartsOn   string      `json:"starts_on"`
	EndsOn     string      `json:"ends_on"`
	Unit       string      `json:"tracking_time_in"` // days or hours
	Employee   *struct {
		FirstName string `json:"first_name"`
		LastName  string `json:"last_name"`
	} `json:"employee"`
	LeaveType json.RawMessage `json:"leave_type"`
	Policy    *struct {
		Visibility   json.RawMessage `json:"visibility"` // a word here, a boolean elsewhere in the API
		ActivityType string          `json:"activity_type"`
	} `json:"leave_type_policy"`
	Entries []entry `json:"entries"`
}

// entry is one day of a leave.
type entry struct {
	Date   string          `json:"date"`
	Amount json.RawMessage `json:"amount"` // a number, or one in quotes
}

// whoIsOut lists approved absences on one day.
func (p *plugin) whoIsOut(ctx context.Context, _ *sdk.Job, q question) (*sdk.Response, error) {
	day := p.now().In(p.zone)
	if q.Date != "" {
		var err error
		if day, err = time.Parse(time.DateOnly, q.Date); err != nil {
			return respond(http.StatusBadRequest, map[string]string{"error": "date must be a day, written YYYY-MM-DD"})
		}
	}
	out := absences{Date: day.Format(time.DateOnly), Out: []absence{}}
	seen := map[json.Number]bool{}
	for l, err := range p.leaves(ctx, day.AddDate(0, 0, -p.longestLeave)) {
		if err != nil {
			return nil, err
		}
		part, is := l.on(out.Date)
		if is && !seen[l.ID] { // rows move to the next page when somebody adds one
			out.Out = append(out.Out, l.absence(part))
		}
		seen[l.ID] = true
	}
	slices.SortFunc(out.Out, func(a, b absence) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.EmployeeID, b.EmployeeID), cmp.Compare(a.From, b.From))
	})
	return respond(http.StatusOK, out)
}

// leaves lists approved leaves that began at from or later. The API can't be asked for those that overlap a day, only for
// those that lie inside a window; and nothing but all of its pages says who is out.
func (p *plugin) leaves(ctx context.Context, from time.Time) iter.Seq2[leave, error] {
	return rest.Numbered(ctx, func(ctx context.Context, page int) ([]leave, int, error) {
		var list struct {
			Data     []leave `json:"data"`
			Metadata struct {
				Pagination struct {
					Pages int `json:"pages"`
				} `json:"pagination"`
			} `json:"metadata"`
		}
		query := url.Values{"states[]": {"approved"}, "starts_on": {from.Format(time.DateOnly)}, "page": {strconv.Itoa(page)}}
		err := p.api.GetJSON(ctx, "/leave_requests", query, &list)
		return list.Data, list.Metadata.Pagination.Pages, err
	})
}

// on says whether the person is out on that day, and for which part of it. The state is looked at again because the API
// is known to pass over filters in silence. A working leave (home office, business trip) is no absence.
func (l leave) on(day string) (part string, is bool) {
	if l.State != "approved" || l.StartsOn > day || l.EndsOn < day {
		return "", false
	}
	if l.Policy != nil && strings.HasPrefix(l.Policy.ActivityType, "working") {
		return "", false
	}
	if len(l.Entries) == 0 {
		return "", true
	}
	at := slices.IndexFunc(l.Entries, func(e entry) bool { return e.Date == day })
	if at < 0 {
		return "", false // a weekend or holiday inside the leave, which costs nothing
	}
	amount, err := strconv.ParseFloat(strings.Trim(string(l.Entries[at].Amount), `"`), 64)
	switch {
	case err != nil: // not said
		return "", true
	case amount <= 0:
		return "", false // as above
	case l.Unit == "hours":
		return strconv.FormatFloat(amount, 'f', -1, 64) + " h", true
	case amount < 1:
		return "half", true
	}
	return "", true
}

func (l leave) absence(part string) absence {
	a := absence{EmployeeID: l.EmployeeID.String(), From: l.StartsOn, Until: l.EndsOn, Part: part}
	if l.Employee != nil {
		a.Name = strings.TrimSpace(l.Employee.FirstName + " " + l.Employee.LastName)
	}
	// Only a type that is said to be public is shown: sick leave is nobody's business.
	if l.Policy != nil && string(l.Policy.Visibility) == `"public"` {
		var name string
		if json.Unmarshal(l.LeaveType, &name) == nil {
			a.Type = name
		}
	}
	return a
}

func respond(status int, v any) (*sdk.Response, error) {
	body, err := json.Marshal(v)
	return &sdk.Response{Status: status, Body: body}, err
}
