package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
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
	ID         json.Number `json:"id"` // the vendor writes ids as numbers, and some as text
	Attributes struct {
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

// fact is what others are told of the hire.
func (e employee) fact() hired {
	a := e.Attributes
	fact := hired{
		EmployeeID: e.ID.String(), FirstName: a.FirstName, Email: strings.ToLower(a.Email), HiredOn: a.HiredOn,
		Position: e.Position.name(), Department: e.Department.name(), Location: e.Location.name(),
	}
	fact.FullName = cmp.Or(strings.TrimSpace(a.FirstName+" "+a.LastName), fact.Email, "Employee "+fact.EmployeeID)
	if e.ReportingTo != nil {
		fact.ManagerName, fact.ManagerEmail = e.ReportingTo.FullName, strings.ToLower(e.ReportingTo.Email)
	}
	return fact
}

// hire is kept of each hire that was told of, until the person leaves.
type hire struct {
	// Job told of it, and tells again when it is repeated: that it wrote this here does not mean that its fact went out.
	Job string `json:"job"`
}

// onEvent turns a hire into a fact, once: PeopleForce tells of it when the record is made, and again on the first day,
// which may have been put off meanwhile. After a termination the next one is a new hire. All other events end here.
func (p *plugin) onEvent(ctx context.Context, job *sdk.Job, in event) error {
	switch in.Action {
	case "employee_create", "employee_start", "employee_terminate":
	default:
		job.Log.Info("event of no interest here", "action", in.Action)
		return nil
	}
	var e employee
	if err := json.Unmarshal(in.Data, &e); err != nil {
		return sdk.Reject(fmt.Errorf("data of %s: %w", in.Action, err))
	}
	id := e.ID.String()
	if id == "" {
		return sdk.Reject(fmt.Errorf("data of %s has no id", in.Action))
	}
	if in.Action == "employee_terminate" {
		job.Log.Info("somebody leaves", "employee", id)
		return p.hires.Delete(ctx, id)
	}
	known, told, err := p.hires.Get(ctx, id)
	if err != nil {
		return err
	}
	if told && known.Job != job.ID {
		job.Log.Info("the hire is known", "employee", id, "action", in.Action)
		return nil
	}
	if err := p.hires.Put(ctx, id, hire{Job: job.ID}); err != nil {
		return err
	}
	fact := e.fact()
	job.Emit(factHired, fact, sdk.WithKey("hired:"+id+":"+fact.HiredOn), sdk.WithSubject(id))
	job.Log.Info("somebody was hired", "employee", id, "hired_on", fact.HiredOn)
	return nil
}
