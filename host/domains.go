package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	"bulkhead.dev/host/internal/config"
	"bulkhead.dev/host/internal/dispatch"
	"bulkhead.dev/host/internal/gateway"
	"bulkhead.dev/host/internal/queue"
	"bulkhead.dev/host/internal/supervisor"
	"bulkhead.dev/sdk/pluginv1"
)

// This file ties an instance's three sides together: its process, its routes and its loop.

// supervise finds the plugins; nothing is started yet.
func (a *App) supervise() {
	a.plugins = supervisor.New(supervisor.Config{
		Binaries: a.discover(), RunDir: a.runDir.Path(), PublicURL: a.cfg.PublicURL, Version: version,
		Settings: a.settings, State: a.store, Changed: a.pluginChanged,
		StartTimeout: func(instance string) time.Duration { return a.cfg.Plugin(instance).StartTimeout },
		HungAfter:    func(instance string) time.Duration { return a.cfg.Plugin(instance).HungAfter },
		Grace:        a.grace.forPlugins, Log: a.log.Named("plugin"),
	})
	a.metrics.Observe(a.observed())
}

// discover lists the plugins that are there, and says what is odd about the others.
func (a *App) discover() []supervisor.Binary {
	chosen := map[string]string{}
	for instance, plugin := range a.cfg.Plugins {
		if plugin.Binary != "" {
			chosen[instance] = plugin.Binary
		}
	}
	if dir := supervisor.Exposed(a.cfg.PluginDir); dir != "" {
		a.log.Warn("everybody may write above the plugin directory, and so put another in its place", "dir", dir)
	}
	binaries, left := supervisor.Discover(a.cfg.PluginDir, chosen)
	for _, err := range left {
		a.log.Error("a plugin is left out", "dir", a.cfg.PluginDir, "error", err)
	}
	present := map[string]bool{}
	for _, binary := range binaries {
		present[binary.Instance] = true
	}
	for instance := range a.cfg.Plugins {
		if !present[instance] {
			a.log.Warn("settings of a plugin that is not there", "instance", instance, "dir", a.cfg.PluginDir)
		}
	}
	if len(binaries) == 0 {
		a.log.Warn("there is no plugin; build some with make plugins", "dir", a.cfg.PluginDir)
	}
	return binaries
}

// settings resolves an instance's settings; in demo mode the sandbox has them.
func (a *App) settings(instance string, schema []byte) (supervisor.Settings, error) {
	var doc []byte
	if a.sandbox != nil {
		doc = a.sandbox.Settings[instance]
	}
	if doc == nil {
		var err error
		if doc, err = a.cfg.Plugin(instance).ResolveSettings(schema); err != nil {
			return supervisor.Settings{}, fmt.Errorf("%w: %w", supervisor.ErrSettings, err)
		}
	}
	var values map[string]any
	if err := json.Unmarshal(doc, &values); err != nil {
		return supervisor.Settings{}, fmt.Errorf("%w: %w", supervisor.ErrSettings, err)
	}
	return supervisor.Settings{JSON: doc, Lookup: func(key string) (string, bool) {
		text, ok := values[key].(string)
		return text, ok
	}}, nil
}

// pluginChanged is called by the supervisor, which must not be held up.
func (a *App) pluginChanged(d *supervisor.Domain) {
	info := d.Info()
	a.metrics.PluginState(info.Instance, string(info.State))
	a.noteChange()
}

// noteChange has routes and loops looked at.
func (a *App) noteChange() {
	select {
	case a.changed <- struct{}{}:
	default: // a change is noted already
	}
}

// route gives the gateway the routes of every plugin. One that has not said what it is has none, and its callers are told
// to try again.
func (a *App) route() {
	a.routing.Lock()
	defer a.routing.Unlock()
	var domains []gateway.Domain
	for _, d := range a.plugins.Domains() {
		info := d.Info()
		domain := gateway.Domain{Instance: info.Instance, Manifest: info.Manifest, Secret: info.Secret}
		switch {
		case info.Manifest == nil:
			domain.Unready = "the plugin has not started; see /readyz"
		case info.State == supervisor.StateUnconfigured:
			domain.Unready = "the plugin is not configured; see /readyz"
		}
		domains = append(domains, domain)
	}
	if err := a.gateway.Serve(domains); err != nil {
		a.log.Error("some routes can't be served", "error", err)
	}
}

// loop is the running loop of one instance.
type loop struct {
	manifest *pluginv1.Manifest
	cancel   context.CancelFunc
	done     chan struct{}
}

func (l *loop) stop() {
	l.cancel()
	<-l.done
}

// again is the wait before something that Redis refused is tried once more.
const again = time.Second

// dispatch keeps one loop running for each plugin that has said what it is, until ctx ends and all runs have.
func (a *App) dispatch(ctx context.Context) error {
	loops := map[string]*loop{}
	for ctx.Err() == nil {
		a.route()
		retry := time.NewTimer(again)
		if a.attend(ctx, loops) {
			retry.Stop()
		}
		select {
		case <-ctx.Done():
		case <-a.changed:
		case <-retry.C:
		}
		retry.Stop()
	}
	var ending sync.WaitGroup
	for _, l := range loops {
		ending.Go(l.stop)
	}
	ending.Wait()
	return nil
}

// attend starts the loops that are missing, and says whether all is as it should be. None is before the other hosts are
// known.
func (a *App) attend(ctx context.Context, loops map[string]*loop) bool {
	if !a.member.known.Load() {
		return true
	}
	settled := true
	for _, d := range a.plugins.Domains() {
		info := d.Info()
		if info.Manifest == nil {
			continue
		}
		old := loops[info.Instance]
		if old != nil && proto.Equal(old.manifest, info.Manifest) {
			continue
		}
		if err := dispatch.Publish(ctx, a.queue, info.Instance, info.Manifest); err != nil {
			a.log.Warn("subscriptions can't be published yet", "plugin", info.Instance, "error", err)
			settled = false
			continue
		}
		if old != nil {
			old.stop()
			delete(loops, info.Instance)
		}
		l, err := a.startLoop(ctx, d, info)
		if err != nil {
			a.log.Error("the plugin gets no work", "plugin", info.Instance, "error", err)
			settled = false
			continue
		}
		loops[info.Instance] = l
	}
	return settled
}

func (a *App) startLoop(ctx context.Context, d *supervisor.Domain, info supervisor.Info) (*loop, error) {
	operator := operatorPolicy(a.cfg.Plugin(info.Instance).Policy)
	l, err := dispatch.New(dispatch.Config{
		Instance: info.Instance, Manifest: info.Manifest, Operator: operator, Worker: d,
		Open: func(reserve int, cancel func(token, reason string)) (dispatch.Domain, error) {
			return a.queue.Domain(info.Instance, queue.DomainOptions{
				Reserve: reserve, Router: dispatch.Router{Subscriptions: a.queue}, Cancel: cancel,
			})
		},
		Recorder: a.metrics, Lease: a.cfg.Queue.Lease, Grace: a.grace.forWork, Log: a.log.Named("dispatch"),
	})
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	running := &loop{manifest: info.Manifest, cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(running.done)
		if err := l.Run(ctx); err != nil && !errors.Is(err, context.Canceled) {
			a.log.Error("the loop ended", "plugin", info.Instance, "error", err)
		}
	}()
	return running, nil
}

func operatorPolicy(p config.Policy) *pluginv1.Policy {
	policy := &pluginv1.Policy{
		Concurrency: int32(min(p.Concurrency, 1<<20)), //nolint:gosec // G115: bounded beside it
		MaxAttempts: int32(min(p.MaxAttempts, 1<<20)), //nolint:gosec // G115: bounded beside it
	}
	if p.Timeout > 0 {
		policy.Timeout = durationpb.New(p.Timeout)
	}
	if p.Backoff > 0 {
		policy.Backoff = durationpb.New(p.Backoff)
	}
	if p.MaxBackoff > 0 {
		policy.MaxBackoff = durationpb.New(p.MaxBackoff)
	}
	return policy
}
