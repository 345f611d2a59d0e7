package telemetry

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// observeTime bounds all questions of one reading of the metrics together.
const observeTime = time.Second

// Depth counts the jobs of one instance by where they are.
type Depth struct {
	// Waiting are those that have not begun: ready, held or delayed. Outbox are facts on their way to their subscribers.
	Waiting, Running, Dead, Outbox int64
}

// Plugin is one instance as it is now.
type Plugin struct {
	Instance string
	// Ready says that it takes work.
	Ready bool
	// PID is that of its process; 0: there is none.
	PID int
	// Restarts counts its starts after the first, LinesDropped the lines of its log beyond its rate.
	Restarts     int
	LinesDropped int64
}

// Observed is what is asked for when the metrics are read, so that nothing polls in between.
type Observed struct {
	// Version is the host's.
	Version string
	// Depths answers what it knows by instance, with an error when that is not all.
	Depths func(context.Context) (map[string]Depth, error)
	// Plugins lists the instances.
	Plugins func() []Plugin
	// RedisUp says whether Redis answered when it was last asked.
	RedisUp func() bool
	// Spool says what this node's spool holds.
	Spool func(context.Context) (jobs, bytes int64, err error)
}

// Observe registers what is asked for at each reading. It is called once.
func (m *Metrics) Observe(o Observed) { m.registry.MustRegister(newObserver(o)) }

// observer is the prometheus.Collector of what is observed.
type observer struct {
	Observed
	failures                         *prometheus.CounterVec
	build, redis                     *prometheus.Desc
	waiting, running, dead, outbox   *prometheus.Desc
	spoolJobs, spoolBytes            *prometheus.Desc
	ready, restarts, memory, dropped *prometheus.Desc
}

func newObserver(o Observed) *observer {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc(prometheus.BuildFQName(namespace, "", name), help, labels, nil)
	}
	c := &observer{
		Observed: o,
		failures: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: namespace, Name: "observe_failures_total",
			Help: "Readings of the metrics in which a part did not answer, or not in full.",
		}, []string{"part"}),
		build:      desc("build_info", "Constant 1; the label is the host's version.", "version"),
		redis:      desc("redis_up", "1 while Redis answers."),
		waiting:    desc("queue_depth", "Jobs that wait: ready, delayed or held.", "instance"),
		running:    desc("queue_running", "Jobs that have begun, on whatever node.", "instance"),
		dead:       desc("queue_dead_letters", "Dead letters that are kept.", "instance"),
		outbox:     desc("queue_outbox", "Emitted facts that are not with their subscribers yet.", "instance"),
		spoolJobs:  desc("spool_jobs", "Accepted jobs on this node's disk that are not in Redis yet."),
		spoolBytes: desc("spool_bytes", "Size of the jobs on this node's disk; its bound is queue.spool_max_bytes."),
		ready:      desc("plugin_ready", "1 while the instance takes work.", "instance"),
		restarts:   desc("plugin_restarts_total", "Starts of an instance's process after the first.", "instance"),
		memory:     desc("plugin_resident_memory_bytes", "Resident memory of an instance's process (Linux).", "instance"),
		dropped:    desc("plugin_log_lines_dropped_total", "Lines of an instance's log beyond its rate.", "instance"),
	}
	for _, part := range []string{partQueue, partSpool} {
		c.failures.WithLabelValues(part)
	}
	return c
}

// The parts that may not answer.
const (
	partQueue = "queue"
	partSpool = "spool"
)

// Describe implements prometheus.Collector.
func (c *observer) Describe(ch chan<- *prometheus.Desc) {
	for _, desc := range []*prometheus.Desc{
		c.build, c.redis, c.waiting, c.running, c.dead, c.outbox, c.spoolJobs, c.spoolBytes, c.ready, c.restarts, c.memory, c.dropped,
	} {
		ch <- desc
	}
	c.failures.Describe(ch)
}

// Collect implements prometheus.Collector.
func (c *observer) Collect(ch chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), observeTime)
	defer cancel()
	gauge := func(desc *prometheus.Desc, value int64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, float64(value), labels...)
	}
	counter := func(desc *prometheus.Desc, value int64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(desc, prometheus.CounterValue, float64(value), labels...)
	}
	gauge(c.build, 1, c.Version)
	gauge(c.redis, number(c.RedisUp()))
	for _, p := range c.Plugins() {
		gauge(c.ready, number(p.Ready), p.Instance)
		counter(c.restarts, int64(p.Restarts), p.Instance)
		counter(c.dropped, p.LinesDropped, p.Instance)
		if bytes, ok := residentMemory(p.PID); ok {
			gauge(c.memory, bytes, p.Instance)
		}
	}
	if jobs, bytes, err := c.Spool(ctx); err != nil {
		c.failures.WithLabelValues(partSpool).Inc()
	} else {
		gauge(c.spoolJobs, jobs)
		gauge(c.spoolBytes, bytes)
	}
	depths, err := c.Depths(ctx)
	if err != nil {
		c.failures.WithLabelValues(partQueue).Inc()
	}
	for instance, d := range depths {
		gauge(c.waiting, d.Waiting, instance)
		gauge(c.running, d.Running, instance)
		gauge(c.dead, d.Dead, instance)
		gauge(c.outbox, d.Outbox, instance)
	}
	c.failures.Collect(ch)
}

func number(yes bool) int64 {
	if yes {
		return 1
	}
	return 0
}
