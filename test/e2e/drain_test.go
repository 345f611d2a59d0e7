package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"bulkhead.dev/test/harness"
)

func TestStopKeepsToItsGracePeriod(t *testing.T) {
	t.Parallel()
	redis := harness.StartRedis(t)
	o := harness.Options{
		Plugins: []string{"probe"}, Redis: redis, DataDir: t.TempDir(), Env: []string{"BULKHEAD_SHUTDOWN__GRACE=3s"},
	}
	h := harness.StartHost(t, binaries(t), o)
	var jobs []string
	for i := range 5 {
		jobs = append(jobs, probeEvent(t, h, fmt.Sprintf(`{"id":"long%d","sleep_ms":9000}`, i)))
	}
	for _, id := range jobs {
		h.AwaitJob(id, "running")
	}
	start := time.Now()
	if code := h.Stop(); code != 0 {
		t.Errorf("exit code %d; want 0\n%s", code, h.Log())
	}
	t.Logf("stopped in %v", time.Since(start).Round(time.Millisecond))
	if strings.Contains(h.Log(), "can't be settled") {
		t.Errorf("runs were left unsettled:\n%s", h.Log())
	}
	// What was cut off begins again at once elsewhere, and cost no attempt: nobody waits for a lease to end.
	again := harness.StartHost(t, binaries(t), o)
	for _, id := range jobs {
		if job := again.AwaitJob(id, "running", "done", "dead"); job.State != "running" || job.Attempt != 1 {
			t.Errorf("job %+v; want it running at its first attempt", job)
		}
	}
}
