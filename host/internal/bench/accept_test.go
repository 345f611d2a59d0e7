package bench_test

import (
	"context"
	"crypto/hmac"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"bulkhead.dev/host/internal/gateway"
	"bulkhead.dev/host/internal/queue"
	"bulkhead.dev/host/internal/telemetry"
	"bulkhead.dev/sdk/pluginv1"
)

// BenchmarkAccept compares the door's work for one webhook with that of a handler that does nothing, and of one that
// does what can't be left out: read the body, compare its HMAC, parse it. "gateway" has a queue that costs nothing,
// "gateway-any" takes any JSON besides, "gateway-queue" has the real queue, on Redis. cpu-ns/op is the server's alone.
func BenchmarkAccept(b *testing.B) {
	b.Run("bare", func(b *testing.B) { benchServer(b, http.HandlerFunc(bare)) })
	b.Run("checked", func(b *testing.B) { benchServer(b, http.HandlerFunc(checked)) })
	b.Run("gateway-any", func(b *testing.B) { benchServer(b, door(b, instantQueue{}, "")) })
	b.Run("gateway", func(b *testing.B) { benchServer(b, door(b, instantQueue{}, eventSchema)) })
	b.Run("gateway-queue", func(b *testing.B) {
		q, _ := openQueue(b)
		benchServer(b, door(b, q, eventSchema))
	})
}

// benchServer measures a handler behind a server that is set up as the host's is.
func benchServer(b *testing.B, handler http.Handler) {
	b.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	server := &http.Server{
		Handler: handler, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 30 * time.Second,
		IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 32 << 10,
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	b.ResetTimer()
	report := processorTime(b)
	runLoad(b, listener.Addr().String(), b.N)
	report()
	b.StopTimer()
	_ = server.Close()
	if err := <-served; !errors.Is(err, http.ErrServerClosed) {
		b.Fatal(err)
	}
}

// answerAccepted is as long as what the gateway answers.
func answerAccepted(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusAccepted)
	_, _ = io.WriteString(w, `{"job_id":"acme-01234567890123456789012345","status_url":"http://127.0.0.1/jobs/acme-01234567890123456789012345"}`)
}

func bare(w http.ResponseWriter, _ *http.Request) { answerAccepted(w) }

func checked(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20))
	if err != nil || !hmac.Equal([]byte(r.Header.Get("X-Signature")), []byte(signature(body))) || !json.Valid(body) {
		http.Error(w, "refused", http.StatusBadRequest)
		return
	}
	answerAccepted(w)
}

// door is a gateway with one route that asks for all checks; an empty schema lets any JSON in.
func door(b *testing.B, q gateway.Queue, schema string) *gateway.Gateway {
	b.Helper()
	metrics := telemetry.NewMetrics()
	g, err := gateway.New(gateway.Config{
		Node: node, PublicURL: "http://127.0.0.1", Queue: q, People: gateway.BearerToken{Who: "bench", Token: secret},
		Health:  func(context.Context) gateway.Health { return gateway.Health{} },
		Metrics: metrics.Handler(), Recorder: metrics, Log: hostLog(b),
	})
	if err != nil {
		b.Fatal(err)
	}
	err = g.Serve([]gateway.Domain{{
		Instance: "acme", Secret: func(string) (string, bool) { return secret, true },
		Manifest: &pluginv1.Manifest{Name: "acme", Version: "1.0.0", Routes: []*pluginv1.Route{{
			Method: http.MethodPost, Path: "events", Pattern: pluginv1.Pattern_PATTERN_ASYNC, Lane: pluginv1.Lane_LANE_NORMAL,
			JobType: "acme.event", Schema: []byte(schema),
			Verification: &pluginv1.Verification{Scheme: &pluginv1.Verification_Hmac{Hmac: &pluginv1.Hmac{
				Hash: pluginv1.Hash_HASH_SHA256, Key: "secret", KeyEncoding: pluginv1.Encoding_ENCODING_UTF8,
				Header: "X-Signature", Prefix: "sha256=", Encoding: pluginv1.Encoding_ENCODING_HEX,
			}}},
			Dedup: []*pluginv1.Source{{From: &pluginv1.Source_Header{Header: "X-Delivery"}}},
		}}},
	}})
	if err != nil {
		b.Fatal(err)
	}
	return g
}

// instantQueue takes every job and keeps none.
type instantQueue struct{}

func (instantQueue) Enqueue(_ context.Context, job queue.Job) (queue.Receipt, error) {
	return queue.Receipt{ID: job.ID}, nil
}

func (instantQueue) Await(string) *queue.Waiter { return nil }

func (instantQueue) Status(context.Context, string) (queue.Status, error) {
	return queue.Status{}, queue.ErrNotFound
}

func (instantQueue) Cancel(context.Context, string, string) (queue.State, error) {
	return "", queue.ErrNotFound
}
