package jira

import (
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"time"

	"bulkhead.dev/sandbox/internal/ledger"
	"bulkhead.dev/sandbox/internal/reply"
)

type comment struct {
	id     int
	author string
	body   json.RawMessage
	at     time.Time
}

type link struct {
	id                     int
	globalID, relationship string
	application, object    json.RawMessage
	title, url             string
}

// with runs fn on the issue of the path and answers its error, if any; fn answers the call itself otherwise.
func (s *Server) with(w http.ResponseWriter, r *http.Request, fn func(*issue) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	it, err := s.find(r)
	if err == nil {
		err = fn(it)
	}
	if err != nil {
		fail(w, r, err)
	}
}

func (s *Server) propertyKeys(w http.ResponseWriter, r *http.Request) {
	s.with(w, r, func(it *issue) error {
		keys := []any{}
		for k := range it.properties {
			keys = append(keys, map[string]any{"key": k, "self": s.self("issue", strconv.Itoa(it.id), "properties", k)})
		}
		ledger.Saw(r.Context(), it.anchor(), "read the property keys of %s", it.key)
		reply.JSON(w, http.StatusOK, map[string]any{"keys": keys})
		return nil
	})
}

func (s *Server) getProperty(w http.ResponseWriter, r *http.Request) {
	s.with(w, r, func(it *issue) error {
		key := r.PathValue("key")
		v, ok := it.properties[key]
		if !ok {
			return refuse(http.StatusNotFound, "The property with key '"+key+"' does not exist.")
		}
		ledger.Saw(r.Context(), it.anchor(), "read property %s of %s", key, it.key)
		reply.JSON(w, http.StatusOK, map[string]any{"key": key, "value": v})
		return nil
	})
}

func (s *Server) setProperty(w http.ResponseWriter, r *http.Request) {
	body, err := reply.Body(r)
	if err != nil {
		fail(w, r, err)
		return
	}
	s.with(w, r, func(it *issue) error {
		key := r.PathValue("key")
		if msg := checkProperty(key, body); msg != "" {
			return refuse(http.StatusBadRequest, msg)
		}
		_, had := it.properties[key]
		if !had && len(it.properties) >= maxPerIssue {
			return refuse(http.StatusBadRequest, "The issue has too many properties.")
		}
		it.properties[key] = body
		ledger.Did(r.Context(), it.anchor(), "set property %s of %s", key, it.key)
		status := http.StatusCreated
		if had {
			status = http.StatusOK
		}
		w.WriteHeader(status)
		return nil
	})
}

func (s *Server) dropProperty(w http.ResponseWriter, r *http.Request) {
	s.with(w, r, func(it *issue) error {
		key := r.PathValue("key")
		if _, ok := it.properties[key]; !ok {
			return refuse(http.StatusNotFound, "The property with key '"+key+"' does not exist.")
		}
		delete(it.properties, key)
		ledger.Did(r.Context(), it.anchor(), "removed property %s of %s", key, it.key)
		w.WriteHeader(http.StatusNoContent)
		return nil
	})
}

func (s *Server) commentBody(it *issue, c comment) map[string]any {
	id := strconv.Itoa(c.id)
	return map[string]any{"id": id, "self": s.self("issue", strconv.Itoa(it.id), "comment", id), "author": s.accountBody(c.author),
		"updateAuthor": s.accountBody(c.author), "body": c.body, "created": c.at.Format(stamp), "updated": c.at.Format(stamp), "jsdPublic": true}
}

func (s *Server) commentPage(it *issue, start, limit int) map[string]any {
	all := []any{}
	for i := start; i < len(it.comments) && len(all) < limit; i++ {
		all = append(all, s.commentBody(it, it.comments[i]))
	}
	return map[string]any{"comments": all, "startAt": start, "maxResults": limit, "total": len(it.comments)}
}

func (s *Server) comments(w http.ResponseWriter, r *http.Request) {
	start, limit := number(r, "startAt", 0, 1<<30), number(r, "maxResults", 100, maxPerIssue)
	s.with(w, r, func(it *issue) error {
		ledger.Saw(r.Context(), it.anchor(), "read the comments of %s", it.key)
		reply.JSON(w, http.StatusOK, s.commentPage(it, start, limit))
		return nil
	})
}

func (s *Server) addComment(w http.ResponseWriter, r *http.Request) {
	var in struct {
		Body json.RawMessage `json:"body"`
	}
	if err := reply.Decode(r, &in); err != nil {
		fail(w, r, err)
		return
	}
	s.with(w, r, func(it *issue) error {
		switch {
		case !isADF(in.Body):
			return &refusal{status: http.StatusBadRequest, fields: map[string]string{"comment": "Comment body is not valid!"}}
		case len([]rune(adfText(in.Body))) > 32767:
			return &refusal{status: http.StatusBadRequest, fields: map[string]string{"comment": "The entered text is too long. It exceeds the allowed limit of 32,767 characters."}}
		case len(it.comments) >= maxPerIssue:
			return refuse(http.StatusRequestEntityTooLarge, "The issue has reached its limit of comments.")
		}
		s.nextID++
		c := comment{s.nextID, OwnAccount, in.Body, s.now().UTC()}
		it.comments, it.updated = append(it.comments, c), c.at
		ledger.Did(r.Context(), it.anchor(), "commented on %s", it.key)
		reply.JSON(w, http.StatusCreated, s.commentBody(it, c))
		return nil
	})
}

func (s *Server) linkBody(it *issue, l link) map[string]any {
	id := strconv.Itoa(l.id)
	b := map[string]any{"id": l.id, "self": s.self("issue", it.key, "remotelink", id), "object": l.object}
	if l.globalID != "" {
		b["globalId"] = l.globalID
	}
	if l.relationship != "" {
		b["relationship"] = l.relationship
	}
	if l.application != nil {
		b["application"] = l.application
	}
	return b
}

func (s *Server) links(w http.ResponseWriter, r *http.Request) {
	s.with(w, r, func(it *issue) error {
		want, all := r.URL.Query().Get("globalId"), []any{}
		for _, l := range it.links {
			if want != "" && l.globalID == want {
				ledger.Saw(r.Context(), it.anchor(), "read a remote link of %s", it.key)
				reply.JSON(w, http.StatusOK, s.linkBody(it, l))
				return nil
			}
			all = append(all, s.linkBody(it, l))
		}
		if want != "" {
			return refuse(http.StatusNotFound, "The remote issue link with the given global id does not exist.")
		}
		ledger.Saw(r.Context(), it.anchor(), "read the remote links of %s", it.key)
		reply.JSON(w, http.StatusOK, all)
		return nil
	})
}

// addLink makes a remote link, or writes over the one with the same globalId.
func (s *Server) addLink(w http.ResponseWriter, r *http.Request) {
	var in struct {
		GlobalID     string          `json:"globalId"`
		Relationship string          `json:"relationship"`
		Application  json.RawMessage `json:"application"`
		Object       json.RawMessage `json:"object"`
	}
	if err := reply.Decode(r, &in); err != nil {
		fail(w, r, err)
		return
	}
	var object struct{ Title, URL string }
	_ = json.Unmarshal(in.Object, &object) // absent: the fields are empty, and refused below
	s.with(w, r, func(it *issue) error {
		wrong := map[string]string{}
		if object.Title == "" {
			wrong["title"] = "'title' is required."
		}
		if object.URL == "" {
			wrong["url"] = "'url' is required."
		}
		if len([]rune(in.GlobalID)) > 255 {
			wrong["globalId"] = "'globalId' has to be at most 255 characters long."
		}
		if len(wrong) > 0 {
			return &refusal{status: http.StatusBadRequest, fields: wrong}
		}
		l := link{0, in.GlobalID, in.Relationship, in.Application, in.Object, object.Title, object.URL}
		at := slices.IndexFunc(it.links, func(o link) bool { return in.GlobalID != "" && o.globalID == in.GlobalID })
		status := http.StatusOK
		if at >= 0 {
			l.id = it.links[at].id
			it.links[at] = l
			ledger.Did(r.Context(), it.anchor(), "updated the link of %s to '%s'", it.key, object.Title)
		} else {
			if len(it.links) >= maxPerIssue {
				return refuse(http.StatusRequestEntityTooLarge, "The issue has reached its limit of remote links.")
			}
			s.nextID++
			l.id, status = s.nextID, http.StatusCreated
			it.links = append(it.links, l)
			ledger.Did(r.Context(), it.anchor(), "linked %s to '%s'", it.key, object.Title)
		}
		reply.JSON(w, status, map[string]any{"id": l.id, "self": s.self("issue", it.key, "remotelink", strconv.Itoa(l.id))})
		return nil
	})
}

func (s *Server) dropLink(w http.ResponseWriter, r *http.Request) {
	s.with(w, r, func(it *issue) error {
		at := slices.IndexFunc(it.links, func(l link) bool { return strconv.Itoa(l.id) == r.PathValue("link") })
		if at < 0 {
			return refuse(http.StatusNotFound, "The remote issue link does not exist.")
		}
		it.links = slices.Delete(it.links, at, at+1)
		ledger.Did(r.Context(), it.anchor(), "removed a link of %s", it.key)
		w.WriteHeader(http.StatusNoContent)
		return nil
	})
}

func (s *Server) transitions(w http.ResponseWriter, r *http.Request) {
	s.with(w, r, func(it *issue) error {
		all := []any{}
		for _, st := range allStatuses() {
			if st != it.status {
				all = append(all, map[string]any{"id": st.transition, "name": st.name, "to": s.statusBody(st), "hasScreen": false,
					"isGlobal": true, "isInitial": false, "isAvailable": true, "isConditional": false, "isLooped": false})
			}
		}
		ledger.Saw(r.Context(), it.anchor(), "read the transitions of %s", it.key)
		reply.JSON(w, http.StatusOK, map[string]any{"expand": "transitions", "transitions": all})
		return nil
	})
}

func (s *Server) transition(w http.ResponseWriter, r *http.Request) {
	var in struct {
		Transition ref `json:"transition"`
	}
	if err := reply.Decode(r, &in); err != nil {
		fail(w, r, err)
		return
	}
	s.with(w, r, func(it *issue) error {
		for _, st := range allStatuses() {
			if st != it.status && st.transition == in.Transition.ID {
				it.status, it.updated = st, s.now().UTC()
				ledger.Did(r.Context(), it.anchor(), "moved %s to %s", it.key, st.name)
				w.WriteHeader(http.StatusNoContent)
				return nil
			}
		}
		return refuse(http.StatusBadRequest, "It seems that you have tried to perform a workflow operation ("+in.Transition.ID+
			") that is not valid for the current state of this issue ("+it.key+").")
	})
}

// number reads a query parameter of 0 to most; anything else is the default.
func number(r *http.Request, name string, standard, most int) int {
	n, err := strconv.Atoi(r.URL.Query().Get(name))
	if err != nil || n < 0 {
		return standard
	}
	return min(n, most)
}
