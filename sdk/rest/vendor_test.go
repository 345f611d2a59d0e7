package rest_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"bulkhead.dev/sdk/internal/disposition"
	"bulkhead.dev/sdk/internal/runctx"
	"bulkhead.dev/sdk/pluginv1"
	"bulkhead.dev/sdk/rest"
)

// vendor is an HTTP server behind pipes in memory, so that a test in a bubble of testing/synctest may use it: time
// stands still while it works and leaps over every wait.
type vendor struct {
	mu   sync.Mutex
	seen []seen
	dial func() error // refuses a connection
	in   chan net.Conn
	done chan struct{}
	once sync.Once
}

// seen is a request that the vendor got.
type seen struct {
	Method, URL, Body string
	Header            http.Header
	At                time.Time
}

// serve starts a vendor and returns a config for it.
func serve(t *testing.T, handle http.HandlerFunc) (*vendor, rest.Config) {
	t.Helper()
	v := &vendor{in: make(chan net.Conn), done: make(chan struct{})}
	server := &http.Server{ReadHeaderTimeout: time.Hour, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		v.mu.Lock()
		v.seen = append(v.seen, seen{Method: r.Method, URL: r.URL.String(), Body: string(body), Header: r.Header, At: time.Now()})
		v.mu.Unlock()
		handle(w, r)
	})}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = server.Serve(v)
	}()
	transport := &http.Transport{DialContext: v.connect}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		_ = server.Close()
		<-ended
	})
	return v, rest.Config{Name: "acme", BaseURL: "http://localhost/api", Transport: transport}
}

func (v *vendor) connect(ctx context.Context, _, _ string) (net.Conn, error) {
	v.mu.Lock()
	dial := v.dial
	v.mu.Unlock()
	if dial != nil {
		if err := dial(); err != nil {
			return nil, &net.OpError{Op: "dial", Net: "pipe", Err: err}
		}
	}
	ours, theirs := net.Pipe()
	select {
	case v.in <- theirs:
		return ours, nil
	case <-v.done:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Accept implements net.Listener.
func (v *vendor) Accept() (net.Conn, error) {
	select {
	case conn := <-v.in:
		return conn, nil
	case <-v.done:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (v *vendor) Close() error {
	v.once.Do(func() { close(v.done) })
	return nil
}

// Addr implements net.Listener.
func (v *vendor) Addr() net.Addr { return &net.UnixAddr{Name: "pipe"} }

// requests returns what came in since the last time.
func (v *vendor) requests() []seen {
	v.mu.Lock()
	defer v.mu.Unlock()
	all := v.seen
	v.seen = nil
	return all
}

func (v *vendor) refuse(dial func() error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.dial = dial
}

// client makes a client and closes it at the end.
func client(t *testing.T, config rest.Config) *rest.Client {
	t.Helper()
	c, err := rest.New(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// answers gives each request the next of a list of answers; the last one stays.
func answers(list ...func(http.ResponseWriter)) http.HandlerFunc {
	var mu sync.Mutex
	return func(w http.ResponseWriter, _ *http.Request) {
		mu.Lock()
		answer := list[0]
		if len(list) > 1 {
			list = list[1:]
		}
		mu.Unlock()
		answer(w)
	}
}

// status is an answer with headers, given as names and values.
func status(code int, headers ...string) func(http.ResponseWriter) {
	return func(w http.ResponseWriter) {
		for i := 0; i < len(headers); i += 2 {
			w.Header().Set(headers[i], headers[i+1])
		}
		w.WriteHeader(code)
		if code == http.StatusOK {
			_, _ = io.WriteString(w, `{"ok":true}`)
		}
	}
}

// inRun is a context as a handler gets it.
func inRun(ctx context.Context) context.Context {
	return runctx.With(ctx, runctx.Run{Token: "run-1", Job: "acme-1", Request: "n1-01J", Traceparent: "00-aa-bb-01"})
}

// fate is what becomes of the job.
func fate(t *testing.T, err error) disposition.Disposition {
	t.Helper()
	d, ok := disposition.Of(err)
	if !ok {
		t.Fatalf("%v does not say how the job goes on", err)
	}
	return d
}

var (
	byPolicy = disposition.Disposition{Fault: pluginv1.Fault_FAULT_VENDOR}
	rejected = disposition.Disposition{Reject: true, Fault: pluginv1.Fault_FAULT_PLUGIN}
)

// later is a free retry.
func later(after time.Duration) disposition.Disposition {
	return disposition.Disposition{After: after, Free: true, Fault: pluginv1.Fault_FAULT_VENDOR}
}

func asError(t *testing.T, err error) *rest.Error {
	t.Helper()
	var failure *rest.Error
	if !errors.As(err, &failure) {
		t.Fatalf("%v (%T), want a *rest.Error", err, err)
	}
	return failure
}

// failed wants a *rest.Error, postponed a *rest.NotNow.
func failed(t *testing.T, err error)    { t.Helper(); _ = asError(t, err) }
func postponed(t *testing.T, err error) { t.Helper(); _ = asNotNow(t, err) }

func asNotNow(t *testing.T, err error) *rest.NotNow {
	t.Helper()
	var notNow *rest.NotNow
	if !errors.As(err, &notNow) {
		t.Fatalf("%v (%T), want a *rest.NotNow", err, err)
	}
	return notNow
}

// leap lets time pass in a bubble.
func leap(d time.Duration) { <-time.After(d) }
