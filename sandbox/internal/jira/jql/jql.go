// Package jql reads the part of Jira's query language that integrations use, and asks records whether they match.
//
// Clauses: field operator value, with = != ~ !~ > >= < <= in, not in, is [not] EMPTY; AND, OR, NOT and parentheses;
// ORDER BY. Field names are Jira's; issue.property[KEY].PATH reads an entity property.
package jql

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Error says what is wrong with a query, in Jira's manner.
type Error struct{ Message string }

func (e *Error) Error() string { return e.Message }

func faultf(format string, args ...any) error { return &Error{fmt.Sprintf(format, args...)} }

// Record is what a query is asked of. Field names come in lower case, aliases resolved.
type Record interface {
	Values(field string) []string       // the values of a field, ids and names alike; none is EMPTY
	Text(field string) string           // the words that ~ looks through
	Time(field string) time.Time        // created, updated, duedate
	Property(key, path string) []string // what stands at the path of an entity property
}

// Order is one field of ORDER BY.
type Order struct {
	Field string
	Desc  bool
}

// Query is a parsed query.
type Query struct {
	Order []Order
	where node // nil: no restriction
	terms []*Term
}

// Term is one clause as it was written: Field in lower case, aliases resolved; Values without quotes.
type Term struct {
	Field, Op string
	Values    []string
	key, path string // of issue.property[key].path
	at        time.Time
}

// Bounded says whether the query restricts anything at all, which the enhanced search asks for.
func (q *Query) Bounded() bool { return q.where != nil }

// Terms answers all clauses.
func (q *Query) Terms() []*Term { return q.terms }

// Match says whether r is among those the query looks for.
func (q *Query) Match(r Record) bool { return q.where == nil || q.where.match(r) }

type node interface{ match(Record) bool }

type (
	and []node
	or  []node
	not struct{ node }
)

func (a and) match(r Record) bool {
	return !slices.ContainsFunc(a, func(n node) bool { return !n.match(r) })
}
func (o or) match(r Record) bool {
	return slices.ContainsFunc(o, func(n node) bool { return n.match(r) })
}
func (n not) match(r Record) bool { return !n.node.match(r) }

func (t *Term) match(r Record) bool {
	switch t.Op {
	case "~":
		return contains(r.Text(t.Field), t.Values[0])
	case "!~":
		return !contains(r.Text(t.Field), t.Values[0])
	case ">", ">=", "<", "<=":
		return t.compare(r.Time(t.Field))
	}
	has := r.Values(t.Field)
	if t.key != "" {
		has = r.Property(t.key, t.path)
	}
	switch t.Op {
	case "is":
		return len(has) == 0
	case "is not":
		return len(has) > 0
	}
	common := slices.ContainsFunc(has, func(h string) bool {
		return slices.ContainsFunc(t.Values, func(v string) bool { return strings.EqualFold(h, v) })
	})
	if t.Op == "=" || t.Op == "in" {
		return common
	}
	return len(has) > 0 && !common // != and not in leave out what is empty, as Jira does
}

func (t *Term) compare(at time.Time) bool {
	if at.IsZero() {
		return false
	}
	switch c := at.Compare(t.at); t.Op {
	case ">":
		return c > 0
	case ">=":
		return c >= 0
	case "<":
		return c < 0
	default:
		return c <= 0
	}
}

// contains looks for the words of what in text: all of them in any order, a trailing * takes any ending, and a phrase
// in (escaped) quotes has to stand as it is.
func contains(text, what string) bool {
	text = strings.ToLower(text)
	what = strings.ToLower(strings.TrimSpace(what))
	if len(what) > 1 && what[0] == '"' && what[len(what)-1] == '"' {
		return strings.Contains(text, what[1:len(what)-1])
	}
	has := words(text)
	for _, w := range words(what) {
		start, open := strings.CutSuffix(w, "*")
		if !slices.ContainsFunc(has, func(h string) bool { return h == w || (open && strings.HasPrefix(h, start)) }) {
			return false
		}
	}
	return what != ""
}

func words(s string) []string {
	return strings.FieldsFunc(s, func(r rune) bool {
		return r <= ' ' || strings.ContainsRune(`.,;:!?()[]{}"'/\-–`, r)
	})
}
