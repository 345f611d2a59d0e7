package supervisor

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"

	"bulkhead.dev/sdk/launch"
	"bulkhead.dev/sdk/pluginv1"
)

// Ended is how a run ended: with the plugin's outcome, or without one because the process is gone.
type Ended struct {
	// Outcome is nil when the run was cut off.
	Outcome *pluginv1.Outcome
	// Died: the process ended by itself while it ran the job, so the job is a suspect. False with a nil Outcome: the
	// host ended the process.
	Died bool
	// Reason says why there is no outcome.
	Reason string
}

// Errors of a start of a run.
var (
	// ErrNotRunning says that there is no process that could take the run now.
	ErrNotRunning = errors.New("the plugin is not running")
	// ErrTooLarge says that no process of the plugin will ever take the run.
	ErrTooLarge = errors.New("the job is larger than the plugin takes")
)

// FieldFaults are the settings that a plugin refused.
type FieldFaults []*pluginv1.FieldError

func (f FieldFaults) Error() string {
	text := "settings: "
	for i, fault := range f {
		if i > 0 {
			text += "; "
		}
		if fault.GetField() != "" {
			text += fault.GetField() + " "
		}
		text += fault.GetMessage()
	}
	return text
}

// generation is one process of one instance, from its start to its end, with the runs that are in flight in it.
type generation struct {
	plugin   *launch.Plugin
	work     *launch.Work
	host     *hostService
	dir      string
	manifest *pluginv1.Manifest
	log      hclog.Logger

	// settled is closed when the process has ended, or its stream has, and every run was told so.
	settled chan struct{}

	mu     sync.Mutex
	runs   map[string]func(Ended)
	ending bool // the host ends it: what is cut off is no suspect
}

// start launches the binary and asks what it is. The caller ends it, also when configure fails.
func (d *Domain) start(ctx context.Context) (_ *generation, err error) {
	dir, err := os.MkdirTemp(d.cfg.RunDir, "g")
	if err != nil {
		return nil, fmt.Errorf("directory of the generation: %w", err)
	}
	g := &generation{dir: dir, log: d.log, runs: map[string]func(Ended){}, settled: make(chan struct{})}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.RemoveAll(dir))
		}
	}()
	g.plugin, err = launch.Start(ctx, launch.Config{
		Path: d.binary.Path, Dir: dir, Instance: d.binary.Instance,
		Logger: d.log.Named("go-plugin"), Log: d.lines.Line, StartTimeout: d.cfg.StartTimeout(d.binary.Instance),
	})
	if err != nil {
		return nil, err
	}
	g.manifest, err = g.plugin.Describe(ctx, d.cfg.Version)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("describe: %w", err), g.plugin.End(ctx))
	}
	return g, nil
}

// configure hands over the settings and opens the stream. A FieldFaults error leaves the process running.
func (d *Domain) configure(ctx context.Context, g *generation) error {
	settings, err := d.cfg.Settings(d.binary.Instance, g.manifest.GetSettingsSchema())
	if err != nil {
		return err
	}
	token := newToken()
	g.host, err = serveHost(ctx, g.dir, d.binary.Instance, token, d.cfg.State, g.inFlight)
	if err != nil {
		return err
	}
	faults, err := g.plugin.Configure(ctx, &pluginv1.ConfigureRequest{
		Instance: d.binary.Instance, Settings: settings.JSON, PublicUrl: d.cfg.PublicURL,
		HostSocket: g.host.path, GenerationToken: token,
	})
	if err != nil {
		return fmt.Errorf("configure: %w", err)
	}
	if len(faults) > 0 {
		return FieldFaults(faults)
	}
	// The stream lives as long as the process, not as long as the call that opened it.
	g.work, err = g.plugin.Work(context.WithoutCancel(ctx), g.outcome)
	if err != nil {
		return fmt.Errorf("work: %w", err)
	}
	go g.watch() // ends with the stream, at the latest in remove
	return nil
}

// newToken makes 256 random bits in hex.
func newToken() string {
	b := make([]byte, 32)
	_, _ = rand.Read(b) // never fails (crypto/rand)
	return hex.EncodeToString(b)
}

// inFlight says whether a run is in flight here.
func (g *generation) inFlight(token string) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	_, ok := g.runs[token]
	return ok
}

// send starts a run; done is called exactly once when err is nil, and never otherwise.
func (g *generation) send(run *pluginv1.Run, done func(Ended)) error {
	g.mu.Lock()
	if g.ending {
		g.mu.Unlock()
		return ErrNotRunning
	}
	g.runs[run.GetToken()] = done
	g.mu.Unlock()
	err := g.work.Send(run)
	if err == nil || g.take(run.GetToken()) == nil {
		return nil // sent; or the process died in between, and the run was told so
	}
	if errors.Is(err, launch.ErrTooLarge) {
		return ErrTooLarge
	}
	return err
}

// sendFirst is send in a process that may not have offered its room yet.
func (g *generation) sendFirst(ctx context.Context, run *pluginv1.Run, done func(Ended)) error {
	for {
		err := g.send(run, done)
		if !errors.Is(err, launch.ErrNoCredit) {
			return err
		}
		select {
		case <-g.work.Changed():
		case <-g.gone():
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (g *generation) take(token string) func(Ended) {
	g.mu.Lock()
	defer g.mu.Unlock()
	done := g.runs[token]
	delete(g.runs, token)
	return done
}

// outcome is called by the stream's reader.
func (g *generation) outcome(o *pluginv1.Outcome) {
	done := g.take(o.GetToken())
	if done == nil {
		g.log.Warn("the plugin answered a run that it does not have", "run", o.GetToken())
		return
	}
	done(Ended{Outcome: o})
}

// forget gives up a run that is not answered in time; its late outcome changes nothing.
func (g *generation) forget(token string) bool { return g.take(token) != nil }

// watch waits for the end of the stream, which the process' death ends too, and cuts off what is still in flight.
func (g *generation) watch() {
	defer close(g.settled)
	<-g.work.Done()
	g.mu.Lock()
	cut, died := g.runs, !g.ending
	g.runs, g.ending = map[string]func(Ended){}, true
	g.mu.Unlock()
	reason := "the host stopped the plugin"
	if died {
		reason = "the plugin ended: " + g.cause().Error()
	}
	for _, done := range cut {
		done(Ended{Died: died, Reason: reason})
	}
}

// cause says why the stream ended.
func (g *generation) cause() error {
	if err := g.plugin.Err(); err != nil || g.work == nil {
		return err
	}
	return g.work.Err()
}

// gone is closed when the generation can do no more work.
func (g *generation) gone() <-chan struct{} {
	if g.work == nil {
		return g.plugin.Done()
	}
	return g.settled
}

// end drains for at most grace and ends the process. It returns when nothing of the generation is left.
func (g *generation) end(ctx context.Context, grace time.Duration) {
	ctx = context.WithoutCancel(ctx)
	if g.work != nil && grace > 0 {
		drain, cancel := context.WithTimeout(ctx, grace)
		if err := g.plugin.Drain(drain); err != nil {
			g.log.Warn("the plugin did not drain in time", "error", err)
		}
		cancel()
	}
	g.mu.Lock()
	g.ending = true
	g.mu.Unlock()
	if err := g.plugin.End(ctx); err != nil {
		g.log.Error("the plugin's process can't be ended", "error", err)
	}
	if g.work != nil {
		g.work.Close()
		<-g.settled
	}
	if g.host != nil {
		g.host.close()
	}
	if err := os.RemoveAll(g.dir); err != nil {
		g.log.Warn("directory of the generation", "error", err)
	}
}
