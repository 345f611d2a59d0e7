package product

import (
	"testing"
	"time"
)

// processorTimes begins to measure what processes work; they are named by their metric. Other load on the machine
// hardly changes it.
func processorTimes(b *testing.B, pids map[string]int) (report func()) {
	b.Helper()
	used := func(pid int) time.Duration {
		processor, _, err := usage(pid)
		if err != nil {
			b.Fatal(err)
		}
		return processor
	}
	before := map[string]time.Duration{}
	for metric, pid := range pids {
		before[metric] = used(pid)
	}
	return func() {
		for metric, pid := range pids {
			b.ReportMetric(float64(used(pid)-before[metric])/float64(b.N), metric)
		}
	}
}
