package supervisor

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/hashicorp/go-hclog"

	"bulkhead.dev/sdk/launch"
	"bulkhead.dev/sdk/pluginv1"
)

// ErrUnfit says that the binary is not what the host can run under this instance. No restart mends it.
var ErrUnfit = errors.New("the plugin does not fit")

// configureTime is what Describe, Configure and the opening of the stream may take beside the start of the process.
const configureTime = 10 * time.Second

// FieldFaults are the settings that a plugin refused.
type FieldFaults []*pluginv1.FieldError

func (f FieldFaults) Error() string {
	texts := make([]string, len(f))
	for i, fault := range f {
		texts[i] = strings.TrimSpace(fault.GetField() + " " + fault.GetMessage())
	}
	return "settings: " + strings.Join(texts, "; ")
}

// start launches the binary, asks what it is, and hands over its settings. Faults of the settings leave a generation
// that takes no work; they are its fault. When err is not nil nothing is left. The process outlives ctx, which bounds
// the start; kill or stop ends it.
func (d *Domain) start(ctx context.Context, log hclog.Logger) (_ *generation, err error) {
	ctx, cancel := context.WithTimeout(ctx, d.startTime()+configureTime)
	defer cancel()
	dir, err := os.MkdirTemp(d.cfg.RunDir, "g")
	if err != nil {
		return nil, fmt.Errorf("directory of the generation: %w", err)
	}
	g := &generation{
		dir: dir, log: log, runs: map[string]func(Ended){}, settled: make(chan struct{}), over: make(chan struct{}),
		output: newPluginLog(log, d.limit, &d.lost),
	}
	defer func() {
		if err != nil {
			g.kill(ctx, err)
		}
	}()
	g.plugin, err = launch.Start(ctx, launch.Config{
		Path: d.binary.Path, Dir: dir, Instance: d.binary.Instance,
		Logger: log.Named("launch"), Log: g.output.Line, StartTimeout: d.startTime(),
	})
	if err != nil {
		return nil, err
	}
	if g.manifest, err = g.plugin.Describe(ctx, d.cfg.Version); err != nil {
		if errors.Is(err, launch.ErrRefused) {
			return nil, fmt.Errorf("%w: %w", ErrUnfit, err)
		}
		return nil, err
	}
	if err := d.fits(g.manifest); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnfit, err)
	}
	return g, d.configure(ctx, g)
}

// fits says why the plugin can't be run under this instance.
func (d *Domain) fits(m *pluginv1.Manifest) error {
	instance, name := d.binary.Instance, m.GetName()
	if !d.binary.Chosen && instance != name && !strings.HasPrefix(instance, name+"-") {
		return fmt.Errorf("the file is called %s, but it is the plugin %s: call it %s or %s-<something>, or choose it with plugins.%s.binary",
			instance, name, name, name, instance)
	}
	if oldest := m.GetMinHostVersion(); oldest != "" && olderVersion(d.cfg.Version, oldest) {
		return fmt.Errorf("%s %s needs host %s or newer; this is %s", name, m.GetVersion(), oldest, d.cfg.Version)
	}
	return nil
}

// configure hands over the settings and opens the stream.
func (d *Domain) configure(ctx context.Context, g *generation) (err error) {
	g.settings, err = d.cfg.Settings(d.binary.Instance, g.manifest.GetSettingsSchema())
	if errors.Is(err, ErrSettings) {
		g.fault = err
		return nil
	}
	if err != nil {
		return fmt.Errorf("settings: %w", err)
	}
	token := newToken()
	g.host, err = serveHost(ctx, g.dir, d.binary.Instance, token, d.cfg.State, g.inFlight)
	if err != nil {
		return err
	}
	faults, err := g.plugin.Configure(ctx, &pluginv1.ConfigureRequest{
		Instance: d.binary.Instance, Settings: g.settings.JSON, PublicUrl: d.cfg.PublicURL,
		HostSocket: g.host.path, GenerationToken: token,
	})
	if err != nil {
		return err
	}
	if len(faults) > 0 {
		g.fault = FieldFaults(faults)
		return nil
	}
	// The stream lives as long as the process, not as long as the call that opened it.
	g.work, err = g.plugin.Work(context.WithoutCancel(ctx), g.outcome)
	if err != nil {
		return err
	}
	go g.watch(context.WithoutCancel(ctx)) // ends with the stream; kill and stop wait for it
	return nil
}

// newToken makes 256 random bits in hex.
func newToken() string {
	b := make([]byte, 32)
	_, _ = rand.Read(b) // never fails (crypto/rand)
	return hex.EncodeToString(b)
}

// lookup finds a string setting; without settings there is none.
func (s Settings) lookup(key string) (string, bool) {
	if s.Lookup == nil {
		return "", false
	}
	return s.Lookup(key)
}
