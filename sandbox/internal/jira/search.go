package jira

import (
	"cmp"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"bulkhead.dev/sandbox/internal/jira/jql"
	"bulkhead.dev/sandbox/internal/ledger"
	"bulkhead.dev/sandbox/internal/reply"
)

type searching struct {
	JQL        string   `json:"jql"`
	Fields     []string `json:"fields"`
	Properties []string `json:"properties"`
	MaxResults *int     `json:"maxResults"`
	Token      string   `json:"nextPageToken"`
	Reconcile  []int    `json:"reconcileIssues"`
}

// search is the enhanced search: ids alone unless fields are named, pages by an opaque token, no total.
func (s *Server) search(w http.ResponseWriter, r *http.Request) {
	var in searching
	if r.Method == http.MethodPost {
		if err := reply.Decode(r, &in); err != nil {
			fail(w, r, err)
			return
		}
	} else {
		q := r.URL.Query()
		in = searching{JQL: q.Get("jql"), Fields: list(q["fields"]), Properties: list(q["properties"]), Token: q.Get("nextPageToken")}
		if n, err := strconv.Atoi(q.Get("maxResults")); err == nil {
			in.MaxResults = &n
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	found, err := s.query(in.JQL)
	if err == nil && len(in.Properties) > 5 {
		err = refuse(http.StatusBadRequest, "At most 5 properties can be asked for.")
	}
	if err == nil && len(in.Reconcile) > 50 {
		err = refuse(http.StatusBadRequest, "At most 50 issues can be reconciled.")
	}
	start, limit := 0, pageSize(in)
	if err == nil && in.Token != "" {
		start, err = openToken(in.Token, in.JQL)
	}
	if err == nil && limit <= 0 {
		err = refuse(http.StatusBadRequest, "maxResults has to be greater than 0.")
	}
	if err != nil {
		fail(w, r, err)
		return
	}
	start = min(start, len(found))
	end := min(start+limit, len(found))
	page := []any{}
	for _, it := range found[start:end] {
		page = append(page, s.slim(it, in))
	}
	body := map[string]any{"issues": page, "isLast": end == len(found)}
	if end < len(found) {
		body["nextPageToken"] = sealToken(end, in.JQL)
	}
	ledger.Saw(r.Context(), "jira", "searched %q: %d of %d issues", in.JQL, len(page), len(found))
	reply.JSON(w, http.StatusOK, body)
}

func pageSize(in searching) int {
	limit := 50
	if in.MaxResults != nil {
		limit = *in.MaxResults
	}
	if slices.ContainsFunc(in.Fields, func(f string) bool { return f != "id" && f != "key" }) {
		return min(limit, 100)
	}
	return min(limit, 5000)
}

// slim answers an issue of a page: the id alone when nothing else was asked for.
func (s *Server) slim(it *issue, in searching) map[string]any {
	full := s.render(it, in.Fields, in.Properties)
	if len(in.Fields) == 0 || (len(in.Fields) == 1 && in.Fields[0] == "id") {
		slim := map[string]any{"id": full["id"]}
		if p, ok := full["properties"]; ok {
			slim["properties"] = p
		}
		return slim
	}
	return full
}

// query answers the issues that a query selects, in its order; newest first without one. Callers hold mu.
func (s *Server) query(text string) ([]*issue, error) {
	q, err := jql.Parse(text, s.now())
	if err != nil {
		var fault *jql.Error
		if errors.As(err, &fault) {
			return nil, refuse(http.StatusBadRequest, fault.Message)
		}
		return nil, err
	}
	if !q.Bounded() {
		return nil, refuse(http.StatusBadRequest, "Unbounded JQL queries are not allowed here. Please add a search restriction to your query.")
	}
	for _, t := range q.Terms() {
		for _, v := range t.Values {
			known := slices.ContainsFunc(s.projects, func(p project) bool {
				return strings.EqualFold(p.Key, v) || strings.EqualFold(p.Name, v) || p.ID == v
			})
			if t.Field == "project" && !strings.HasPrefix(t.Op, "is") && !known {
				return nil, refuse(http.StatusBadRequest, "The value '"+v+"' does not exist for the field 'project'.")
			}
		}
	}
	var found []*issue
	for _, it := range s.issues {
		if q.Match(record{s, it}) {
			found = append(found, it)
		}
	}
	slices.SortStableFunc(found, func(a, b *issue) int {
		for _, o := range q.Order {
			c := s.compare(a, b, o.Field)
			if o.Desc {
				c = -c
			}
			if c != 0 {
				return c
			}
		}
		if len(q.Order) > 0 {
			return cmp.Compare(a.id, b.id)
		}
		return cmp.Compare(b.id, a.id)
	})
	return found, nil
}

func (s *Server) compare(a, b *issue, field string) int {
	ra, rb := record{s, a}, record{s, b}
	switch field {
	case "created", "updated", "duedate":
		return ra.Time(field).Compare(rb.Time(field))
	case "key":
		return cmp.Or(cmp.Compare(a.project.Key, b.project.Key), cmp.Compare(a.id, b.id))
	case "priority":
		all := priorityNames()
		return -cmp.Compare(slices.Index(all, a.priority), slices.Index(all, b.priority))
	case "status":
		return cmp.Compare(a.status.id, b.status.id)
	}
	return cmp.Compare(strings.Join(ra.Values(field), ","), strings.Join(rb.Values(field), ","))
}

// A page token is the place to go on from, bound to its query.
func sealToken(at int, query string) string {
	return base64.RawURLEncoding.EncodeToString([]byte(strconv.Itoa(at) + ":" + digest(query)))
}

func openToken(token, query string) (int, error) {
	raw, err := base64.RawURLEncoding.DecodeString(token)
	at, sum, ok := strings.Cut(string(raw), ":")
	n, bad := strconv.Atoi(at)
	if err != nil || bad != nil || !ok || n < 0 || sum != digest(query) {
		return 0, refuse(http.StatusBadRequest, "The provided next page token is invalid or expired. You can resend the request without a token.")
	}
	return n, nil
}

func digest(query string) string {
	sum := sha256.Sum256([]byte(query))
	return hex.EncodeToString(sum[:8])
}

func (s *Server) count(w http.ResponseWriter, r *http.Request) {
	var in searching
	if err := reply.Decode(r, &in); err != nil {
		fail(w, r, err)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	found, err := s.query(in.JQL)
	if err != nil {
		fail(w, r, err)
		return
	}
	ledger.Saw(r.Context(), "jira", "counted %q: %d issues", in.JQL, len(found))
	reply.JSON(w, http.StatusOK, map[string]any{"count": len(found)})
}

func (s *Server) searchRemoved(w http.ResponseWriter, r *http.Request) {
	fail(w, r, refuse(http.StatusGone, "The requested API has been removed. Please migrate to the /rest/api/3/search/jql API."))
}
