package bench_test

import (
	"bufio"
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// loadEnv says what a load generator does: "<address> <number of requests>".
const loadEnv = "BULKHEAD_BENCH_LOAD"

const secret = "bench-secret"

// event is a body as vendors send them, of 2.2 kB.
func event() []byte {
	type person struct {
		ID     string `json:"id"`
		Name   string `json:"name"`
		Active bool   `json:"active"`
	}
	type change struct {
		Field string `json:"field"`
		From  string `json:"from"`
		To    string `json:"to"`
	}
	var changes []change
	for i := range 10 {
		changes = append(changes, change{fmt.Sprintf("field_%d", i), "the value before", "the value that stands now"})
	}
	body, err := json.Marshal(map[string]any{
		"event": "widget.updated", "timestamp": 1753428000123, "id": "e-7c1f", "actor": person{"u-1", "Ada Example", true},
		"widget": map[string]any{
			"id": 10042, "key": "ACME-42", "title": "A widget that turns", "labels": []string{"red", "round", "new"},
			"owner": person{"u-2", "Bob Example", true}, "weight": 12.5,
		},
		"changes": changes, "text": strings.Repeat("A line of a comment that somebody typed. ", 22),
	})
	if err != nil {
		panic(err) // a literal
	}
	return body
}

// eventSchema is what a plugin's types would say of event.
const eventSchema = `{
	"$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object", "required": ["event", "timestamp", "widget"],
	"$defs": {
		"person": {"type": "object", "required": ["id"], "properties": {
			"id": {"type": "string"}, "name": {"type": "string"}, "active": {"type": "boolean"}}},
		"change": {"type": "object", "properties": {
			"field": {"type": "string"}, "from": {"type": "string"}, "to": {"type": "string"}}}
	},
	"properties": {
		"event": {"type": "string"}, "timestamp": {"type": "integer"}, "id": {"type": "string"}, "text": {"type": "string"},
		"actor": {"$ref": "#/$defs/person"}, "changes": {"type": "array", "items": {"$ref": "#/$defs/change"}},
		"widget": {"type": "object", "required": ["id", "key"], "properties": {
			"id": {"type": "integer"}, "key": {"type": "string", "minLength": 1}, "title": {"type": "string"},
			"weight": {"type": "number"}, "labels": {"type": "array", "items": {"type": "string"}},
			"owner": {"$ref": "#/$defs/person"}}}
	}}`

func signature(body []byte) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(body)
	return "sha256=" + hex.EncodeToString(mac.Sum(nil))
}

// runLoad sends n requests to addr from a process of its own, so that this one's processor time is the server's.
func runLoad(b *testing.B, addr string, n int) {
	b.Helper()
	self, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	cmd := exec.CommandContext(b.Context(), self)
	cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%s %d", loadEnv, addr, n))
	if out, err := cmd.CombinedOutput(); err != nil {
		b.Fatalf("load: %v\n%s", err, out)
	}
}

// load sends signed events, each with a delivery id of its own, by callers who wait for their answer.
func load(task string) error {
	var addr string
	var n int64
	if _, err := fmt.Sscan(task, &addr, &n); err != nil {
		return err
	}
	body := event()
	head := fmt.Sprintf("POST /webhooks/acme/events HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\n"+
		"Content-Length: %d\r\nX-Signature: %s\r\nX-Delivery: ", addr, len(body), signature(body))
	var next atomic.Int64
	failed := make(chan error, callers)
	var all sync.WaitGroup
	for range callers {
		all.Go(func() {
			failed <- caller(addr, head, body, func() (int64, bool) { i := next.Add(1); return i, i <= n })
		})
	}
	all.Wait()
	close(failed)
	var errs []error
	for err := range failed {
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// caller is one connection.
func caller(addr, head string, body []byte, next func() (int64, bool)) error {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	answers := bufio.NewReader(conn)
	var request bytes.Buffer
	for i, more := next(); more; i, more = next() {
		request.Reset()
		fmt.Fprintf(&request, "%s%d\r\n\r\n%s", head, i, body)
		if _, err := conn.Write(request.Bytes()); err != nil {
			return err
		}
		answer, err := http.ReadResponse(answers, nil)
		if err != nil {
			return err
		}
		text, err := io.ReadAll(answer.Body)
		_ = answer.Body.Close()
		if err != nil || answer.StatusCode != http.StatusAccepted {
			return fmt.Errorf("%s %s %w", answer.Status, text, err)
		}
	}
	return nil
}
