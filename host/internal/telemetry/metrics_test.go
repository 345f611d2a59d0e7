package telemetry_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"bulkhead.dev/host/internal/telemetry"
)

// observed is what a sound host has to tell.
func observed() telemetry.Observed {
	return telemetry.Observed{
		Version: "1.2.3",
		Depths: func(context.Context) (map[string]telemetry.Depth, error) {
			return map[string]telemetry.Depth{"widget": {Waiting: 7, Running: 2, Dead: 1, Outbox: 3}}, nil
		},
		Plugins: func() []telemetry.Plugin {
			return []telemetry.Plugin{
				{Instance: "widget", Ready: true, PID: os.Getpid(), Restarts: 4, LinesDropped: 5}, {Instance: "gadget"},
			}
		},
		RedisUp: func() bool { return true },
		Spool:   func(context.Context) (jobs, bytes int64, err error) { return 11, 2048, nil },
	}
}

func read(t *testing.T, m *telemetry.Metrics) string {
	t.Helper()
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	if w.Code != http.StatusOK {
		t.Fatalf("status %d: %s", w.Code, w.Body)
	}
	return w.Body.String()
}

// used is a set of metrics in which everything has happened once.
func used(o telemetry.Observed) *telemetry.Metrics {
	m := telemetry.NewMetrics()
	m.Observe(o)
	m.Request("POST /webhooks/widget/events", http.StatusAccepted, 3*time.Millisecond)
	m.Repeated("widget")
	m.Run("widget", "widget.made", "done", time.Second)
	m.Flying("widget", 1)
	m.Settled("widget", true)
	m.PluginState("widget", "ready")
	return m
}

func TestMetricsTellWhatHappened(t *testing.T) {
	t.Parallel()
	text := read(t, used(observed()))
	wants := []string{
		`bulkhead_http_request_duration_seconds_count{route="POST /webhooks/widget/events",status="202"} 1`,
		`bulkhead_deliveries_repeated_total{instance="widget"} 1`,
		`bulkhead_run_duration_seconds_sum{instance="widget",outcome="done",type="widget.made"} 1`,
		`bulkhead_runs_in_flight{instance="widget"} 1`,
		`bulkhead_settles_total{instance="widget",won="true"} 1`,
		`bulkhead_plugin_state_changes_total{instance="widget",state="ready"} 1`,
		`bulkhead_build_info{version="1.2.3"} 1`,
		`bulkhead_redis_up 1`,
		`bulkhead_queue_depth{instance="widget"} 7`,
		`bulkhead_queue_running{instance="widget"} 2`,
		`bulkhead_queue_dead_letters{instance="widget"} 1`,
		`bulkhead_queue_outbox{instance="widget"} 3`,
		`bulkhead_spool_jobs 11`,
		`bulkhead_spool_bytes 2048`,
		`bulkhead_plugin_ready{instance="widget"} 1`,
		`bulkhead_plugin_ready{instance="gadget"} 0`,
		`bulkhead_plugin_restarts_total{instance="widget"} 4`,
		`bulkhead_plugin_log_lines_dropped_total{instance="widget"} 5`,
		`bulkhead_observe_failures_total{part="queue"} 0`,
		`bulkhead_observe_failures_total{part="spool"} 0`,
	}
	if runtime.GOOS == "linux" {
		wants = append(wants, `bulkhead_plugin_resident_memory_bytes{instance="widget"} `)
	}
	for _, want := range wants {
		if !strings.Contains(text, "\n"+want) {
			t.Errorf("no %s in\n%s", want, text)
		}
	}
	if strings.Contains(text, `bulkhead_plugin_resident_memory_bytes{instance="gadget"}`) {
		t.Error("memory of a process that is not there")
	}
}

func TestMetricsFollowTheConventions(t *testing.T) {
	t.Parallel()
	problems, err := promlint.New(strings.NewReader(read(t, used(observed())))).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}

func TestPartThatDoesNotAnswerIsCounted(t *testing.T) {
	t.Parallel()
	o := observed()
	o.Depths = func(ctx context.Context) (map[string]telemetry.Depth, error) {
		<-ctx.Done() // a reading has its end
		return map[string]telemetry.Depth{"gadget": {Waiting: 1}}, ctx.Err()
	}
	o.Spool = func(context.Context) (jobs, bytes int64, err error) { return 0, 0, errors.New("no disk") }
	o.RedisUp = func() bool { return false }
	text := read(t, used(o))
	for _, want := range []string{
		`bulkhead_observe_failures_total{part="queue"} 1`, `bulkhead_observe_failures_total{part="spool"} 1`,
		`bulkhead_queue_depth{instance="gadget"} 1`, `bulkhead_redis_up 0`,
	} {
		if !strings.Contains(text, "\n"+want) {
			t.Errorf("no %s in\n%s", want, text)
		}
	}
	if strings.Contains(text, "bulkhead_spool_") {
		t.Error("a spool that did not answer has a size")
	}
}

func TestJobTypesAreBounded(t *testing.T) {
	t.Parallel()
	m := telemetry.NewMetrics()
	for i := range 1000 {
		m.Run("widget", "widget.t"+strconv.Itoa(i), "done", time.Millisecond)
	}
	m.Run("gadget", "gadget.made", "done", time.Millisecond)
	text := read(t, m)
	if n := strings.Count(text, "\nbulkhead_run_duration_seconds_count{"); n != 202 {
		t.Errorf("%d series; want 200 types, the rest, and the other instance's", n)
	}
	for _, want := range []string{`{instance="widget",outcome="done",type="other"} 800`, `{instance="gadget",outcome="done",type="gadget.made"} 1`} {
		if !strings.Contains(text, want) {
			t.Errorf("no %s", want)
		}
	}
}
