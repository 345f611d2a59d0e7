// Package e2e drives the product from outside: the real host, its plugins and the sandbox as processes, over HTTP, on
// the embedded queue and on a real redis-server.
package e2e

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"os"
	"testing"

	"bulkhead.dev/test/harness"
)

// builder holds the binaries of this test process.
var builder harness.Builder

func TestMain(m *testing.M) {
	code := m.Run()
	if err := builder.Remove(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func binaries(t *testing.T) *harness.Binaries {
	t.Helper()
	bin, err := builder.Binaries()
	if err != nil {
		t.Fatal(err)
	}
	return bin
}

// onBoth runs a test on the embedded queue and on a redis-server.
func onBoth(t *testing.T, test func(t *testing.T, o harness.Options)) {
	t.Helper()
	t.Run("embedded", func(t *testing.T) {
		t.Parallel()
		test(t, harness.Options{})
	})
	t.Run("redis", func(t *testing.T) {
		t.Parallel()
		test(t, harness.Options{Redis: harness.StartRedis(t)})
	})
}

// signature signs a body as a hub does.
func signature(secret, body string) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(body))
	return "sha256=" + hex.EncodeToString(mac.Sum(nil))
}

// signed is the header of a JSON body that bears its signature.
func signed(name, secret, body string) http.Header {
	h := http.Header{"Content-Type": {"application/json"}}
	h.Set(name, signature(secret, body))
	return h
}

// send sends a signed webhook and returns the answer.
func send(t *testing.T, h *harness.Host, path string, header http.Header, body string) harness.Answer {
	t.Helper()
	answer, err := h.Do(http.MethodPost, path, header, []byte(body))
	if err != nil {
		t.Fatal(err)
	}
	return answer
}

// probeEvent sends an order to the probe and returns the job's id.
func probeEvent(t *testing.T, h *harness.Host, body string) string {
	t.Helper()
	return send(t, h, "/webhooks/probe/events", signed("X-Hub-Signature", "probe-secret", body), body).Accepted(t)
}
