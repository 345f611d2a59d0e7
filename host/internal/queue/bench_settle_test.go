package queue_test

import (
	"bytes"
	"context"
	"fmt"
	"sync"
	"testing"

	"bulkhead.dev/host/internal/queue"
)

// BenchmarkReadAndSettle drains a full queue with 256 runs at a time that end at once.
func BenchmarkReadAndSettle(b *testing.B) {
	const slots = 256
	envelope := bytes.Repeat([]byte("e"), benchEnvelope)
	r := &rig{t: b, real: startServer(b)}
	q := r.node(func(c *queue.Config) { c.Lease = 0 })
	rd := read(b, q)
	ctx := context.Background()
	spread(b, benchCallers, b.N, func(i int) error {
		_, err := q.Enqueue(ctx, queue.Job{
			Instance: acme, ID: acme + "-" + fmt.Sprintf("%026d", i), Type: "acme.event", Envelope: envelope,
		})
		return err
	})
	b.ResetTimer()
	report := processorTimes(b, r.real)
	free := make(chan struct{}, slots)
	var runs sync.WaitGroup
	for begun := 0; begun < b.N; {
		list, err := rd.Read(ctx, max(1, slots-len(free)))
		if err != nil {
			b.Log(err)
		}
		begun += len(list)
		for _, d := range list {
			free <- struct{}{}
			runs.Go(func() {
				if _, err := rd.Settle(ctx, queue.Settlement{Token: d.Token(), Kind: queue.Done}); err != nil {
					b.Error(err)
				}
				<-free
			})
		}
	}
	runs.Wait()
	b.StopTimer()
	report()
}
