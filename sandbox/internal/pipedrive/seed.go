package pipedrive

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Ids that do not change between starts.
const (
	Company = 7301144
	OwnUser = 15010001 // the token's
	Ines    = 15010021
	WonDeal = 4107
)

// blank is a record of a kind with nothing in it yet.
func blank(singular string) record {
	switch singular {
	case "Deal":
		return record{"title": nil, "owner_id": nil, "person_id": nil, "org_id": nil, "stage_id": 18, "pipeline_id": 3, "value": 0, "currency": "EUR",
			"status": "open", "probability": nil, "lost_reason": nil, "visible_to": 3, "close_time": nil, "won_time": nil, "lost_time": nil,
			"expected_close_date": nil, "label_ids": []int{}, "origin": "API", "origin_id": nil, "channel": nil, "channel_id": nil, "is_archived": false,
			"archive_time": nil, "is_deleted": false, "custom_fields": map[string]any{}}
	case "Person":
		return record{"name": nil, "owner_id": nil, "org_id": nil, "emails": []any{}, "phones": []any{}, "label_ids": []int{}, "visible_to": 3,
			"picture_id": nil, "is_deleted": false, "custom_fields": map[string]any{}}
	case "Organization":
		return record{"name": nil, "owner_id": nil, "address": nil, "label_ids": []int{}, "visible_to": 3, "is_deleted": false, "custom_fields": map[string]any{}}
	}
	return record{"subject": "", "type": "task", "owner_id": nil, "deal_id": nil, "person_id": nil, "org_id": nil, "due_date": nil, "due_time": nil,
		"duration": nil, "busy": false, "done": false, "note": nil, "is_deleted": false}
}

func (s *Server) seed() {
	s.seedUsers()
	now := s.now().UTC()
	ago := func(hours int) string { return now.Add(-time.Duration(hours) * time.Hour).Format(time.RFC3339) }
	put := func(kind string, id, hours int, fields record) {
		row := blank(s.tables[kind].singular)
		if kind == "pipelines" || kind == "stages" {
			row = record{"is_deleted": false}
		}
		row["id"], row["add_time"], row["update_time"] = id, ago(hours), ago(hours/2)
		for k, v := range fields {
			row[k] = v
		}
		s.tables[kind].rows = append(s.tables[kind].rows, row)
	}
	put("pipelines", 3, 9000, record{"name": "Sales", "order_nr": 1, "is_deal_probability_enabled": true})
	for i, name := range []string{"Qualified", "Offer sent", "Negotiation"} {
		put("stages", 18+i, 9000, record{"name": name, "order_nr": i + 1, "pipeline_id": 3, "deal_probability": 20 + 30*i, "is_deal_rot_enabled": false, "days_to_rotten": nil})
	}
	for i, name := range []string{"Baltic Freight", "Harbour Foods", "Kestrel Optics", "Lumen Clinics", "Orchard Games"} {
		put("organizations", 902+i, 4000-i, record{"name": name, "owner_id": Ines, "address": map[string]any{"value": fmt.Sprintf("Harbour Road %d, Gdansk", 12+i)}})
	}
	for i, name := range []string{"Piotr Zielinski", "Hanna Virtanen", "Leo Marchetti", "Sofia Almeida", "Noah Brandt"} {
		mail := []string{"piotr@balticfreight.example", "hanna@harbourfoods.example", "leo@kestreloptics.example", "sofia@lumenclinics.example", "noah@orchardgames.example"}[i]
		first, last, _ := strings.Cut(name, " ")
		put("persons", 2210+i, 3900-i, record{"name": name, "first_name": first, "last_name": last, "owner_id": Ines, "org_id": 902 + i,
			"emails": []any{map[string]any{"value": mail, "primary": true, "label": "work"}},
			"phones": []any{map[string]any{"value": fmt.Sprintf("+48555010%d", i), "primary": true, "label": "work"}}})
	}
	for i, d := range []struct {
		title  string
		value  float64
		status string
	}{
		{"Warehouse scanners, phase 1", 11800.5, "won"}, {"Cold-chain sensors", 24000, "open"}, {"Lens inspection line", 56250, "open"},
		{"Reception tablets", 3900, "open"}, {"Controller test rig", 7400, "lost"}, {"Warehouse scanners, phase 2", 18300, "open"}, {"Service contract 2027", 9600, "open"},
	} {
		f := record{"title": d.title, "value": d.value, "status": d.status, "owner_id": []int{Ines, 15010033}[i%2], "creator_user_id": Ines,
			"person_id": 2210 + i%5, "org_id": 902 + i%5, "stage_id": 18 + i%3, "stage_change_time": ago(50 + i), "origin": "ManuallyCreated",
			"expected_close_date": now.AddDate(0, 1, i).Format(time.DateOnly)}
		if d.status != "open" {
			f[d.status+"_time"], f["close_time"], f["update_time"] = ago(1+i), ago(1+i), ago(1+i)
		}
		if d.status == "lost" {
			f["lost_reason"] = "Budget was cut"
		}
		put("deals", WonDeal+i, 900-i, f)
	}
}

// View is a deal as the page draws it.
type View struct {
	ID                                              int
	Title, Value, Status, Stage, Owner, Person, Org string
	Notes                                           int
}

// Views answers the newest deals, newest first, limit at most, and how many there are in all.
func (s *Server) Views(limit int) ([]View, int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	rows, views := s.tables["deals"].rows, []View{}
	for i := len(rows) - 1; i >= 0 && len(views) < limit; i-- {
		d := rows[i]
		if d["is_deleted"] == true {
			continue
		}
		v := View{ID: d.id(), Title: fmt.Sprint(d["title"]), Value: fmt.Sprintf("%v %v", d["value"], d["currency"]), Status: fmt.Sprint(d["status"]),
			Stage: s.nameOf("stages", d["stage_id"]), Person: s.nameOf("persons", d["person_id"]), Org: s.nameOf("organizations", d["org_id"])}
		if f, isNumber := d["value"].(float64); isNumber {
			v.Value = strconv.FormatFloat(f, 'f', 2, 64) + " " + fmt.Sprint(d["currency"])
		}
		for _, u := range s.users {
			if u["id"] == d["owner_id"] {
				v.Owner = fmt.Sprint(u["name"])
			}
		}
		for _, n := range s.notes {
			if n["deal_id"] == d["id"] {
				v.Notes++
			}
		}
		views = append(views, v)
	}
	return views, len(rows)
}

func (s *Server) nameOf(kind string, id any) string {
	for _, row := range s.tables[kind].rows {
		if row["id"] == id {
			return fmt.Sprint(row["name"])
		}
	}
	return ""
}
