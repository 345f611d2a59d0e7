// Package admin is how the command line speaks with a running host: HTTP over a unix socket in the node's folder, open
// to the host's own user alone, with a token beside it that every call must bear. What can be asked is registered by
// the host.
package admin

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"
)

const (
	socketName = "admin.sock"
	tokenName  = "admin.token"
	maxBody    = 16 << 20
	callTime   = 60 * time.Second
)

// Server answers the command line. Make one with Listen.
type Server struct {
	http     *http.Server
	listener net.Listener
	dir      string
}

// Listen opens the socket in dir, the node's folder. The handler sees only calls that bear the token.
func Listen(ctx context.Context, dir string, handler http.Handler) (*Server, error) {
	token := make([]byte, 32)
	_, _ = rand.Read(token) // never fails (crypto/rand)
	text := hex.EncodeToString(token)
	if err := os.WriteFile(filepath.Join(dir, tokenName), []byte(text), 0o600); err != nil {
		return nil, fmt.Errorf("admin token: %w", err)
	}
	listener, err := listen(ctx, dir)
	if err != nil {
		return nil, fmt.Errorf("admin socket: %w", err)
	}
	return &Server{dir: dir, listener: listener, http: &http.Server{
		Handler: guard(text, handler), ReadHeaderTimeout: 5 * time.Second, ReadTimeout: callTime, WriteTimeout: callTime,
	}}, nil
}

// listen binds the socket through the folder's descriptor where a long path would not fit into a socket's address.
func listen(ctx context.Context, dir string) (net.Listener, error) {
	path, done, err := address(dir)
	if err != nil {
		return nil, err
	}
	defer done()
	if err := os.Remove(filepath.Join(dir, socketName)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "unix", path)
	if err != nil {
		return nil, err
	}
	if socket, ok := listener.(*net.UnixListener); ok {
		// Run removes the file. A close by path would take another's: the path may go through a descriptor that is
		// another folder's by then.
		socket.SetUnlinkOnClose(false)
	}
	if err := os.Chmod(filepath.Join(dir, socketName), 0o600); err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	return listener, nil
}

func guard(token string, next http.Handler) http.Handler {
	want := []byte("Bearer " + token)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if subtle.ConstantTimeCompare([]byte(r.Header.Get("Authorization")), want) != 1 {
			http.Error(w, "the token is missing or wrong", http.StatusUnauthorized)
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		next.ServeHTTP(w, r)
	})
}

// Run serves until ctx ends.
func (s *Server) Run(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() { _ = s.http.Close() })
	defer stop()
	err := s.http.Serve(s.listener)
	for _, name := range []string{socketName, tokenName} {
		_ = os.Remove(filepath.Join(s.dir, name)) // the next start would do it too
	}
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

// Answer writes v as JSON.
func Answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v) // a caller who has gone needs no answer
}

// Refuse answers with the error's text, which is for the operator's eyes.
func Refuse(w http.ResponseWriter, status int, err error) { http.Error(w, err.Error(), status) }
