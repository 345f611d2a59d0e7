package queue_test

import (
	"bytes"
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/redis/go-redis/v9"

	"bulkhead.dev/host/internal/queue"
)

const (
	// benchCallers is how many wait for their answer at once.
	benchCallers = 64
	// benchEnvelope is the size of a job in bytes, as measured on vendors' events.
	benchEnvelope = 2200
)

// spread calls do for 0 to n-1 by callers at once.
func spread(b *testing.B, callers, n int, do func(i int) error) {
	b.Helper()
	var next atomic.Int64
	var all sync.WaitGroup
	for range callers {
		all.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				if err := do(i); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
}

// processorTimes begins to measure what this process and the server work; other load on the machine hardly changes it.
func processorTimes(b *testing.B, s *server) (report func()) {
	b.Helper()
	own := func() float64 {
		var usage syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
			b.Fatal(err)
		}
		return float64(usage.Utime.Nano() + usage.Stime.Nano())
	}
	theirs := func() (nanos float64) {
		text, err := s.client.Info(context.Background(), "cpu").Result()
		if err != nil {
			b.Fatal(err)
		}
		for line := range strings.Lines(text) {
			name, value, _ := strings.Cut(strings.TrimSpace(line), ":")
			if name == "used_cpu_user" || name == "used_cpu_sys" {
				seconds, err := strconv.ParseFloat(value, 64)
				if err != nil {
					b.Fatal(err)
				}
				nanos += seconds * 1e9
			}
		}
		return nanos
	}
	client, redis := own(), theirs()
	return func() {
		b.ReportMetric((own()-client)/float64(b.N), "cpu-ns/op")
		b.ReportMetric((theirs()-redis)/float64(b.N), "redis-cpu-ns/op")
	}
}

// BenchmarkEnqueue compares an enqueue, by callers who wait, with one bare XADD a caller over the same client library,
// and with bare XADDs in the pipelines of 64 that a caller who knows them all beforehand would send.
func BenchmarkEnqueue(b *testing.B) {
	envelope := bytes.Repeat([]byte("e"), benchEnvelope)
	for name, group := range map[string]int{"xadd": 1, "xadd-pipelined": benchCallers} {
		b.Run(name, func(b *testing.B) {
			s := startServer(b)
			client := redis.NewClient(&redis.Options{Network: "unix", Addr: s.socket, PoolSize: 16, MaxRetries: -1, Protocol: 2, DisableIdentity: true})
			defer func() { _ = client.Close() }()
			ctx := context.Background()
			add := func(c redis.Cmdable) *redis.StringCmd {
				return c.XAdd(ctx, &redis.XAddArgs{Stream: "bare", Values: []any{"e", envelope}})
			}
			b.ResetTimer()
			report := processorTimes(b, s)
			if group == 1 {
				spread(b, benchCallers, b.N, func(int) error { return add(client).Err() })
			} else {
				spread(b, 1, (b.N+group-1)/group, func(i int) error {
					_, err := client.Pipelined(ctx, func(p redis.Pipeliner) error {
						for range min(group, b.N-i*group) {
							add(p)
						}
						return nil
					})
					return err
				})
			}
			b.StopTimer()
			report()
		})
	}
	b.Run("enqueue", func(b *testing.B) {
		r := &rig{t: b, real: startServer(b)}
		q := r.node()
		b.ResetTimer()
		report := processorTimes(b, r.real)
		spread(b, benchCallers, b.N, func(i int) error {
			_, err := q.Enqueue(context.Background(), queue.Job{
				Instance: acme, ID: acme + "-" + fmt.Sprintf("%026d", i), Type: "acme.event",
				RequestID: fmt.Sprintf("node0001-%026d", i), Envelope: envelope,
			})
			return err
		})
		b.StopTimer()
		report()
	})
}
