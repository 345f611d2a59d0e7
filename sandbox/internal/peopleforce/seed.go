package peopleforce

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Ids that do not change between starts.
const (
	Ada  = 41207 // hired today
	Mara = 40011 // head of people

	count = 53 // more than one page
)

func departments() []named {
	return []named{{511, "People"}, {512, "Support"}, {513, "Engineering"}, {514, "Sales"}, {515, "Warehouse"}}
}

func positions() []named {
	return []named{{7041, "Head of People"}, {7044, "Support Engineer"}, {7045, "Software Engineer"}, {7046, "Account Manager"}, {7047, "Warehouse Lead"}}
}

func locations() []named { return []named{{930, "Tartu"}, {931, "Gdansk"}, {932, "Porto"}} }

// seed makes a company of 53 and its leave of a year. Dates count from today.
func (s *Server) seed() {
	now := s.now()
	today := time.Date(now.Year(), now.Month(), now.Day(), 0, 0, 0, 0, time.UTC)
	first := strings.Fields("Tomas Ines Oskar Jonas Lena Marta Piotr Sven Alma Bruno Clara Dario Elsa Felix Greta Hugo Ida Juri Karin Luca Mira Nils Olga Pavel Rosa")
	last := strings.Fields("Vesely Duarte Nowak Berg Saar Kask Wolski Holm Ferreira Costa")
	add := func(id int, given, family, status string, hired time.Time, dept int) {
		e := employee{id: id, number: fmt.Sprintf("NL-%04d", len(s.employees)+1), first: given, last: family, status: status, hired: hired, manager: Mara,
			gender: []string{"female", "male"}[len(s.employees)%2], position: positions()[dept], department: departments()[dept],
			location: locations()[id%3], kind: named{311, "Full-time"}, updated: now.Add(-time.Duration(len(s.employees)+1) * 7 * time.Hour)}
		e.email = strings.ToLower(given+"."+family) + "@northlight.example"
		s.employees = append(s.employees, e)
	}
	add(Mara, "Mara", "Lindqvist", "employed", today.AddDate(-4, -2, 0), 0)
	s.employees[0].manager = 0
	for i := range count - 2 {
		// Two lists whose lengths share no more than five: the pairs repeat after fifty, so the last one gets a third name.
		family := last[(i+i/50)%len(last)]
		add(40012+i, first[i%len(first)], family, "employed", today.AddDate(-1-i%4, -i%12, -i), 1+i%4)
	}
	for _, i := range []int{31, 44} {
		s.employees[i].status, s.employees[i].terminated = "terminated", today.AddDate(0, -i%5-1, 0)
	}
	s.employees[4].status, s.employees[4].hired = "probation", today.AddDate(0, 0, -8) // Jonas Berg
	add(Ada, "Ada", "Okafor", "probation", today, 1)
	s.employees[len(s.employees)-1].updated = now.Add(-time.Minute)
	s.seedLeaves(today)
}

func (s *Server) seedLeaves(today time.Time) {
	kinds := leaveTypes()
	add := func(who int, kind int, state string, from, days int, daily float64, comment string) {
		first := today.AddDate(0, 0, from)
		s.leaves = append(s.leaves, leave{employee: s.employees[who].id, kind: kinds[kind], state: state, first: first, last: first.AddDate(0, 0, days-1),
			daily: daily, comment: comment, updated: first.AddDate(0, 0, -10).Add(9 * time.Hour)})
	}
	for i := range 52 { // the past year, over long ago
		add(3+i%45, i%2, "approved", -330+6*i, 1+i%4, 1, "")
	}
	add(13, 2, "approved", -200, 365, 1, "")         // began long ago and goes on
	add(6, 0, "approved", -4, 10, 1, "Sailing")      // in the middle of it
	add(7, 1, "approved", -1, 3, 1, "")              // private
	add(8, 0, "approved", 0, 1, 0.5, "Dentist")      // half a day
	add(9, 3, "approved", 0, 2, 1, "")               // works from home: not an absence
	add(10, 0, "pending", 0, 3, 1, "")               // nobody has said yes
	add(11, 0, "rejected", -1, 4, 1, "")             // somebody has said no
	add(12, 0, "approved", 9, 12, 1, "Long planned") // not yet
	slices.SortStableFunc(s.leaves, func(a, b leave) int { return cmp.Or(a.first.Compare(b.first), cmp.Compare(a.employee, b.employee)) })
	for i := range s.leaves {
		s.leaves[i].id = 90001 + i
	}
}

// View is an employee as the page draws it.
type View struct {
	ID                                   int
	Name, Position, Department, Location string
	Since, Absence                       string
	New                                  bool
	Notes                                []string
}

// Views answers who is new, who has notes and who is away today, newest employees first, limit at most, and how many
// work here.
func (s *Server) Views(limit int) ([]View, int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now().UTC()
	views, total := []View{}, 0
	for i := len(s.employees) - 1; i >= 0; i-- {
		e := s.employees[i]
		if e.status == "terminated" {
			continue
		}
		total++
		v := View{ID: e.id, Name: e.name(), Position: e.position.Name, Department: e.department.Name, Location: e.location.Name,
			Since: e.hired.Format(time.DateOnly), New: e.status == "probation"}
		for _, n := range s.notes {
			if n.employee == e.id {
				v.Notes = append(v.Notes, n.body)
			}
		}
		for _, l := range s.leaves {
			if l.employee == e.id && l.state == "approved" && l.kind.activity != "working_paid" && !now.Before(l.first) && now.Before(l.last.AddDate(0, 0, 1)) {
				v.Absence = "out until " + l.last.Format(time.DateOnly)
			}
		}
		if len(views) < limit && (v.New || v.Absence != "" || len(v.Notes) > 0 || e.id == Mara) {
			views = append(views, v)
		}
	}
	return views, total
}
