package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"

	"bulkhead.dev/host/internal/admin"
	"bulkhead.dev/host/internal/config"
	"bulkhead.dev/host/internal/demo"
	"bulkhead.dev/host/internal/gateway"
	"bulkhead.dev/host/internal/queue"
	"bulkhead.dev/host/internal/store"
	"bulkhead.dev/host/internal/supervisor"
	"bulkhead.dev/host/internal/telemetry"
)

// version of the host, semantic.
const version = "0.1.0"

// App is one running host. New wires it, Run is its life, and Run leaves nothing behind.
type App struct {
	cfg  *config.Config
	log  hclog.Logger
	node string
	// executable is the host's own path; greeting gets the demo's banner.
	executable string
	greeting   io.Writer
	store      *store.Store
	folder     *store.Node
	queue      *queue.Queue
	metrics    *telemetry.Metrics
	gateway    *gateway.Gateway
	plugins    *supervisor.Supervisor
	sandbox    *demo.Sandbox // nil outside demo mode
	door       net.Listener
	runDir     *supervisor.RunDir
	spool      spool
	member     membership
	phase      atomic.Value // string: starting, ready, draining
	changed    chan struct{}
	grace      grace

	routing sync.Mutex // one set of routes at a time
}

// The phases of a host's life, as /readyz shows them.
const (
	phaseStarting = "starting"
	phaseReady    = "ready"
	phaseDegraded = "degraded"
	phaseDraining = "draining"
)

// Options are what a host is made of.
type Options struct {
	Config *config.Config
	// Executable is the path of the host's own binary; the sandbox of the demo stands beside it.
	Executable string
	// RunParents are directories below which a short-lived one for sockets may be made; the first that will do is taken.
	RunParents []string
	// Greeting gets the demo's banner.
	Greeting io.Writer
	// AdoptEvery is how often the spools of hosts that died are looked for; 0: 30 s.
	AdoptEvery time.Duration
	Log        hclog.Logger
}

// New opens everything that the host stands on and binds the door, without accepting yet.
func New(ctx context.Context, opts Options) (_ *App, err error) {
	cfg, log := opts.Config, opts.Log
	a := &App{
		cfg: cfg, log: log, executable: opts.Executable, greeting: opts.Greeting, node: newNode(), metrics: telemetry.NewMetrics(),
		changed: make(chan struct{}, 1), grace: grace{whole: cfg.Shutdown.Grace},
	}
	a.member.adoptEvery = cmp.Or(opts.AdoptEvery, adoptEvery)
	a.phase.Store(phaseStarting)
	defer func() { //nolint:contextcheck // ctx may have ended; close bounds itself
		if err != nil {
			err = errors.Join(err, a.close())
		}
	}()
	if a.door, err = listen(ctx, cfg.Listen); err != nil {
		return nil, err
	}
	if cfg.PublicURL == "" {
		cfg.PublicURL = "http://" + a.door.Addr().String()
	}
	if a.store, err = store.Open(ctx, cfg.DataDir, log.Named("store")); err != nil {
		return nil, err
	}
	if a.folder, err = a.store.Join(a.node); err != nil {
		return nil, err
	}
	if a.runDir, err = supervisor.OpenRunDir(opts.RunParents...); err != nil {
		return nil, err
	}
	if err = a.openQueue(ctx); err != nil {
		return nil, err
	}
	if cfg.Demo {
		a.startSandbox(ctx)
	}
	a.gateway, err = gateway.New(gateway.Config{
		Node: a.node, PublicURL: cfg.PublicURL, Queue: a.queue, People: a.people(), Health: a.health,
		Metrics: a.metrics.Handler(), Recorder: a.metrics, BodyTime: cfg.Limits.ReadTimeout, Log: log.Named("gateway"),
	})
	if err != nil {
		return nil, err
	}
	a.supervise()
	return a, nil
}

// newNode makes the id of this process: 40 random bits as letters and digits.
func newNode() string { return strings.ToLower(rand.Text()[:queue.NodeIDLen]) }

func (a *App) people() gateway.Authenticator {
	token := a.cfg.Auth.BootstrapToken.Reveal()
	if a.cfg.Demo && token == "" {
		return gateway.Everyone{Who: "demo"}
	}
	return gateway.BearerToken{Who: "bootstrap", Token: token}
}

func (a *App) openQueue(ctx context.Context) (err error) {
	a.spool = spool{a.store.Spool(a.node, int64(a.cfg.Queue.SpoolMaxBytes))}
	if moved, err := a.spool.adopt(ctx); err != nil {
		return err
	} else if moved > 0 {
		a.log.Info("jobs of a host that died were taken over from its spool", "jobs", moved)
	}
	a.queue, err = queue.Open(ctx, queue.Config{
		URL: a.cfg.Redis.URL.Reveal(),
		TLS: queue.TLS{
			CA: a.cfg.Redis.TLS.CA, Cert: a.cfg.Redis.TLS.Cert, Key: a.cfg.Redis.TLS.Key,
			ServerName: a.cfg.Redis.TLS.ServerName,
		},
		PoolSize: a.cfg.Redis.PoolSize, DialTimeout: a.cfg.Redis.DialTimeout, IOTimeout: a.cfg.Redis.ReadTimeout, WriteTimeout: a.cfg.Redis.WriteTimeout,
		Node: a.node, Lease: a.cfg.Queue.Lease, MaxDepth: a.cfg.Queue.Depth,
		Spool: a.spool, Log: a.log.Named("queue"),
	})
	if err != nil {
		return err
	}
	if a.queue.Embedded() {
		a.log.Warn("the queue is embedded: it serves this one node and is as durable as this process; set redis.url for more")
	}
	if err := a.enter(ctx); err != nil {
		return err
	}
	if !a.member.known.Load() {
		a.log.Warn("Redis is not there: webhooks are kept in the spool, and no job runs, until it is")
	}
	return nil
}

// startSandbox is part of the demo alone; without it the plugins say what they lack.
func (a *App) startSandbox(ctx context.Context) {
	path := filepath.Join(filepath.Dir(a.executable), "sandbox")
	var err error
	if a.sandbox, err = demo.Start(ctx, path, a.log); err != nil {
		a.log.Error("the demo has no sandbox, so its plugins are not configured and there is nothing to send; make plugins builds it",
			"path", path, "error", err)
	}
}

// URL is the base of the door's URLs on this machine.
func (a *App) URL() string { return "http://" + a.door.Addr().String() }

// Run serves until ctx ends; then it drains in the direction in which the data flow: the door closes, the loops finish
// their runs, the plugins end, the queue and the store close.
func (a *App) Run(ctx context.Context) error {
	admins, err := admin.Listen(ctx, a.folder.Dir(), a.operations())
	if err != nil {
		return errors.Join(err, a.close()) //nolint:contextcheck // as in New
	}
	stages := []*stage{
		newStage("door", a.serveDoor),
		newStage("dispatch", a.dispatch),
		newStage("plugins", a.plugins.Run),
		newStage("membership", a.stayMember),
		newStage("admin", admins.Run),
	}
	failed := make(chan error, len(stages))
	for _, s := range stages {
		s.start(ctx, failed)
	}
	select {
	case <-ctx.Done():
		err = nil
	case err = <-failed:
	}
	a.grace.begin()
	a.phase.Store(phaseDraining)
	a.log.Info("draining; a second signal ends it at once", "grace", a.cfg.Shutdown.Grace)
	for _, s := range stages {
		s.stop()
	}
	return errors.Join(err, a.close()) //nolint:contextcheck // ctx has ended
}

// stage is a role of the host that ends before the next one is told to.
type stage struct {
	name   string
	run    func(context.Context) error
	cancel context.CancelFunc
	done   chan struct{}
}

func newStage(name string, run func(context.Context) error) *stage {
	return &stage{name: name, run: run, done: make(chan struct{})}
}

func (s *stage) start(ctx context.Context, failed chan<- error) {
	ctx, s.cancel = context.WithCancel(context.WithoutCancel(ctx))
	go func() {
		defer close(s.done)
		if err := s.run(ctx); err != nil {
			failed <- fmt.Errorf("%s: %w", s.name, err)
		}
	}()
}

func (s *stage) stop() {
	s.cancel()
	<-s.done
}

// close frees what New made, in the reverse order.
func (a *App) close() error {
	var errs []error
	if a.sandbox != nil {
		errs = append(errs, a.sandbox.Close())
	}
	if a.queue != nil {
		errs = append(errs, a.queue.Close())
	}
	if a.folder != nil {
		errs = append(errs, a.folder.Close())
	}
	if a.store != nil {
		errs = append(errs, a.store.Close())
	}
	if a.runDir != nil {
		errs = append(errs, a.runDir.Close())
	}
	if a.door != nil {
		if err := a.door.Close(); !errors.Is(err, net.ErrClosed) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}
