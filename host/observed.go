package main

import (
	"context"
	"errors"
	"fmt"

	"bulkhead.dev/host/internal/supervisor"
	"bulkhead.dev/host/internal/telemetry"
)

// observed is what the metrics ask for when they are read.
func (a *App) observed() telemetry.Observed {
	return telemetry.Observed{
		Version: version, Depths: a.depths, Plugins: a.pluginsNow, RedisUp: a.queue.Available,
		Spool: func(ctx context.Context) (jobs, bytes int64, err error) {
			usage, err := a.spool.Usage(ctx)
			return usage.Rows, usage.Bytes, err
		},
	}
}

// depths counts the jobs of each instance by where they are.
func (a *App) depths(ctx context.Context) (map[string]telemetry.Depth, error) {
	depths := map[string]telemetry.Depth{}
	var errs []error
	for _, d := range a.plugins.Domains() {
		instance := d.Info().Instance
		depth, err := a.queue.Depth(ctx, instance)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", instance, err))
			if ctx.Err() != nil {
				break
			}
			continue
		}
		depths[instance] = telemetry.Depth{
			Waiting: depth.Ready + depth.Held + depth.Delayed, Running: depth.Running, Dead: depth.Dead, Outbox: depth.Outbox,
		}
	}
	return depths, errors.Join(errs...)
}

// pluginsNow lists the instances.
func (a *App) pluginsNow() []telemetry.Plugin {
	var all []telemetry.Plugin
	for _, d := range a.plugins.Domains() {
		info := d.Info()
		all = append(all, telemetry.Plugin{
			Instance: info.Instance, Ready: info.State == supervisor.StateReady, PID: info.PID,
			Restarts: info.Restarts, LinesDropped: d.LinesDropped(),
		})
	}
	return all
}
