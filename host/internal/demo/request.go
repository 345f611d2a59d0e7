package demo

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"github.com/oklog/ulid/v2"
)

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
