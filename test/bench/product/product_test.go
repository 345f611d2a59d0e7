package product

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"bulkhead.dev/test/harness"
)

// BenchmarkSync is the round trip of pattern B: through the door, Redis, the example plugin and back, beside a bare
// server of another process that answers by itself.
func BenchmarkSync(b *testing.B) {
	for _, callers := range []int{1, 16, 64} {
		name := fmt.Sprintf("callers=%d", callers)
		b.Run("bare/"+name, func(b *testing.B) {
			base, _ := startFloor(b)
			benchSync(b, callers, say(base, "/say"))
		})
		b.Run("host/"+name, func(b *testing.B) {
			h := harness.StartHost(b, binaries(b), harness.Options{
				Redis: memoryRedis(b), Plugins: []string{"echo"}, Env: hostEnv("echo"),
			})
			benchSync(b, callers, say(h.URL, "/interactive/echo/say"))
		})
	}
}

func benchSync(b *testing.B, callers int, c call) {
	b.Helper()
	drive(b, callers, 2*callers, c) // connections and pools are there
	b.ResetTimer()
	took := drive(b, callers, b.N, c)
	b.StopTimer()
	reportQuantiles(b, took)
}

// BenchmarkWebhook is the whole of pattern A: signed events until their jobs have ended, by 64 callers. Its floor
// checks the signature and the JSON, and keeps nothing.
func BenchmarkWebhook(b *testing.B) {
	// The plugin logs the text; the rest is only carried.
	body := fmt.Appendf(nil, `{"text":"hello","rest":%q}`, strings.Repeat("A line of a comment that somebody typed. ", 50))
	event := call{path: "/check", body: body, want: http.StatusAccepted, header: "X-Hub-Signature: " + signature(body) + "\r\n"}
	b.Run("bare", func(b *testing.B) {
		base, pid := startFloor(b)
		event.base = base
		b.ResetTimer()
		report := processorTimes(b, map[string]int{"host-cpu-ns/op": pid})
		drive(b, 64, b.N, event)
		b.StopTimer()
		report()
	})
	b.Run("host", func(b *testing.B) {
		server := memoryRedis(b)
		h := harness.StartHost(b, binaries(b), harness.Options{Redis: server, Plugins: []string{"echo"}, Env: hostEnv("echo")})
		plugin, err := h.Plugin("echo")
		if err != nil {
			b.Fatal(err)
		}
		event.base, event.path = h.URL, "/webhooks/echo/events"
		b.ResetTimer()
		report := processorTimes(b, map[string]int{
			"host-cpu-ns/op": h.PID(), "plugin-cpu-ns/op": plugin.PID, "redis-cpu-ns/op": server.PID(),
		})
		sent := len(drive(b, 64, b.N, event))
		harness.Eventually(b, "all jobs end", func() error {
			if n := settled(h); n < sent {
				return fmt.Errorf("%d of %d", n, sent)
			}
			return nil
		})
		b.StopTimer()
		if sent < b.N {
			b.Fatalf("only %d of %d events were taken", sent, b.N)
		}
		report()
	})
}

// settled reads from /metrics how many runs have ended.
func settled(h *harness.Host) int {
	_, text := h.Get("/metrics")
	lines := bufio.NewScanner(bytes.NewReader(text))
	for lines.Scan() {
		if value, ok := strings.CutPrefix(lines.Text(), `bulkhead_settles_total{instance="echo",won="true"} `); ok {
			n, err := strconv.ParseFloat(value, 64)
			if err == nil {
				return int(n)
			}
		}
	}
	return 0
}

// BenchmarkCrash kills a plugin as kill -9 does and measures the time until a caller who asks at that moment has the
// answer of its successor. Each plugin is killed once: the wait before a start grows with each one.
func BenchmarkCrash(b *testing.B) {
	bin := *binaries(b)
	plugins, env := b.TempDir(), []string(nil)
	var names []string
	for i := range b.N {
		names = append(names, fmt.Sprintf("echo-%d", i))
		if err := copyFile(filepath.Join(bin.Plugins, "echo"), filepath.Join(plugins, names[i])); err != nil {
			b.Fatal(err)
		}
		env = append(env, hostEnv(names[i])...)
	}
	bin.Plugins = plugins
	h := harness.StartHost(b, &bin, harness.Options{Redis: memoryRedis(b), Env: env})
	took := make([]time.Duration, 0, b.N)
	b.ResetTimer()
	for _, name := range names {
		c := say(h.URL, "/interactive/"+name+"/say")
		drive(b, 1, 1, c)
		before, err := h.Plugin(name)
		if err != nil {
			b.Fatal(err)
		}
		began := time.Now()
		if err := syscall.Kill(before.PID, syscall.SIGKILL); err != nil {
			b.Fatal(err)
		}
		drive(b, 1, 1, c)
		took = append(took, time.Since(began))
		if after, err := h.Plugin(name); err != nil || after.PID == before.PID || after.Restarts == 0 {
			b.Fatalf("no new process answered: %+v, %v", after, err)
		}
	}
	b.StopTimer()
	slices.Sort(took)
	reportQuantiles(b, took)
}

func copyFile(from, to string) error {
	data, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, data, 0o700) // #nosec G703 -- a directory of the benchmark's own; a link may not reach there
}

// BenchmarkResident is the memory of a host with all plugins after some calls, and of each of them; beside it a bare
// server of this test's own, which has answered as many.
func BenchmarkResident(b *testing.B) {
	const calls = 200
	report := func(name string, pid int) {
		b.Run(name, func(b *testing.B) {
			_, resident, err := usage(pid)
			if err != nil {
				b.Fatal(err)
			}
			b.ReportMetric(float64(resident), "resident-bytes")
		})
	}
	base, pid := startFloor(b)
	drive(b, 16, calls, say(base, "/say"))
	report("bare", pid)

	bin := binaries(b)
	h := harness.StartHost(b, bin, harness.Options{Redis: memoryRedis(b), Sandbox: harness.StartSandbox(b, bin), Env: hostEnv("echo")})
	drive(b, 16, calls, say(h.URL, "/interactive/echo/say"))
	report("host", h.PID())
	names, err := os.ReadDir(bin.Plugins)
	if err != nil {
		b.Fatal(err)
	}
	for _, name := range names {
		plugin, err := h.Plugin(name.Name())
		if err == nil && plugin.State != "ready" {
			err = errors.New(plugin.State + ": " + plugin.Reason)
		}
		if err != nil {
			b.Errorf("%s: %v", name.Name(), err)
			continue
		}
		report(plugin.Instance, plugin.PID)
	}
}
