package store_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"

	"bulkhead.dev/host/internal/store"
)

// BenchmarkWrite compares one transaction a write with groups, and both ways of syncing, by 64 callers who wait.
func BenchmarkWrite(b *testing.B) {
	for _, sync := range []string{"FULL", "NORMAL"} {
		for name, group := range map[string]int{"alone": 1, "grouped": 256} {
			b.Run(fmt.Sprintf("%s/%s", sync, name), func(b *testing.B) {
				s, err := store.OpenAs(b.Context(), b.TempDir(), sync, group)
				if err != nil {
					b.Fatal(err)
				}
				defer func() { _ = s.Close() }()
				spool := s.Spool("n1", 1<<40)
				payload := make([]byte, 1000)
				var n atomic.Int64
				b.SetParallelism(32) // times GOMAXPROCS
				b.ResetTimer()
				b.RunParallel(func(pb *testing.PB) {
					for pb.Next() {
						row := store.SpoolRow{Queue: "q", JobID: fmt.Sprint(n.Add(1)), Payload: payload}
						if err := spool.Append(context.Background(), []store.SpoolRow{row}); err != nil {
							b.Error(err)
							return
						}
					}
				})
				b.StopTimer()
				stats := s.Stats()
				b.ReportMetric(float64(stats.Writes)/float64(stats.Groups), "writes/group")
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "writes/s")
				b.ReportMetric(float64(stats.LongestWait.Microseconds())/1000, "ms-longest")
			})
		}
	}
}

// BenchmarkAppend64 is what the queue does: one batch of 64 jobs, one caller.
func BenchmarkAppend64(b *testing.B) {
	for _, sync := range []string{"FULL", "NORMAL"} {
		b.Run(sync, func(b *testing.B) {
			s, err := store.OpenAs(b.Context(), b.TempDir(), sync, 256)
			if err != nil {
				b.Fatal(err)
			}
			defer func() { _ = s.Close() }()
			spool := s.Spool("n1", 1<<40)
			rows := make([]store.SpoolRow, 64)
			for i := range rows {
				rows[i] = store.SpoolRow{Queue: "q", JobID: fmt.Sprint(i), Payload: make([]byte, 1000)}
			}
			for b.Loop() {
				if err := spool.Append(b.Context(), rows); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.N*64)/b.Elapsed().Seconds(), "jobs/s")
		})
	}
}

// BenchmarkReadState is one value by its key.
func BenchmarkReadState(b *testing.B) {
	s, err := store.OpenAs(b.Context(), b.TempDir(), "FULL", 256)
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	if _, err := s.CommitState(b.Context(), "widget", commitOf(putValue("k", `1`))); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := s.ReadState(b.Context(), "widget", readOf(valueKey("k"))); err != nil {
			b.Fatal(err)
		}
	}
}
