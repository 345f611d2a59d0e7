package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"bulkhead.dev/sdk"
)

// factHired says that somebody was hired.
const factHired = "peopleforce.employee.hired"

// event is a webhook's body. What data holds depends on the action, and actions that are not known here are none of our
// business, so only the action is demanded.
type event struct {
	Action string          `json:"action"`
	Data   json.RawMessage `json:"data,omitempty"`
}

// employee is the data of an employee_* event.
type employee struct {
	ID         int64 `json:"id"`
	Attributes struct {
		Number    string `json:"employee_number"`
		HiredOn   string `json:"hired_on"`
		FirstName string `json:"first_name"`
		LastName  string `json:"last_name"`
		Email     string `json:"email"`
	} `json:"attributes"`
	ReportingTo *struct {
		FullName string `json:"full_name"`
		Email    string `json:"email"`
	} `json:"reporting_to"`
	Position   *named `json:"position"`
	Department *named `json:"department"`
	Location   *named `json:"location"`
}

type named struct {
	Name string `json:"name"`
}

func (n *named) name() string {
	if n == nil {
		return ""
	}
	return n.Name
}

// hired is the fact's data. It carries what a colleague may know, and nothing else of the record.
type hired struct {
	EmployeeID   string `json:"employee_id"`
	FullName     string `json:"full_name"`
	FirstName    string `json:"first_name,omitempty"`
	Email        string `json:"email,omitempty"`
	Position     string `json:"position,omitempty"`
	Department   string `json:"department,omitempty"`
	Location     string `json:"location,omitempty"`
	ManagerName  string `json:"manager_name,omitempty"`
	ManagerEmail string `json:"manager_email,omitempty"`
	HiredOn      string `json:"hired_on,omitempty"`
}

// onEvent turns a hire into a fact; all other events end here. Creation and first day are two events of one hire: their
// facts have the same content, and subscribers know the person by employee_id.
func (p *plugin) onEvent(_ context.Context, job *sdk.Job, in event) error {
	switch in.Action {
	case "employee_create", "employee_start":
	default:
		job.Log.Info("event of no interest here", "action", in.Action)
		return nil
	}
	var e employee
	if err := json.Unmarshal(in.Data, &e); err != nil {
		return sdk.Reject(fmt.Errorf("data of %s: %w", in.Action, err))
	}
	if e.ID == 0 {
		return sdk.Reject(fmt.Errorf("data of %s has no id", in.Action))
	}
	id := strconv.FormatInt(e.ID, 10)
	fact := hired{
		EmployeeID: id, FullName: strings.TrimSpace(e.Attributes.FirstName + " " + e.Attributes.LastName),
		FirstName: e.Attributes.FirstName, Email: strings.ToLower(e.Attributes.Email),
		Position: e.Position.name(), Department: e.Department.name(), Location: e.Location.name(), HiredOn: e.Attributes.HiredOn,
	}
	if e.ReportingTo != nil {
		fact.ManagerName, fact.ManagerEmail = e.ReportingTo.FullName, strings.ToLower(e.ReportingTo.Email)
	}
	job.Emit(factHired, fact, sdk.WithKey("hired:"+id+":"+fact.HiredOn), sdk.WithSubject(id))
	job.Log.Info("somebody was hired", "employee", id, "hired_on", fact.HiredOn)
	return nil
}
