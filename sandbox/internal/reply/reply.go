// Package reply reads and writes the JSON bodies of the stand-ins, each within bounds.
package reply

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
)

// MaxBody is the most that a stand-in reads of one request body, in bytes.
const MaxBody = 4 << 20

// ErrBody says that a request body is too large, not JSON, or more than one value.
var ErrBody = errors.New("body is not one JSON value")

// JSON answers status with v as JSON; v comes from this module, so it can be marshalled.
func JSON(w http.ResponseWriter, status int, v any) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		http.Error(w, "sandbox: "+err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json;charset=UTF-8")
	w.WriteHeader(status)
	_, _ = w.Write(buf.Bytes()) // the caller may have gone; nobody else is to be told
}

// Body reads the request's body, MaxBody at most.
func Body(r *http.Request) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(r.Body, MaxBody+1))
	if err != nil {
		return nil, fmt.Errorf("read body: %w", err)
	}
	if len(b) > MaxBody {
		return nil, fmt.Errorf("%w: over %d bytes", ErrBody, MaxBody)
	}
	return b, nil
}

// Decode reads the request's body as one JSON value into v.
func Decode(r *http.Request, v any) error {
	b, err := Body(r)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(b, v); err != nil {
		return fmt.Errorf("%w: %w", ErrBody, err)
	}
	return nil
}

// DecodeStrict is Decode that refuses keys which v does not have.
func DecodeStrict(r *http.Request, v any) error {
	b, err := Body(r)
	if err != nil {
		return err
	}
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	if err := dec.Decode(v); err != nil {
		return fmt.Errorf("%w: %w", ErrBody, err)
	}
	return nil
}
