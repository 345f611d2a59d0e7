package gateway_test

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"bulkhead.dev/host/internal/gateway"
	"bulkhead.dev/host/internal/queue"
	"bulkhead.dev/sdk/pluginv1"
)

// BenchmarkAccept is what the door costs a webhook of 2 KB, without the network and without the queue: beside a handler
// that only reads and answers, and one that does by hand what cannot be left out.
func BenchmarkAccept(b *testing.B) {
	body := fmt.Appendf(nil, `{"id":7,"order":{"id":"o-1","lines":[%s]},"text":%q}`,
		strings.TrimSuffix(strings.Repeat(`{"sku":"abc","n":1,"price":1.5},`, 30), ","), strings.Repeat("word ", 200))
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(body)
	sent := headers("Content-Type", "application/json", "X-Sig", hex.EncodeToString(mac.Sum(nil)), "X-Delivery", "d-1")
	hub := &pluginv1.Verification{Scheme: &pluginv1.Verification_Hmac{Hmac: &pluginv1.Hmac{
		Hash: pluginv1.Hash_HASH_SHA256, Key: "key", KeyEncoding: pluginv1.Encoding_ENCODING_UTF8, Header: "X-Sig", Encoding: pluginv1.Encoding_ENCODING_HEX,
	}}}
	door := func(change ...func(r *pluginv1.Route)) http.Handler {
		d := newDoor(b, func(c *gateway.Config) {
			c.Queue, c.Log, c.Recorder = atOnce{}, hclog.New(&hclog.LoggerOptions{Output: io.Discard, JSONFormat: true}), silent{}
		})
		route := event(append(change, func(r *pluginv1.Route) { r.Verification = hub })...)
		if err := d.g.Serve([]gateway.Domain{domain(route)}); err != nil {
			b.Fatal(err)
		}
		return d.g
	}
	for name, h := range map[string]http.Handler{
		"bare":           handler(func([]byte, http.Header) bool { return true }),
		"hmac+validJSON": handler(checked),
		"door":           door(),
		"door+ids+order": door(func(r *pluginv1.Route) {
			r.Dedup, r.Ordering = []*pluginv1.Source{deliveryID()}, "/order/id"
		}),
		"door+schema": door(func(r *pluginv1.Route) {
			r.Schema = []byte(`{"type":"object","required":["id","order"],"properties":{"id":{"type":"integer"},"order":{"type":"object","required":["lines"],
				"properties":{"lines":{"type":"array","items":{"type":"object","properties":{"sku":{"type":"string"},"n":{"type":"integer"}}}}}}}}`)
		}),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(body)))
			w := &sink{header: http.Header{}}
			for b.Loop() {
				clear(w.header)
				r, err := http.NewRequest(http.MethodPost, "/webhooks/acme/events", bytes.NewReader(body))
				if err != nil {
					b.Fatal(err)
				}
				r.Header = sent
				h.ServeHTTP(w, r)
				if w.status != http.StatusAccepted {
					b.Fatalf("status %d", w.status)
				}
			}
		})
	}
}

func handler(ok func(body []byte, h http.Header) bool) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20))
		if err != nil || !ok(body, r.Header) {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusAccepted)
		_, _ = io.WriteString(w, `{"job_id":"acme-0"}`)
	})
}

// checked does by hand what every door must.
func checked(body []byte, h http.Header) bool {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(body)
	sum, err := hex.DecodeString(h.Get("X-Sig"))
	return err == nil && hmac.Equal(sum, mac.Sum(nil)) && json.Valid(body)
}

// atOnce is a queue that costs nothing.
type atOnce struct{ gateway.Queue }

func (atOnce) Enqueue(_ context.Context, j queue.Job) (queue.Receipt, error) {
	return queue.Receipt{ID: j.ID, State: queue.StateQueued}, nil
}

// silent counts nothing.
type silent struct{}

func (silent) Request(string, int, time.Duration) {}
func (silent) Repeated(string)                    {}

// sink takes answers that nobody reads.
type sink struct {
	header http.Header
	status int
}

func (s *sink) Header() http.Header         { return s.header }
func (s *sink) Write(b []byte) (int, error) { return len(b), nil }
func (s *sink) WriteHeader(status int)      { s.status = status }
