package main

import (
	"context"
	"time"

	"bulkhead.dev/host/internal/gateway"
	"bulkhead.dev/host/internal/supervisor"
)

// probeTime bounds the question whether the store is there.
const probeTime = time.Second

// health tells how the host is, for /readyz and the command line.
func (a *App) health(ctx context.Context) gateway.Health {
	h := gateway.Health{Status: a.phase.Load().(string), Node: a.node, Version: version, Plugins: []gateway.PluginHealth{}}
	if a.cfg.Demo {
		h.Mode = "demo"
	}
	h.Redis = a.redisHealth()
	ctx, cancel := context.WithTimeout(ctx, probeTime)
	defer cancel()
	h.Store = gateway.Part{OK: true}
	if err := a.store.Read().PingContext(ctx); err != nil {
		a.log.Error("the store does not answer", "error", err)
		h.Store = gateway.Part{Detail: "the store does not answer; see the log"}
	}
	sound := h.Redis.OK && h.Store.OK
	for _, d := range a.plugins.Domains() {
		info := d.Info()
		p := gateway.PluginHealth{
			Instance: info.Instance, State: string(info.State), PID: info.PID, Restarts: info.Restarts, Reason: info.Reason,
			Plugin: info.Manifest.GetName(), Version: info.Manifest.GetVersion(),
		}
		sound = sound && info.State == supervisor.StateReady
		h.Plugins = append(h.Plugins, p)
	}
	if h.Status == phaseReady && !sound {
		h.Status = phaseDegraded
	}
	return h
}

func (a *App) redisHealth() gateway.Part {
	switch {
	case a.queue.Embedded():
		return gateway.Part{OK: true, Detail: "embedded: one node, and what waits is lost when the process is killed"}
	case a.queue.Available():
		return gateway.Part{OK: true}
	default:
		return gateway.Part{Detail: "Redis does not answer; webhooks go to the spool, callers who wait get 503"}
	}
}
