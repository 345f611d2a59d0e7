package jql

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	maxLength = 10_000
	maxDepth  = 50
)

// kinds says which operators a field takes: e equality, t text, d dates.
func kinds(field string) string {
	switch field {
	case "project", "key", "labels", "status", "statuscategory", "issuetype", "parent", "assignee", "reporter", "priority":
		return "e"
	case "summary", "description", "comment", "text":
		return "t"
	case "created", "updated", "duedate":
		return "d"
	case "issue.property":
		return "e"
	}
	return ""
}

func alias(field string) string {
	switch f := strings.ToLower(field); f {
	case "issuekey", "issue", "id":
		return "key"
	case "type":
		return "issuetype"
	case "label":
		return "labels"
	case "due":
		return "duedate"
	case "createddate":
		return "created"
	case "updateddate":
		return "updated"
	default:
		return f
	}
}

var propertyField = regexp.MustCompile(`^issue\.property\[["']?([^\]"']+)["']?\](?:\.(.+))?$`)

// Parse reads a query; now is what relative dates (-5m, -2d) count from. The error is an *Error.
func Parse(s string, now time.Time) (*Query, error) {
	if len(s) > maxLength {
		return nil, faultf("The JQL query is too long.")
	}
	toks, err := scan(s)
	if err != nil {
		return nil, err
	}
	p := &parser{toks: toks, now: now, q: &Query{}}
	if !p.done() && !p.isWords("order", "by") {
		if p.q.where, err = p.or(0); err != nil {
			return nil, err
		}
	}
	if err := p.order(); err != nil {
		return nil, err
	}
	if !p.done() {
		return nil, faultf("Error in the JQL Query: Expecting either 'OR' or 'AND' but got '%s'.", p.toks[p.at].text)
	}
	return p.q, nil
}

type parser struct {
	toks []token
	at   int
	now  time.Time
	q    *Query
}

func (p *parser) done() bool { return p.at >= len(p.toks) }

func (p *parser) isWords(words ...string) bool {
	for i, w := range words {
		if p.at+i >= len(p.toks) || p.toks[p.at+i].quoted || !strings.EqualFold(p.toks[p.at+i].text, w) {
			return false
		}
	}
	return true
}

func (p *parser) skip(words ...string) bool {
	if p.isWords(words...) {
		p.at += len(words)
		return true
	}
	return false
}

func (p *parser) next() (token, error) {
	if p.done() {
		return token{}, faultf("Error in the JQL Query: Expecting a value, field or operator before the end of the query.")
	}
	p.at++
	return p.toks[p.at-1], nil
}

func (p *parser) or(depth int) (node, error) {
	var all or
	for {
		n, err := p.and(depth)
		if err != nil {
			return nil, err
		}
		if all = append(all, n); !p.skip("or") && !p.skip("||") {
			return one(all[0], len(all), all), nil
		}
	}
}

func (p *parser) and(depth int) (node, error) {
	var all and
	for {
		n, err := p.not(depth)
		if err != nil {
			return nil, err
		}
		if all = append(all, n); !p.skip("and") && !p.skip("&&") {
			return one(all[0], len(all), all), nil
		}
	}
}

func one(first node, n int, all node) node {
	if n == 1 {
		return first
	}
	return all
}

func (p *parser) not(depth int) (node, error) {
	if depth > maxDepth {
		return nil, faultf("The JQL query is nested too deep.")
	}
	if p.skip("not") || p.skip("!") {
		n, err := p.not(depth + 1)
		return not{n}, err
	}
	if p.skip("(") {
		n, err := p.or(depth + 1)
		if err == nil && !p.skip(")") {
			err = faultf("Error in the JQL Query: Expecting ')' before the end of the query.")
		}
		return n, err
	}
	return p.term()
}

func (p *parser) term() (node, error) {
	name, err := p.next()
	if err != nil {
		return nil, err
	}
	t := &Term{Field: alias(name.text)}
	if m := propertyField.FindStringSubmatch(name.text); m != nil {
		t.Field, t.key, t.path = "issue.property", m[1], m[2]
	}
	kind := kinds(t.Field)
	if kind == "" || (t.Field == "issue.property" && t.key == "") {
		return nil, faultf("Field '%s' does not exist or you do not have permission to view it.", name.text)
	}
	if err := p.operator(t); err != nil {
		return nil, err
	}
	need := map[string]string{"~": "t", "!~": "t", ">": "d", ">=": "d", "<": "d", "<=": "d", "=": "e", "!=": "e", "in": "e", "not in": "e"}[t.Op]
	if need != "" && need != kind {
		return nil, faultf("The operator '%s' is not supported by the '%s' field.", t.Op, name.text)
	}
	if err := p.values(t); err != nil {
		return nil, err
	}
	if kind == "d" {
		if t.at, err = moment(t.Values[0], p.now); err != nil {
			return nil, err
		}
	}
	p.q.terms = append(p.q.terms, t)
	return t, nil
}

func (p *parser) operator(t *Term) error {
	for _, words := range [][]string{{"not", "in"}, {"in"}, {"is", "not"}, {"is"}, {"!="}, {"="}, {"!~"}, {"~"}, {">="}, {">"}, {"<="}, {"<"}} {
		if p.skip(words...) {
			t.Op = strings.Join(words, " ")
			return nil
		}
	}
	if p.done() {
		return faultf("Error in the JQL Query: Expecting operator before the end of the query. The valid operators are '=', '!=', '<', '>', '<=', '>=', '~', '!~', 'IN', 'NOT IN', 'IS' and 'IS NOT'.")
	}
	return faultf("Error in the JQL Query: Expecting operator but got '%s'. The valid operators are '=', '!=', '<', '>', '<=', '>=', '~', '!~', 'IN', 'NOT IN', 'IS' and 'IS NOT'.", p.toks[p.at].text)
}

func (p *parser) values(t *Term) error {
	list := t.Op == "in" || t.Op == "not in"
	if list && !p.skip("(") {
		return faultf("Error in the JQL Query: Expecting '(' after '%s'.", t.Op)
	}
	for {
		v, err := p.next()
		if err != nil {
			return err
		}
		if !v.quoted && slices.Contains([]string{"(", ")", ",", "=", "and", "or"}, strings.ToLower(v.text)) {
			return faultf("Error in the JQL Query: Expecting a value but got '%s'.", v.text)
		}
		if empty := !v.quoted && (strings.EqualFold(v.text, "empty") || strings.EqualFold(v.text, "null")); empty != strings.HasPrefix(t.Op, "is") {
			if empty && (t.Op == "=" || t.Op == "!=") { // Jira takes these for IS and IS NOT
				t.Op = map[string]string{"=": "is", "!=": "is not"}[t.Op]
			} else {
				return faultf("The operator '%s' does not go with the value '%s'.", t.Op, v.text)
			}
		}
		t.Values = append(t.Values, v.text)
		if !list || p.skip(")") {
			return nil
		}
		if !p.skip(",") {
			return faultf("Error in the JQL Query: Expecting ',' or ')' in the list of '%s'.", t.Field)
		}
	}
}

func (p *parser) order() error {
	if !p.skip("order", "by") {
		return nil
	}
	for {
		f, err := p.next()
		if err != nil {
			return err
		}
		o := Order{Field: alias(f.text)}
		if k := kinds(o.Field); k == "" || o.Field == "text" || o.Field == "issue.property" {
			return faultf("Not able to sort using field '%s'.", f.text)
		}
		o.Desc = p.skip("desc")
		if !o.Desc {
			p.skip("asc")
		}
		if p.q.Order = append(p.q.Order, o); !p.skip(",") {
			return nil
		}
	}
}

// moment reads a date: epoch milliseconds, -5m / -2h / -3d / -1w, or "2006-01-02" with or without "15:04", in UTC (the
// account's zone).
func moment(s string, now time.Time) (time.Time, error) {
	if n, err := strconv.ParseInt(s, 10, 64); err == nil && len(s) > 5 {
		return time.UnixMilli(n).UTC(), nil
	}
	if len(s) > 1 {
		unit := map[byte]time.Duration{'m': time.Minute, 'h': time.Hour, 'd': 24 * time.Hour, 'w': 7 * 24 * time.Hour}[s[len(s)-1]]
		if n, err := strconv.Atoi(s[:len(s)-1]); err == nil && unit > 0 && n > -100_000 && n < 100_000 {
			return now.Add(time.Duration(n) * unit), nil
		}
	}
	for _, form := range []string{"2006-01-02 15:04", "2006/01/02 15:04", "2006-01-02", "2006/01/02"} {
		if at, err := time.ParseInLocation(form, s, time.UTC); err == nil {
			return at, nil
		}
	}
	return time.Time{}, faultf("Date value '%s' is invalid. Valid formats include: 'yyyy/MM/dd HH:mm', 'yyyy-MM-dd HH:mm', 'yyyy/MM/dd', 'yyyy-MM-dd', or a period format e.g. '-5d', '4w 2d'.", s)
}
