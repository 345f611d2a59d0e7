package main

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"bulkhead.dev/sdk"
	"bulkhead.dev/sdk/rest"
)

// longestLeave is how far back a leave may have begun that still lasts: the API can't be asked for an overlap, only for
// leaves that lie inside a window.
const longestLeave = 400 * 24 * time.Hour

// question is the body of who-is-out.
type question struct {
	Date string `json:"date,omitempty" description:"The day, YYYY-MM-DD; today when absent."`
}

// absence is one person who is out.
type absence struct {
	EmployeeID string `json:"employee_id"`
	Name       string `json:"name"`
	// Type is left out where the company keeps it private.
	Type  string `json:"type,omitempty"`
	From  string `json:"from"`
	Until string `json:"until"`
	// Part is "half" when the person is out for a part of the day.
	Part string `json:"part,omitempty"`
}

// absences is the answer of who-is-out.
type absences struct {
	Date string    `json:"date"`
	Out  []absence `json:"out"`
}

// leave is a leave request as the API lists it (GET /leave_requests).
type leave struct {
	ID         int64  `json:"id"`
	EmployeeID int64  `json:"employee_id"`
	State      string `json:"state"`
	StartsOn   string `json:"starts_on"`
	EndsOn     string `json:"ends_on"`
	Employee   *struct {
		FirstName string `json:"first_name"`
		LastName  string `json:"last_name"`
	} `json:"employee"`
	LeaveType json.RawMessage `json:"leave_type"`
	Policy    *struct {
		Visibility   string `json:"visibility"`
		ActivityType string `json:"activity_type"`
	} `json:"leave_type_policy"`
	Entries []struct {
		Date   string          `json:"date"`
		Amount json.RawMessage `json:"amount"`
	} `json:"entries"`
}

// whoIsOut lists approved absences on one day.
func (p *plugin) whoIsOut(ctx context.Context, _ *sdk.Job, q question) (absences, error) {
	day := p.now().In(p.zone)
	if q.Date != "" {
		parsed, err := time.Parse(time.DateOnly, q.Date)
		if err != nil {
			return absences{}, sdk.Reject(fmt.Errorf("date must be YYYY-MM-DD, not %q", q.Date))
		}
		day = parsed
	}
	out := absences{Date: day.Format(time.DateOnly), Out: []absence{}}
	for l, err := range p.leaves(ctx, day.Add(-longestLeave)) {
		if err != nil {
			return absences{}, err
		}
		if part, is := l.on(out.Date); is {
			out.Out = append(out.Out, l.absence(part))
		}
	}
	slices.SortFunc(out.Out, func(a, b absence) int { return strings.Compare(a.Name+a.EmployeeID, b.Name+b.EmployeeID) })
	return out, nil
}

// leaves lists approved leaves that began at from or later.
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
	for _, entry := range l.Entries {
		if entry.Date != day {
			continue
		}
		switch amount := number(entry.Amount); {
		case amount <= 0:
			return "", false // a weekend or holiday inside the leave
		case amount < 1:
			return "half", true
		}
	}
	return "", true
}

func (l leave) absence(part string) absence {
	a := absence{EmployeeID: strconv.FormatInt(l.EmployeeID, 10), From: l.StartsOn, Until: l.EndsOn, Part: part}
	if l.Employee != nil {
		a.Name = strings.TrimSpace(l.Employee.FirstName + " " + l.Employee.LastName)
	}
	// Only a type that is said to be public is shown: sick leave is nobody's business.
	if l.Policy != nil && l.Policy.Visibility == "public" {
		var name string
		if json.Unmarshal(l.LeaveType, &name) == nil {
			a.Type = name
		}
	}
	return a
}

// number reads an amount that comes as a number or as text; anything else is a whole day.
func number(raw json.RawMessage) float64 {
	n, err := strconv.ParseFloat(strings.Trim(string(raw), `"`), 64)
	if err != nil {
		return 1
	}
	return n
}
