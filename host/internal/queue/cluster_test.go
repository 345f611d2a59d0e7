package queue_test

import (
	"context"
	"fmt"
	"net"
	"testing"

	"github.com/redis/go-redis/v9"

	"bulkhead.dev/host/internal/queue"
)

// A cluster of one node holds all slots and still refuses what reaches over them.
func TestCluster(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	s := startServer(t, "--port", fmt.Sprint(port), "--bind", "127.0.0.1", "--cluster-enabled", "yes", "--cluster-port", "0")
	if err := s.client.Do(ctx, "cluster", "addslotsrange", 0, 16383).Err(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the cluster is up", func() bool {
		info, err := s.client.ClusterInfo(ctx).Result()
		return err == nil && len(info) > 16 && info[:16] == "cluster_state:ok"
	})
	r := &rig{t: t, real: s}
	q := r.node(func(c *queue.Config) { c.URL = fmt.Sprintf("redis+cluster://127.0.0.1:%d", port) })
	if _, ok := queue.Raw(q).(*redis.ClusterClient); !ok {
		t.Fatal("not a client of a cluster")
	}
	if err := q.Register(ctx, queue.NodeInfo{Store: "one"}); err != nil {
		t.Fatal(err)
	}
	if err := q.PublishSubscriptions(ctx, acme, []byte("doc")); err != nil {
		t.Fatal(err)
	}
	rd := read(t, q, func(o *queue.DomainOptions) { o.Router = &router{} })
	j := job(1, ask, limit("api", 1))
	w := q.Await(j.RequestID)
	defer w.Close()
	put(t, q, j)
	put(t, q, job(2, key("k"), limit("api", 1)))
	d := rd.one()
	rd.end(queue.Settlement{Token: d.Token(), Kind: queue.Done, Emits: []queue.Emit{{Type: "widget", Key: "0"}}})
	if a := answer(t, w); a.State != queue.StateDone {
		t.Fatalf("%+v", a)
	}
	d = rd.one()
	rd.end(queue.Settlement{Token: d.Token(), Kind: queue.Later})
	rd.done(rd.one())
	eventually(t, "the fact arrives", func() bool {
		_, err := q.Status(ctx, "widget-0001_0")
		return err == nil
	})
}
