package admin_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"bulkhead.dev/host/internal/admin"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// serve runs a host's admin socket in a node's folder below data, until the test ends or stop is called.
func serve(t *testing.T, data, node string) (dir string, stop func() error) {
	t.Helper()
	dir = filepath.Join(data, "nodes", node)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /alive", func(w http.ResponseWriter, _ *http.Request) { admin.Answer(w, node) })
	mux.HandleFunc("POST /echo/{word}", func(w http.ResponseWriter, r *http.Request) { admin.Answer(w, r.PathValue("word")) })
	mux.HandleFunc("GET /broken", func(w http.ResponseWriter, _ *http.Request) {
		admin.Refuse(w, http.StatusConflict, errors.New("it is broken"))
	})
	ctx, cancel := context.WithCancel(t.Context())
	server, err := admin.Listen(ctx, dir, mux)
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- server.Run(ctx) }()
	stopped := false
	stop = func() error {
		if stopped {
			return nil
		}
		stopped = true
		cancel()
		return <-ended
	}
	t.Cleanup(func() { _ = stop() })
	return dir, stop
}

func TestCommandLineReachesTheHost(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ data, node string }{
		"short path":                          {"d", "abcdefgh"},
		"path longer than a socket's address": {"d", strings.Repeat("n", 120)},
		"path with a pattern's characters":    {"[d]*?", "abcdefgh"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			data := filepath.Join(t.TempDir(), c.data)
			dir, stop := serve(t, data, c.node)
			for _, file := range []string{"admin.sock", "admin.token"} {
				if info, err := os.Stat(filepath.Join(dir, file)); err != nil || info.Mode().Perm() != 0o600 {
					t.Errorf("%s: %v, error %v; want mode 0600", file, info, err)
				}
			}
			client, err := admin.Dial(t.Context(), data, "")
			if err != nil {
				t.Fatal(err)
			}
			var answer string
			if err := client.Get(t.Context(), "/alive", &answer); err != nil || answer != c.node {
				t.Errorf("GET /alive: %q, %v; want %s", answer, err, c.node)
			}
			if err := client.Post(t.Context(), "/echo/yes", map[string]int{"n": 1}, &answer); err != nil || answer != "yes" {
				t.Errorf("POST /echo/yes: %q, %v", answer, err)
			}
			if err := client.Get(t.Context(), "/broken", nil); err == nil || err.Error() != "it is broken" {
				t.Errorf("GET /broken: %v; want the host's message", err)
			}
			if err := stop(); err != nil {
				t.Errorf("Run: %v", err)
			}
			if left, _ := os.ReadDir(dir); len(left) != 0 {
				t.Errorf("left behind: %v", left)
			}
		})
	}
}

func TestCallsWithoutTheTokenAreRefused(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	dir, _ := serve(t, data, "abcdefgh")
	if err := os.WriteFile(filepath.Join(dir, "admin.token"), []byte("wrong"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := admin.Dial(t.Context(), data, ""); !errors.Is(err, admin.ErrNoHost) || !strings.Contains(err.Error(), "token") {
		t.Errorf("Dial with a wrong token: %v; want ErrNoHost and the reason", err)
	}
}

func TestDialChoosesAmongHosts(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	serve(t, data, "first000")
	serve(t, data, "second00")
	// A host that was killed leaves its folder; nobody answers there.
	dead := filepath.Join(data, "nodes", "aaaadead")
	if err := os.MkdirAll(dead, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dead, "admin.token"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	left, err := net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(dead, "admin.sock")})
	if err != nil {
		t.Fatal(err)
	}
	left.SetUnlinkOnClose(false)
	if err := left.Close(); err != nil {
		t.Fatal(err)
	}
	for node, c := range map[string]struct{ answer, fault string }{
		"":         {answer: "first000"},
		"second00": {answer: "second00"},
		"aaaadead": {fault: "refused"},
		"nosuch00": {fault: "first000, second00"},
		"../..":    {fault: "../.."},
	} {
		client, err := admin.Dial(t.Context(), data, node)
		if c.fault != "" {
			if !errors.Is(err, admin.ErrNoHost) || !strings.Contains(err.Error(), c.fault) {
				t.Errorf("node %q: %v; want ErrNoHost and %q", node, err, c.fault)
			}
			continue
		}
		var answer string
		if err != nil || client.Get(t.Context(), "/alive", &answer) != nil || answer != c.answer {
			t.Errorf("node %q: %q, %v; want %s", node, answer, err, c.answer)
		}
	}
	if _, err := admin.Dial(t.Context(), filepath.Join(data, "nowhere"), ""); !errors.Is(err, admin.ErrNoHost) {
		t.Errorf("a data directory that is not there: %v; want ErrNoHost", err)
	}
}
