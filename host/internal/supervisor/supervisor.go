// Package supervisor keeps plugin processes alive: it finds the binaries, starts one process an instance, watches it,
// starts it again when it dies, and ends it in the end. It hands runs to whatever process is current and knows
// nothing of queues or HTTP.
//
// A Supervisor has a Domain for each instance (domain.go). A Domain lives through one generation after the other: a
// generation is one process with its socket directory, its half of HostService and the runs in flight in it
// (generation.go, start.go). A job that may have killed a process runs in a generation of its own (alone.go). worker.go
// is what dispatch sees of all that.
package supervisor

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
)

// ErrSettings marks faults of an instance's settings that the host found itself.
var ErrSettings = errors.New("settings")

// Settings are the settings of one instance.
type Settings struct {
	// JSON is the settings object with secrets resolved.
	JSON []byte
	// Lookup finds a string setting; it may be nil.
	Lookup func(key string) (string, bool)
}

// Config is what a Supervisor needs.
type Config struct {
	// Binaries are the instances to run.
	Binaries []Binary
	// RunDir is a private directory with a short path, for sockets; see OpenRunDir.
	RunDir string
	// PublicURL and Version (of the host, semantic) are told to plugins.
	PublicURL, Version string
	// Settings resolves an instance's settings against its schema; an error that is ErrSettings leaves the instance
	// unconfigured.
	Settings func(instance string, schema []byte) (Settings, error)
	State    State
	// Changed is called after an instance's Info has changed. It must not block.
	Changed func(*Domain)
	// StartTimeout bounds one start of an instance.
	StartTimeout func(instance string) time.Duration
	// HungAfter is how long an instance may leave health calls unanswered before it is killed.
	HungAfter func(instance string) time.Duration
	// HealthEvery is the time between two health calls; 0: 5 s.
	HealthEvery time.Duration
	// Restart says how a plugin that ended is started again.
	Restart Restart
	// Grace says how long a plugin may drain when it is to end.
	Grace func() time.Duration
	Log   hclog.Logger
}

const healthEvery = 5 * time.Second

// Supervisor runs all instances of this node.
type Supervisor struct {
	domains []*Domain
}

// New returns a Supervisor that has started nothing yet.
func New(cfg Config) *Supervisor {
	cfg.Restart = cfg.Restart.withDefaults()
	if cfg.HealthEvery <= 0 {
		cfg.HealthEvery = healthEvery
	}
	s := &Supervisor{}
	for _, binary := range cfg.Binaries {
		s.domains = append(s.domains, newDomain(cfg, binary))
	}
	return s
}

// Domains returns the instances, in the order of Config.Binaries.
func (s *Supervisor) Domains() []*Domain { return s.domains }

// Domain returns an instance; false when there is none of that name.
func (s *Supervisor) Domain(instance string) (*Domain, bool) {
	for _, d := range s.domains {
		if d.binary.Instance == instance {
			return d, true
		}
	}
	return nil, false
}

// Run keeps all instances alive until ctx ends; then it drains and ends them, and returns when no process is left. It
// is called once.
func (s *Supervisor) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	for _, d := range s.domains {
		wg.Go(func() { d.run(ctx) })
	}
	wg.Wait()
	return nil
}

// Tried waits until each instance has been started once, with or without success, or ctx ends.
func (s *Supervisor) Tried(ctx context.Context) error {
	for _, d := range s.domains {
		select {
		case <-d.tried:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}
