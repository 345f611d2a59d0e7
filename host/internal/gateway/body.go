package gateway

import (
	"bytes"
	"errors"
	"mime"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"bulkhead.dev/host/internal/schema"
)

const (
	mediaJSON = "application/json"
	mediaForm = "application/x-www-form-urlencoded"
	// firstRead bounds the buffer that is made on the word of a Content-Length.
	firstRead = 64 << 10
)

// payload is what a call brings.
type payload struct {
	// data goes to the plugin as contentType says: JSON as it came, a form or a query as a JSON object of texts
	// (schema.DecodeForm), anything else as it came.
	data        []byte
	contentType string
	// doc is data for lookups and the schema; null where data is no JSON.
	doc *schema.Document
}

// read reads the whole body, within the route's size and time.
func (e *endpoint) read(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	// Not every ResponseWriter has deadlines; those of net/http's server do.
	control := http.NewResponseController(w)
	_ = control.SetReadDeadline(time.Now().Add(e.bodyTime))
	buffer := bytes.NewBuffer(make([]byte, 0, min(max(r.ContentLength, 0), firstRead)+bytes.MinRead))
	_, err := buffer.ReadFrom(http.MaxBytesReader(w, r.Body, e.maxBody))
	var tooBig *http.MaxBytesError
	switch {
	case err == nil:
		// The server goes on reading to notice when the caller hangs up. A deadline would look like that to it.
		_ = control.SetReadDeadline(time.Time{})
		return buffer.Bytes(), nil
	case errors.As(err, &tooBig):
		return nil, err
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil, problem(http.StatusRequestTimeout, "slow", "The body came too slowly", "send it again on a faster line, or a smaller one")
	default:
		return nil, problem(http.StatusBadRequest, "malformed", "The body can't be read", "it ended before its announced length")
	}
}

// decode reads the payload: the query of a GET, the body of anything else.
func (e *endpoint) decode(r *http.Request, body []byte) (payload, error) {
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		return texts([]byte(r.URL.RawQuery))
	}
	if r.Method == http.MethodDelete && len(body) == 0 && r.Header.Get("Content-Type") == "" {
		return texts(nil) // a DELETE mostly has no body
	}
	media, err := e.mediaType(r)
	switch {
	case err != nil:
		return payload{}, err
	case media == mediaForm:
		return texts(body)
	case media == mediaJSON || strings.HasSuffix(media, "+json"):
		doc, err := schema.Decode(body)
		return payload{data: body, contentType: media, doc: doc}, err
	default:
		doc, err := schema.Decode([]byte("null"))
		return payload{data: body, contentType: media, doc: doc}, err
	}
}

func texts(form []byte) (payload, error) {
	doc, err := schema.DecodeForm(form)
	if err != nil {
		return payload{}, err
	}
	return payload{data: doc.JSON(), contentType: mediaJSON, doc: doc}, nil
}

// mediaType answers the body's media type when the route accepts it. Texts are UTF-8, and nothing is unpacked.
func (e *endpoint) mediaType(r *http.Request) (string, error) {
	media, params, err := mime.ParseMediaType(strings.Join(r.Header.Values("Content-Type"), ", "))
	charset, encoding := params["charset"], r.Header.Get("Content-Encoding")
	if err != nil || !slices.Contains(e.accepted, media) || (charset != "" && !strings.EqualFold(charset, "utf-8")) ||
		(encoding != "" && !strings.EqualFold(encoding, "identity")) {
		return "", problem(http.StatusUnsupportedMediaType, "media-type", "The body has another form than this route takes",
			"send "+strings.Join(e.accepted, " or ")+" in UTF-8, not compressed")
	}
	return media, nil
}
