package queue

import (
	"context"
	"net"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
)

const embeddedDepth = 10_000

// embedded is a Redis inside this process, reached by pipes: nobody else can connect. It keeps everything in memory,
// so depth is bounded, and it ends with the process.
type embedded struct {
	server *miniredis.Miniredis
	owner  bool
}

func startEmbedded(beside *Queue) (*embedded, *redis.UniversalOptions) {
	e := &embedded{owner: beside == nil}
	if beside != nil {
		e.server = beside.embedded.server
	} else {
		e.server = miniredis.NewMiniRedis()
		e.server.ClockTTL(true)
	}
	m := e.server
	return e, &redis.UniversalOptions{
		Addrs:  []string{"embedded:0"},
		Dialer: func(context.Context, string, string) (net.Conn, error) { return m.Dial() },
	}
}

func (e *embedded) close() {
	if e.owner {
		e.server.Close()
	}
}
