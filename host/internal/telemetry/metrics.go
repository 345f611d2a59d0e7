package telemetry

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Metrics are the host's counters. All methods are safe for concurrent use. Names follow Prometheus' conventions:
// seconds, bytes, totals.
type Metrics struct {
	registry *prometheus.Registry
	requests *prometheus.HistogramVec
	repeated *prometheus.CounterVec
	runs     *prometheus.HistogramVec
	settles  *prometheus.CounterVec
	starts   *prometheus.CounterVec
	ready    *prometheus.GaugeVec
	flying   *prometheus.GaugeVec
}

// NewMetrics returns Metrics with a registry of their own.
func NewMetrics() *Metrics {
	const ns = "bulkhead"
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Namespace: ns, Name: "http_request_duration_seconds", Help: "Time from a request's head to its answer.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 25, 30},
		}, []string{"route", "status"}),
		repeated: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: ns, Name: "deliveries_repeated_total", Help: "Deliveries that were known already.",
		}, []string{"instance"}),
		runs: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Namespace: ns, Name: "run_duration_seconds", Help: "Time of one run in the plugin, by how it ended.",
			Buckets: []float64{.001, .005, .01, .05, .1, .5, 1, 5, 10, 30, 60, 300},
		}, []string{"instance", "type", "outcome"}),
		settles: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: ns, Name: "settles_total", Help: "Runs that were settled; won is false where another run had taken over.",
		}, []string{"instance", "won"}),
		starts: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: ns, Name: "plugin_state_changes_total", Help: "Times that an instance came into a state.",
		}, []string{"instance", "state"}),
		ready: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Namespace: ns, Name: "plugin_ready", Help: "1 while the instance takes work.",
		}, []string{"instance"}),
	}
	m.flying = prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Namespace: ns, Name: "runs_in_flight", Help: "Runs that have begun and are not settled.",
	}, []string{"instance"})
	m.registry.MustRegister(m.requests, m.repeated, m.runs, m.settles, m.starts, m.ready, m.flying,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// Handler serves the metrics in Prometheus' text format.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{})
}

// Request implements gateway.Recorder.
func (m *Metrics) Request(route string, status int, took time.Duration) {
	m.requests.WithLabelValues(route, strconv.Itoa(status)).Observe(took.Seconds())
}

// Repeated implements gateway.Recorder.
func (m *Metrics) Repeated(instance string) { m.repeated.WithLabelValues(instance).Inc() }

// Run implements dispatch.Recorder.
func (m *Metrics) Run(instance, jobType, outcome string, took time.Duration) {
	m.runs.WithLabelValues(instance, jobType, outcome).Observe(took.Seconds())
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
func (m *Metrics) PluginState(instance, state string, ready bool) {
	m.starts.WithLabelValues(instance, state).Inc()
	value := 0.0
	if ready {
		value = 1
	}
	m.ready.WithLabelValues(instance).Set(value)
}

// Depths registers a gauge of the jobs that wait, asked at each scrape. It must be called once at most.
func (m *Metrics) Depths(depths func(context.Context) map[string]int64) {
	m.registry.MustRegister(&depthCollector{depths: depths, desc: prometheus.NewDesc(
		"bulkhead_queue_depth", "Jobs that wait: ready, delayed or held.", []string{"instance"}, nil)})
}

// depthCollector asks the queue when it is scraped, so that nothing polls in between.
type depthCollector struct {
	depths func(context.Context) map[string]int64
	desc   *prometheus.Desc
}

// Describe implements prometheus.Collector.
func (c *depthCollector) Describe(ch chan<- *prometheus.Desc) { ch <- c.desc }

// Collect implements prometheus.Collector.
func (c *depthCollector) Collect(ch chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	for instance, depth := range c.depths(ctx) {
		ch <- prometheus.MustNewConstMetric(c.desc, prometheus.GaugeValue, float64(depth), instance)
	}
}
