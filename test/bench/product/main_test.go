package product

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"bulkhead.dev/test/harness"
)

const (
	// binariesEnv names a directory with the built programs; without it they are built anew.
	binariesEnv = "BULKHEAD_BENCH_BINARIES"
	// floorEnv makes a bare server of the test binary.
	floorEnv = "BULKHEAD_BENCH_FLOOR"
)

var (
	// builder holds the binaries of this process where none are given.
	builder harness.Builder
	// interrupted ends when the process is told to: calls are cut off then, and what was started is ended in order.
	interrupted context.Context
)

func TestMain(m *testing.M) {
	if os.Getenv(floorEnv) != "" {
		if err := floor(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	var stop context.CancelFunc
	interrupted, stop = signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := m.Run()
	stop()
	if err := builder.Remove(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// binaries are the programs of the product, with the example plugin among the plugins.
func binaries(b *testing.B) *harness.Binaries {
	b.Helper()
	if dir := os.Getenv(binariesEnv); dir != "" {
		return &harness.Binaries{
			Host: filepath.Join(dir, "host"), Sandbox: filepath.Join(dir, "sandbox"), Plugins: filepath.Join(dir, "plugins"),
		}
	}
	bin, err := builder.Binaries()
	if err != nil {
		b.Fatal(err)
	}
	if path := filepath.Join(bin.Plugins, "echo"); !exists(path) {
		if out, err := exec.Command("go", "build", "-o", path, "bulkhead.dev/examples/echo").CombinedOutput(); err != nil {
			b.Fatalf("%v\n%s", err, out)
		}
	}
	return bin
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// memoryRedis starts a redis-server that keeps nothing on disk: what is measured is us, not the disk.
func memoryRedis(b *testing.B) *harness.Redis {
	b.Helper()
	return harness.StartRedis(b, "--appendonly", "no")
}

// hostEnv is the environment of a host as it is by default.
func hostEnv(instance string) []string {
	name := strings.ReplaceAll(strings.ToUpper(instance), "-", "_")
	return []string{"BULKHEAD_LOG__LEVEL=info", "BULKHEAD_PLUGINS__" + name + "__SETTINGS__SECRET=" + secret}
}

const secret = "bench-secret"

func signature(body []byte) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(body)
	return "sha256=" + hex.EncodeToString(mac.Sum(nil))
}

// floor serves what can't be left out: "/check" reads, compares the HMAC, parses and accepts; any other path answers
// with the body. It prints its address and ends with its standard input.
func floor() error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println(listener.Addr())
	server := &http.Server{ReadHeaderTimeout: 5 * time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20))
		if err != nil {
			http.Error(w, "refused", http.StatusBadRequest)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		if r.URL.Path != "/check" {
			_, _ = w.Write(body)
			return
		}
		if !hmac.Equal([]byte(r.Header.Get("X-Hub-Signature")), []byte(signature(body))) || !json.Valid(body) {
			http.Error(w, "refused", http.StatusUnauthorized)
			return
		}
		w.WriteHeader(http.StatusAccepted)
	})}
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin) // its end is the word to stop
		_ = server.Close()
	}()
	_ = server.Serve(listener) // closed above
	return nil
}

// startFloor starts floor as a process of its own, and returns its base URL and process id.
func startFloor(b *testing.B) (url string, pid int) {
	b.Helper()
	self, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), floorEnv+"=1")
	stdin, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		_ = stdin.Close()
		_ = cmd.Wait()
	})
	var addr string
	if _, err := fmt.Fscanln(stdout, &addr); err != nil {
		b.Fatal(err)
	}
	return "http://" + addr, cmd.Process.Pid
}
