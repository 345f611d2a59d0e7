package rest_test

import (
	"compress/gzip"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"bulkhead.dev/sdk/internal/disposition"
	"bulkhead.dev/sdk/rest"
)

func TestTimeouts(t *testing.T) {
	t.Parallel()
	head := func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
	body := func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusOK)
		_, _ = io.WriteString(w, `{"id":`)
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	}
	for name, handle := range map[string]http.HandlerFunc{"no answer": head, "half an answer": body} {
		synctest.Test(t, func(t *testing.T) {
			v, config := serve(t, handle)
			config.Timeout, config.MaxAttempts = 4*time.Second, 2
			c, start := client(t, config), time.Now()
			_, err := c.Do(t.Context(), rest.Request{})
			e := asError(t, err)
			if took := time.Since(start); took < 8*time.Second || took > 9*time.Second || fate(t, err) != byPolicy || e.Status != 0 ||
				!strings.Contains(err.Error(), "no whole answer in time") {
				t.Errorf("%s: %v after %v", name, err, took)
			}
			if n := len(v.requests()); n != 2 {
				t.Errorf("%s: %d requests", name, n)
			}

			// The run's own deadline: the vendor let it pass.
			ctx, end := context.WithTimeout(t.Context(), time.Second)
			defer end()
			_, err = c.Do(ctx, rest.Request{})
			if !errors.Is(err, context.DeadlineExceeded) || fate(t, err) != byPolicy {
				t.Errorf("%s: %v", name, err)
			}

			// A run that is cancelled is nobody's fault.
			gone := errors.New("the caller has gone")
			cancelled, cancel := context.WithCancelCause(t.Context())
			time.AfterFunc(time.Second, func() { cancel(gone) })
			_, err = c.Do(cancelled, rest.Request{})
			if _, said := disposition.Of(err); !errors.Is(err, gone) || said {
				t.Errorf("%s: %v", name, err)
			}
		})
	}
}

func TestBodiesAreBounded(t *testing.T) {
	t.Parallel()
	big := strings.Repeat("x", 1<<20)
	for name, handle := range map[string]http.HandlerFunc{
		"plain": func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, big) },
		"compressed": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			z := gzip.NewWriter(w)
			_, _ = io.WriteString(z, big)
			_ = z.Close()
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v, config := serve(t, handle)
			config.MaxResponseBytes = 1<<20 - 1
			_, err := client(t, config).Do(t.Context(), rest.Request{})
			if fate(t, err) != rejected || len(v.requests()) != 1 {
				t.Errorf("%v", err)
			}
			config.MaxResponseBytes = 1 << 20
			response, err := client(t, config).Do(t.Context(), rest.Request{})
			if err != nil || len(response.Body) != 1<<20 {
				t.Errorf("at the bound: %v", err)
			}
		})
	}
}

func TestCutOff(t *testing.T) {
	t.Parallel()
	_, config := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "100")
		_, _ = io.WriteString(w, `{"id":"w1"}`)
	})
	config.MaxAttempts = 1
	_, err := client(t, config).Do(t.Context(), rest.Request{})
	if !errors.Is(err, io.ErrUnexpectedEOF) || fate(t, err) != byPolicy {
		t.Errorf("%v", err)
	}
}

func TestOwnTransport(t *testing.T) {
	t.Parallel()
	server := httptest.NewUnstartedServer(answers(status(200)))
	server.EnableHTTP2 = true
	server.StartTLS()
	t.Cleanup(server.Close)
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	given := &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS10} //nolint:gosec // the test wants to see it raised
	c := client(t, rest.Config{BaseURL: server.URL, TLS: given})
	if _, err := c.Do(t.Context(), rest.Request{}); err != nil {
		t.Error(err)
	}
	if given.MinVersion != tls.VersionTLS10 {
		t.Error("the caller's config was changed")
	}
	stranger := client(t, rest.Config{BaseURL: server.URL, MaxAttempts: 1})
	_, err := stranger.Do(t.Context(), rest.Request{})
	var unknown x509.UnknownAuthorityError
	if !errors.As(err, &unknown) || fate(t, err) != byPolicy {
		t.Errorf("an unknown authority: %v", err)
	}

	transport := rest.NewTransport(rest.Config{TLS: given, Concurrency: 3})
	if transport.TLSClientConfig.MinVersion != tls.VersionTLS12 || transport.Proxy != nil || transport.MaxConnsPerHost != 3 ||
		transport.MaxIdleConns == 0 || transport.IdleConnTimeout == 0 {
		t.Errorf("%+v", transport)
	}
}
