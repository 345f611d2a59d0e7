package telemetry

import (
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

const (
	namespace = "bulkhead"
	// maxTypes is how many job types of one instance are told apart; a manifest has a few dozen, but envelopes outlive
	// manifests.
	maxTypes = 200
	// otherType stands for all job types beyond them.
	otherType = "other"
	// Bounds of reading the metrics: whoever asks more often or waits longer gets an error.
	readsAtOnce = 3
	readTime    = 10 * time.Second
)

// Metrics are the host's counters. All methods are safe for concurrent use. Names follow Prometheus' conventions
// (prometheus.io/docs/practices/naming): seconds, bytes, totals. Every label has a bounded set of values: instances,
// route patterns, statuses, states, and job types up to a limit.
type Metrics struct {
	registry *prometheus.Registry
	requests *prometheus.HistogramVec
	repeated *prometheus.CounterVec
	runs     *prometheus.HistogramVec
	settles  *prometheus.CounterVec
	states   *prometheus.CounterVec
	flying   *prometheus.GaugeVec

	mu    sync.Mutex
	types map[string]map[string]bool // instance -> job types that were seen
}

// NewMetrics returns Metrics with a registry of their own.
func NewMetrics() *Metrics {
	m := &Metrics{
		registry: prometheus.NewRegistry(), types: map[string]map[string]bool{},
		requests: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Namespace: namespace, Name: "http_request_duration_seconds", Help: "Time from a request's head to its answer, by route pattern.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 25, 30},
		}, []string{"route", "status"}),
		repeated: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: namespace, Name: "deliveries_repeated_total", Help: "Deliveries that were known already.",
		}, []string{"instance"}),
		runs: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Namespace: namespace, Name: "run_duration_seconds", Help: "Time of one run from its delivery to its settlement, by how it ended.",
			Buckets: []float64{.001, .005, .01, .05, .1, .5, 1, 5, 10, 30, 60, 300},
		}, []string{"instance", "type", "outcome"}),
		settles: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: namespace, Name: "settles_total", Help: "Runs that were settled; won is false where another run had taken over.",
		}, []string{"instance", "won"}),
		states: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: namespace, Name: "plugin_state_changes_total", Help: "Times that an instance came into a state.",
		}, []string{"instance", "state"}),
		flying: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Namespace: namespace, Name: "runs_in_flight", Help: "Runs that have begun and are not settled.",
		}, []string{"instance"}),
	}
	m.registry.MustRegister(m.requests, m.repeated, m.runs, m.settles, m.states, m.flying,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// Handler serves the metrics in Prometheus' text format.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{
		ErrorHandling: promhttp.ContinueOnError, MaxRequestsInFlight: readsAtOnce, Timeout: readTime,
	})
}

// Request implements gateway.Recorder.
func (m *Metrics) Request(route string, status int, took time.Duration) {
	m.requests.WithLabelValues(route, strconv.Itoa(status)).Observe(took.Seconds())
}

// Repeated implements gateway.Recorder.
func (m *Metrics) Repeated(instance string) { m.repeated.WithLabelValues(instance).Inc() }

// Run implements dispatch.Recorder.
func (m *Metrics) Run(instance, jobType, outcome string, took time.Duration) {
	m.runs.WithLabelValues(instance, m.bounded(instance, jobType), outcome).Observe(took.Seconds())
}

// bounded is the job type, or what stands for all beyond the limit.
func (m *Metrics) bounded(instance, jobType string) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	seen := m.types[instance]
	if seen == nil {
		seen = map[string]bool{}
		m.types[instance] = seen
	}
	if !seen[jobType] {
		if len(seen) >= maxTypes {
			return otherType
		}
		seen[jobType] = true
	}
	return jobType
}

// Flying implements dispatch.Recorder.
func (m *Metrics) Flying(instance string, change int) {
	m.flying.WithLabelValues(instance).Add(float64(change))
}

// Settled implements dispatch.Recorder.
func (m *Metrics) Settled(instance string, won bool) {
	m.settles.WithLabelValues(instance, strconv.FormatBool(won)).Inc()
}

// PluginState notes that an instance came into a state.
func (m *Metrics) PluginState(instance, state string) {
	m.states.WithLabelValues(instance, state).Inc()
}
