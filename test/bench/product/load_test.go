package product

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"bulkhead.dev/test/harness"
)

// call is one kind of request.
type call struct {
	base, path string
	header     string // lines, each with its end
	body       []byte
	want       int
}

// say asks the example plugin's synchronous route.
func say(base, path string) call {
	return call{
		base: base, path: path, body: []byte(`{"text":"hello"}`), want: http.StatusOK,
		header: "Authorization: Bearer " + harness.Token + "\r\n",
	}
}

// bytes is the request as it goes over the connection.
func (c call) bytes() []byte {
	return fmt.Appendf(nil, "POST %s HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n%s\r\n%s",
		c.path, strings.TrimPrefix(c.base, "http://"), len(c.body), c.header, c.body)
}

const (
	// driveTime is how long drive begins calls. What is so slow shows its slowness in fewer.
	driveTime = 15 * time.Second
	// callTime is what a call that was begun gets.
	callTime = 10 * time.Second
)

// drive makes n calls by callers who wait for their answer, each on a connection of its own, or as many as begin within
// driveTime, and returns how long each took, sorted.
func drive(b *testing.B, callers, n int, c call) []time.Duration {
	b.Helper()
	ctx, cancel := context.WithTimeout(interrupted, driveTime+callTime)
	defer cancel()
	last := time.Now().Add(driveTime)
	var next atomic.Int64
	var mu sync.Mutex
	var all sync.WaitGroup
	took := make([]time.Duration, 0, n)
	for range callers {
		all.Go(func() {
			err := onConnection(ctx, c, func(do func() error) error {
				for next.Add(1) <= int64(n) && time.Now().Before(last) {
					began := time.Now()
					if err := do(); err != nil {
						return err
					}
					mu.Lock()
					took = append(took, time.Since(began))
					mu.Unlock()
				}
				return nil
			})
			if err != nil {
				b.Error(err)
			}
		})
	}
	all.Wait()
	if b.Failed() {
		b.FailNow()
	}
	slices.Sort(took)
	return took
}

// onConnection opens a connection and hands use a function that makes the call on it. It is far cheaper than
// http.Client, so that what is measured is the other side. The end of ctx ends the connection.
func onConnection(ctx context.Context, c call, use func(do func() error) error) error {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", strings.TrimPrefix(c.base, "http://"))
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	answers, request := bufio.NewReader(conn), c.bytes()
	return use(func() error {
		if _, err := conn.Write(request); err != nil {
			return err
		}
		answer, err := http.ReadResponse(answers, nil)
		if err != nil {
			return err
		}
		var text bytes.Buffer
		_, err = io.Copy(&text, answer.Body)
		_ = answer.Body.Close()
		if err == nil && answer.StatusCode != c.want {
			err = fmt.Errorf("%s%s: %s %s", c.base, c.path, answer.Status, &text)
		}
		return err
	})
}

// quantile of sorted durations.
func quantile(sorted []time.Duration, q float64) time.Duration {
	return sorted[int(q*float64(len(sorted)-1))]
}

// reportQuantiles shows the middle and the slow end.
func reportQuantiles(b *testing.B, sorted []time.Duration) {
	b.Helper()
	b.ReportMetric(float64(quantile(sorted, 0.5)), "p50-ns")
	b.ReportMetric(float64(quantile(sorted, 0.99)), "p99-ns")
}
