package demo

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"strings"

	"github.com/oklog/ulid/v2"
)

// Event is something that can be sent to the host, and what then happens.
type Event struct {
	Name        string            `json:"name"`
	Title       string            `json:"title"`
	Instance    string            `json:"instance"`
	Method      string            `json:"method"`
	Path        string            `json:"path"`
	Headers     map[string]string `json:"headers"`
	ContentType string            `json:"content_type"`
	// Body is JSON as it is sent, or a JSON string with the raw body.
	Body   json.RawMessage `json:"body"`
	Expect Expect          `json:"expect"`
	// Effects says in words what becomes of it, and where that can be seen.
	Effects string `json:"effects"`
}

// Expect is the answer to an Event.
type Expect struct {
	Status int    `json:"status"`
	Text   string `json:"text"`
}

// Waits says whether the caller gets the result itself.
func (e Event) Waits() bool { return e.Expect.Status == http.StatusOK }

// check refuses what can't be typed or kept in a file.
func (e Event) check() error {
	if !regexp.MustCompile(`^[a-z0-9][a-z0-9-]*$`).MatchString(e.Name) {
		return fmt.Errorf("an event is called %q; a name has lower-case letters, digits and dashes", e.Name)
	}
	return nil
}

// placeholder stands in headers and bodies for a value that is new each time.
const placeholder = "{{ulid}}"

// Request is an Event made ready to be sent.
type Request struct {
	Method string
	// Path is below the host's public URL.
	Path   string
	Header http.Header
	Body   []byte
}

// Request fills in what is new each time. The same fresh value stands in header and body.
func (e Event) Request() (Request, error) {
	fresh := ulid.Make().String()
	body := []byte(strings.ReplaceAll(string(e.Body), placeholder, fresh))
	if len(body) > 0 && body[0] == '"' {
		var raw string
		if err := json.Unmarshal(body, &raw); err != nil {
			return Request{}, fmt.Errorf("event %s: %w", e.Name, err)
		}
		body = []byte(raw)
	}
	r := Request{Method: e.Method, Path: e.Path, Header: http.Header{}, Body: body}
	for name, value := range e.Headers {
		r.Header.Set(name, strings.ReplaceAll(value, placeholder, fresh))
	}
	if e.ContentType != "" {
		r.Header.Set("Content-Type", e.ContentType)
	}
	return r, nil
}
