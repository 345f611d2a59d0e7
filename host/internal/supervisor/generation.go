package supervisor

import (
	"context"
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
	// Died: the process ended by itself, or had to be killed, while it ran the job, so the job is a suspect. False with
	// a nil Outcome: the host ended the process for its own reasons.
	Died bool
	// Reason says why there is no outcome.
	Reason string
}

// Errors of a start of a run.
var (
	// ErrNotRunning says that there is no process that could take the run now.
	ErrNotRunning = errors.New("the plugin is not running")
	// ErrNoRoom says that the process has no room for the run now.
	ErrNoRoom = errors.New("the plugin has no room")
	// ErrTooLarge says that no process of the plugin will ever take the run.
	ErrTooLarge = errors.New("the job is larger than the plugin takes")
)

// generation is one process of one instance, from its start to its end, with the runs that are in flight in it.
type generation struct {
	plugin   *launch.Plugin // nil: it did not start
	work     *launch.Work   // nil: it was not configured
	host     *hostService   // nil: it was not configured
	dir      string
	manifest *pluginv1.Manifest
	settings Settings
	fault    error // of the settings; nil: it takes work
	output   *pluginLog
	log      hclog.Logger

	// settled is closed when stream and process have ended and every run was told so.
	settled chan struct{}
	// over is closed when the one run of a process that runs one job alone has ended or was given up.
	over chan struct{}

	mu      sync.Mutex
	runs    map[string]func(Ended)
	alone   bool  // it runs one job and no other
	closed  bool  // takes no run any more
	stopped bool  // by the host, for reasons of its own: what is cut off is no suspect
	blame   error // why the host killed it; nil: it ended by itself
}

// inFlight says whether a run is in flight here.
func (g *generation) inFlight(token string) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	_, ok := g.runs[token]
	return ok
}

// send starts a run; done is called exactly once when err is nil, and never otherwise. launch only queues the run, so
// the lock is held for no longer than that: an outcome finds its run, however fast it comes.
func (g *generation) send(run *pluginv1.Run, done func(Ended)) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return ErrNotRunning
	}
	if _, taken := g.runs[run.GetToken()]; taken {
		return fmt.Errorf("the run %s is in flight already", run.GetToken())
	}
	err := g.work.Send(run)
	switch {
	case err == nil:
		g.runs[run.GetToken()] = done
		return nil
	case errors.Is(err, launch.ErrTooLarge):
		return ErrTooLarge
	case errors.Is(err, launch.ErrNoCredit):
		return ErrNoRoom
	case errors.Is(err, launch.ErrClosed):
		return ErrNotRunning
	default:
		return err
	}
}

// free is how many runs there is room for.
func (g *generation) free() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return 0
	}
	jobs, bytes := g.work.Free()
	if bytes <= 0 {
		return 0
	}
	return jobs
}

// take ends a run as far as the host is concerned; nil when it has ended already.
func (g *generation) take(token string) func(Ended) {
	g.mu.Lock()
	defer g.mu.Unlock()
	done := g.runs[token]
	delete(g.runs, token)
	if g.alone && done != nil {
		g.closed = true
		close(g.over)
	}
	return done
}

// outcome is called by the stream's reader.
func (g *generation) outcome(o *pluginv1.Outcome) {
	done := g.take(o.GetToken())
	if done == nil {
		g.log.Debug("an outcome came too late: its run was given up", "run", o.GetToken())
		return
	}
	done(Ended{Outcome: o})
}

// watch waits for the end of the stream, which the process' death ends too, and cuts off what is still in flight. A
// process whose stream has ended may still be at work, so it is gone before its runs can begin elsewhere.
func (g *generation) watch(ctx context.Context) {
	defer close(g.settled)
	<-g.work.Done()
	g.mu.Lock()
	g.closed = true
	g.mu.Unlock()
	g.end(ended(ctx))
	g.mu.Lock()
	cut, died := g.runs, !g.stopped
	g.runs = map[string]func(Ended){}
	g.mu.Unlock()
	reason := "the host stopped the plugin"
	if died {
		reason = "the plugin ended: " + g.cause().Error()
	}
	for _, done := range cut {
		done(Ended{Died: died, Reason: reason})
	}
}

// cause says why the generation ended: what the plugin did to its stream comes before what the host then did to it.
func (g *generation) cause() error {
	g.mu.Lock()
	blame := g.blame
	g.mu.Unlock()
	if blame != nil {
		return blame
	}
	if g.work != nil {
		if err := g.work.Err(); errors.Is(err, launch.ErrRefused) {
			return err
		}
	}
	if err := g.plugin.Err(); err != nil {
		return err
	}
	return errors.New("its stream ended") // and the process did not even die of SIGKILL
}

// gone is closed when the generation can do no more work.
func (g *generation) gone() <-chan struct{} {
	if g.work == nil {
		return g.plugin.Done()
	}
	return g.settled
}

// stop drains for at most grace and ends the process; runs that are left are interrupted. It returns when nothing of
// the generation is left.
func (g *generation) stop(ctx context.Context, grace time.Duration) {
	g.mu.Lock()
	g.closed = true
	g.mu.Unlock()
	if g.work != nil && grace > 0 {
		drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
		if err := g.plugin.Drain(drain); err != nil {
			g.log.Warn("the plugin did not drain", "error", err)
		}
		cancel()
	}
	g.mu.Lock()
	g.stopped = true
	g.mu.Unlock()
	g.release(context.WithoutCancel(ctx))
}

// kill ends a process that does not do what it should, or cleans up after one that has ended; its runs are suspects.
func (g *generation) kill(ctx context.Context, why error) {
	g.mu.Lock()
	g.closed = true
	if g.blame == nil {
		g.blame = why
	}
	g.mu.Unlock()
	g.release(ended(ctx))
}

// release ends the process and frees what belongs to the generation.
func (g *generation) release(ctx context.Context) {
	g.end(ctx)
	if g.work != nil {
		g.work.Close()
		<-g.settled
	}
	if g.host != nil {
		g.host.close()
	}
	g.output.close()
	if err := os.RemoveAll(g.dir); err != nil {
		g.log.Warn("directory of the generation", "error", err)
	}
}

// end ends the process: it asks first, and kills at once when ctx has ended.
func (g *generation) end(ctx context.Context) {
	if g.plugin == nil {
		return
	}
	if err := g.plugin.End(ctx); err != nil {
		g.log.Error("the plugin's process can't be ended", "error", err)
	}
}

// ended is ctx at its end: what must not wait takes it.
func ended(ctx context.Context) context.Context {
	ctx, cancel := context.WithCancel(ctx)
	cancel()
	return ctx
}
