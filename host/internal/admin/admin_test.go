package admin_test

import (
	"context"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bulkhead.dev/host/internal/admin"
)

func TestCommandLineReachesTheHost(t *testing.T) {
	t.Parallel()
	for name, folder := range map[string]string{
		"short path":                          "abcdefgh",
		"path longer than a socket's address": strings.Repeat("n", 120),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			data := t.TempDir()
			dir := filepath.Join(data, "nodes", folder)
			if err := os.MkdirAll(dir, 0o700); err != nil {
				t.Fatal(err)
			}
			mux := http.NewServeMux()
			mux.HandleFunc("GET /alive", func(w http.ResponseWriter, _ *http.Request) { admin.Answer(w, "yes", nil, 0) })
			mux.HandleFunc("GET /broken", func(w http.ResponseWriter, _ *http.Request) {
				admin.Answer(w, nil, errors.New("it is broken"), http.StatusConflict)
			})
			ctx, cancel := context.WithCancel(t.Context())
			server, err := admin.Listen(ctx, dir, mux)
			if err != nil {
				t.Fatal(err)
			}
			ended := make(chan error, 1)
			go func() { ended <- server.Run(ctx) }()

			info, err := os.Stat(filepath.Join(dir, "admin.sock"))
			if err != nil || info.Mode().Perm() != 0o600 {
				t.Errorf("socket: mode %v, error %v; want 0600", info.Mode().Perm(), err)
			}
			client, err := admin.Dial(ctx, data, "")
			if err != nil {
				t.Fatal(err)
			}
			var answer string
			if err := client.Get(ctx, "/alive", &answer); err != nil || answer != "yes" {
				t.Errorf("GET /alive: %q, %v; want yes", answer, err)
			}
			if err := client.Get(ctx, "/broken", nil); err == nil || err.Error() != "it is broken" {
				t.Errorf("GET /broken: %v; want the host's message", err)
			}
			if err := os.WriteFile(filepath.Join(dir, "admin.token"), []byte("wrong"), 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := admin.Dial(ctx, data, ""); !errors.Is(err, admin.ErrNoHost) {
				t.Errorf("Dial with a wrong token: %v; want ErrNoHost", err)
			}
			cancel()
			if err := <-ended; err != nil {
				t.Errorf("Run: %v", err)
			}
			if left, _ := os.ReadDir(dir); len(left) != 0 {
				t.Errorf("left behind: %v", left)
			}
		})
	}
}
