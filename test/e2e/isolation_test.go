package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"bulkhead.dev/test/harness"
)

func TestKilledPluginComesBackAndItsJobsFinish(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, o harness.Options) {
		sandbox := harness.StartSandbox(t, binaries(t))
		o.Sandbox = sandbox
		h := harness.StartHost(t, binaries(t), o)
		before, err := h.Plugin("probe")
		if err != nil {
			t.Fatal(err)
		}
		var jobs []string
		for i := range 20 {
			jobs = append(jobs, probeEvent(t, h, fmt.Sprintf(`{"id":"j%d","sleep_ms":1000}`, i)))
		}
		quiet := neighbour(t, h, 12)
		if err := syscall.Kill(before.PID, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		// Meanwhile another domain goes on as if nothing had happened; how well is for a person to judge.
		during := neighbour(t, h, 12)
		t.Logf("another domain's calls: median %v, longest %v; during the kill: median %v, longest %v",
			quiet[len(quiet)/2], quiet[len(quiet)-1], during[len(during)/2], during[len(during)-1])
		for _, id := range jobs {
			if job := h.AwaitJob(id, "done", "dead"); job.State != "done" || job.Attempt != 1 {
				t.Errorf("job %+v; want it done without an attempt lost", job)
			}
		}
		after, err := h.Plugin("probe")
		if err != nil || after.PID == before.PID || after.Restarts != 1 || after.State != "ready" {
			t.Errorf("plugin %+v (was pid %d), error %v; want one restart", after, before.PID, err)
		}
	})
}

// neighbour calls another domain n times, few enough for the rate that its plugin keeps to towards the vendor, which must succeed, and returns how long each call took, in order.
func neighbour(t *testing.T, h *harness.Host, n int) []time.Duration {
	t.Helper()
	took := make([]time.Duration, n)
	for i := range took {
		start := time.Now()
		if answer := h.Ask("/interactive/jira/search", `{"jql":"project = ONB","limit":1}`); answer.Status != http.StatusOK {
			t.Errorf("another domain: %d %s", answer.Status, answer.Body)
		}
		took[i] = time.Since(start).Round(10 * time.Microsecond)
	}
	slices.Sort(took)
	return took
}

func TestJobThatKillsItsProcessIsEnded(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, o harness.Options) {
		o.Plugins = []string{"probe"}
		h := harness.StartHost(t, binaries(t), o)
		poison := probeEvent(t, h, `{"id":"poison","die":99}`)
		if job := h.AwaitJob(poison, "done", "dead"); job.State != "dead" {
			t.Errorf("poison: %+v; want a dead letter", job)
		}
		once := probeEvent(t, h, `{"id":"once","die":1}`)
		if job := h.AwaitJob(once, "done", "dead"); job.State != "done" {
			t.Errorf("a job that killed its process once: %+v; want done", job)
		}
	})
}

func TestKilledHostLeavesNoProcess(t *testing.T) {
	t.Parallel()
	h := harness.StartHost(t, binaries(t), harness.Options{Sandbox: harness.StartSandbox(t, binaries(t))})
	var pids []int
	for _, name := range []string{"jira", "slack", "pipedrive", "peopleforce", "probe"} {
		p, err := h.Plugin(name)
		if err != nil || p.PID == 0 {
			t.Fatalf("%s: %+v %v", name, p, err)
		}
		pids = append(pids, p.PID)
	}
	h.Kill()
	for _, pid := range pids {
		harness.Eventually(t, "process "+strconv.Itoa(pid)+" ends", func() error { return alive(pid) })
	}
}

// alive answers an error while the process runs; an orphan that nobody has waited for yet is dead.
func alive(pid int) error {
	if err := syscall.Kill(pid, 0); errors.Is(err, syscall.ESRCH) {
		return nil
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return nil //nolint:nilerr // gone between the two looks
	}
	_, rest, _ := bytes.Cut(stat, []byte(") "))
	if bytes.HasPrefix(rest, []byte("Z")) {
		return nil
	}
	return fmt.Errorf("state %.1s", rest)
}

func TestStoppedHostDrains(t *testing.T) {
	t.Parallel()
	redis := harness.StartRedis(t)
	data := t.TempDir()
	o := harness.Options{Plugins: []string{"probe"}, Redis: redis, DataDir: data}
	h := harness.StartHost(t, binaries(t), o)
	id := probeEvent(t, h, `{"id":"slow","sleep_ms":1500,"note":"done before the end"}`)
	h.AwaitJob(id, "running", "done")
	if code := h.Stop(); code != 0 {
		t.Errorf("exit code %d; want 0\n%s", code, h.Log())
	}
	again := harness.StartHost(t, binaries(t), o)
	if job, err := again.Job(id); err != nil || job.State != "done" || !strings.Contains(string(job.Result), "done before the end") {
		t.Errorf("job after the restart: %+v %v; want it done", job, err)
	}
}

func TestRedisAwayIsBridgedByTheSpool(t *testing.T) {
	t.Parallel()
	redis := harness.StartRedis(t)
	h := harness.StartHost(t, binaries(t), harness.Options{Plugins: []string{"probe"}, Redis: redis})
	h.AwaitJob(probeEvent(t, h, `{"id":"before"}`), "done")
	redis.Kill()
	var jobs []string
	for i := range 10 {
		jobs = append(jobs, probeEvent(t, h, fmt.Sprintf(`{"id":"away%d","key":"k"}`, i)))
	}
	if answer := h.Ask("/interactive/probe/ask", `{}`); answer.Status != http.StatusServiceUnavailable || answer.Header.Get("Retry-After") == "" {
		t.Errorf("a call that waits: %d %s; want 503 with Retry-After", answer.Status, answer.Body)
	}
	if job, err := h.Job(jobs[0]); err != nil || job.State != "spooled" {
		t.Errorf("job during the outage: %+v %v; want it spooled", job, err)
	}
	redis.Start()
	for _, id := range jobs {
		if job := h.AwaitJob(id, "done", "dead"); job.State != "done" {
			t.Errorf("job %+v; want done", job)
		}
	}
}
