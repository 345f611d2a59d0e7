package queue

import (
	"context"

	"github.com/redis/go-redis/v9"
)

// takeOver takes entries of nodes that are not heard of, as many as can begin at once.
func (d *Domain) takeOver(ctx context.Context, free int) (list []begun, err error) {
	d.mu.Lock()
	gone := make(map[string]string, len(d.gone))
	for node, counter := range d.gone {
		gone[node] = counter
	}
	d.mu.Unlock()
	for node, counter := range gone {
		if free <= len(list) {
			break
		}
		try, cancel := context.WithTimeout(context.WithoutCancel(ctx), d.q.cfg.IOTimeout)
		reply, err := d.q.runDomain(try, d.q.scripts.takeover, d.k, node, counter, d.q.cfg.Node, free-len(list)).Slice()
		cancel()
		if err != nil {
			return list, err
		}
		got, err := readAll(reply[min(1, len(reply)):])
		list = append(list, got...)
		if err != nil {
			return list, err
		}
		if len(got) > 0 {
			d.q.log.Warn("jobs of a node that is not heard of are taken over", "queue", d.instance, "from", node, "jobs", len(got))
		}
		if len(reply) == 0 || text(reply[0]) == "0" {
			d.mu.Lock()
			delete(d.gone, node)
			d.mu.Unlock()
		}
	}
	return list, nil
}

func pendingOf(key, node, from string, count int) *redis.XPendingExtArgs {
	return &redis.XPendingExtArgs{Stream: key, Group: group, Start: from, End: "+", Count: int64(count), Consumer: node}
}
