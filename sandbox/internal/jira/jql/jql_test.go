package jql_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"bulkhead.dev/sandbox/internal/jira/jql"
)

type record map[string]string

func (r record) Values(field string) []string {
	if r[field] == "" {
		return nil
	}
	return strings.Split(r[field], ",")
}
func (r record) Text(field string) string { return r[field] }
func (r record) Time(field string) time.Time {
	at, _ := time.Parse(time.RFC3339, r[field])
	return at
}
func (r record) Property(key, path string) []string { return r.Values("prop:" + key + ":" + path) }

func now() time.Time { return time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC) }

func TestMatch(t *testing.T) {
	t.Parallel()
	it := record{
		"project": "ONB,Onboarding", "key": "ONB-3,10003", "labels": "onboarding,bh-41207", "status": "In Progress,10001",
		"summary": "Onboarding: Ada Okafor", "text": "Onboarding: Ada Okafor laptop-order", "updated": "2026-11-24T11:57:00Z",
		"prop:bulkhead:source": "41207",
	}
	for query, want := range map[string]bool{
		`project = ONB order by created`:               true,
		`project = "Onboarding" AND labels = bh-41207`: true,
		`project in (OPS, onb) and key in ("ONB-3")`:   true,
		`labels not in (onboarding)`:                   false,
		`labels != other`:                              true,
		`assignee != somebody`:                         false,
		`assignee is EMPTY`:                            true,
		`assignee = null`:                              true,
		`labels is not empty`:                          true,
		`text ~ "ada laptop"`:                          true,
		`text ~ "lapt*"`:                               true,
		`text ~ "lapt"`:                                false,
		`text ~ "\"Ada Okafor\""`:                      true,
		`text ~ "\"Okafor Ada\""`:                      false,
		`summary !~ zebra`:                             true,
		`updated >= -5m`:                               true,
		`updated > "2026-11-24 11:58"`:                 false,
		`updated <= 1800000000000`:                     true,
		`issue.property[bulkhead].source = "41207"`:    true,
		`issue.property["bulkhead"].source = 41208`:    false,
		`NOT project = OPS AND (key = ONB-9 OR status = "in progress")`: true,
		`project=OPS or project=ONB`:                                    true,
		`project = OPS OR project = ONB AND key = ONB-9`:                false,
		``: true,
	} {
		q, err := jql.Parse(query, now())
		if err != nil {
			t.Errorf("%s: %v", query, err)
			continue
		}
		if got := q.Match(it); got != want {
			t.Errorf("%s: %v, want %v", query, got, want)
		}
	}
}

func TestFaults(t *testing.T) {
	t.Parallel()
	for query, want := range map[string]string{
		`project`:                  "Expecting operator before the end",
		`project ONB`:              "Expecting operator but got 'ONB'",
		`project = `:               "before the end of the query",
		`colour = red`:             "Field 'colour' does not exist",
		`project ~ ONB`:            "not supported by the 'project' field",
		`summary = x`:              "not supported by the 'summary' field",
		`project = "ONB`:           "has not been completed",
		`project in ONB`:           "Expecting '('",
		`project in (ONB`:          "Expecting ','",
		`(project = ONB`:           "Expecting ')'",
		`project = ONB key = x`:    "Expecting either 'OR' or 'AND' but got 'key'",
		`updated > yesterday`:      "Date value 'yesterday' is invalid",
		`order by colour`:          "Not able to sort",
		`project is ONB`:           "does not go with",
		`labels > 3`:               "not supported by the 'labels' field",
		strings.Repeat("(", 200):   "nested too deep",
		strings.Repeat("x", 20000): "too long",
	} {
		_, err := jql.Parse(query, now())
		var fault *jql.Error
		if !errors.As(err, &fault) || !strings.Contains(fault.Message, want) {
			t.Errorf("%.40s: %v, want %q", query, err, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(`project = ONB AND (labels in (a, "b") OR NOT text ~ 'x') ORDER BY created DESC, key`)
	f.Add(`issue.property["a b"].c.d != "e" && updated >= -5m`)
	f.Fuzz(func(t *testing.T, s string) {
		q, err := jql.Parse(s, now())
		if err != nil {
			var fault *jql.Error
			if !errors.As(err, &fault) {
				t.Fatalf("%q: not an *Error: %v", s, err)
			}
			return
		}
		if !q.Bounded() && !q.Match(record{}) {
			t.Fatalf("%q: no restriction, and yet no match", s)
		}
		q.Match(record{"project": "ONB"})
	})
}
