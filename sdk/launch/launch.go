// Package launch is the host's half of the contract: it starts a plugin as a process of its own and speaks to it. The
// supervisor and the conformance suite use it alike, so that a plugin meets the same host in both. The plugin's half
// is sdk.Serve and sdk/internal/worker.
//
// Start runs the file, shakes hands (hashicorp/go-plugin, gRPC, mutual TLS over a unix socket) and answers a *Plugin:
// one process, one generation. Describe and Configure come first, then Work opens a stream of jobs, Drain lets those
// in flight end, End ends the process. Nothing here is ever used twice: a new generation is a new Start.
//
// Whatever the process does (hangs, dies, floods its log, leaves grandchildren), no call here waits longer than its
// context or the bound that its comment names.
package launch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"time"

	"github.com/hashicorp/go-hclog"
	plugin "github.com/hashicorp/go-plugin"
	"github.com/hashicorp/go-plugin/runner"
	"google.golang.org/grpc"

	"bulkhead.dev/sdk/wire"
)

// DefaultStartTimeout is how long a plugin may take from its start to its first answer.
const DefaultStartTimeout = 10 * time.Second

// defaultPath is a plugin's PATH when Config.Env names none: scripts find their interpreter.
const defaultPath = "PATH=/usr/local/bin:/usr/bin:/bin"

// Config says what to start and how.
type Config struct {
	// Path is the plugin's file, and argv[0] of its process.
	Path string
	// Exec is the file that is executed in its place, such as a private copy that was checked; empty: Path.
	Exec string
	// Args follow argv[0].
	Args []string
	// Env is the plugin's environment, KEY=value. Beside it there is the handshake's and a default PATH; nothing
	// of the host's environment goes to a plugin.
	Env []string
	// Dir is the generation's own directory for sockets. It exists, is open to its owner alone (0700), and is short:
	// see MaxDir. The caller removes it.
	Dir string
	// Instance names the plugin in errors.
	Instance string
	// Logger is for what launch itself has to say; nil: nothing.
	Logger hclog.Logger
	// Log receives each line of the process's output, of both streams at once and possibly from several goroutines,
	// without its newline, 64 kB at most; the line is good until Log returns. While Log blocks, so does the plugin
	// when it writes. nil: nowhere.
	Log func(line []byte, stream string)
	// StartTimeout bounds the time to the first answer; 0: DefaultStartTimeout.
	StartTimeout time.Duration
}

// MaxDir is the longest Config.Dir in bytes. go-plugin appends 38 bytes, and the path of a unix socket ends at 108
// (Linux) or 104 (macOS, BSD) bytes with its zero.
func MaxDir() int {
	if runtime.GOOS == "linux" {
		return 107 - 38
	}
	return 103 - 38
}

func (cfg *Config) check() error {
	if cfg.Path == "" {
		return errors.New("no path")
	}
	if n, limit := len(cfg.Dir), MaxDir(); cfg.Dir == "" || !filepath.IsAbs(cfg.Dir) || n > limit {
		return fmt.Errorf("socket directory %q: it is absolute and has at most %d bytes, because the path of a unix "+
			"socket is bounded; this one has %d", cfg.Dir, limit, n)
	}
	info, err := os.Stat(cfg.Dir)
	if err != nil {
		return fmt.Errorf("socket directory: %w", err)
	}
	if !info.IsDir() || info.Mode().Perm()&0o077 != 0 {
		return fmt.Errorf("socket directory %s is not a directory of mode 0700 (%s)", cfg.Dir, info.Mode())
	}
	return nil
}

// environment is the whole environment of the process but for what go-plugin adds (shake).
func (cfg *Config) environment(shake []string, clientPEM string) []string {
	env := []string{defaultPath}
	env = append(env, cfg.Env...)
	env = append(env, shake...)
	return append(env,
		wire.EnvClientCert+"="+clientPEM,
		wire.EnvLifeline+"="+wire.LifelineStdin,
		wire.EnvMaxMessage+"="+strconv.Itoa(wire.MaxMessageBytes),
	)
}

// Start starts the plugin, shakes hands and waits for its first answer. It ends with ctx or StartTimeout, and then, or
// when it fails otherwise, leaves neither a process nor a socket behind. The error says what the plugin did instead
// and what it printed. The plugin lives until End; ctx bounds the start alone.
func Start(ctx context.Context, cfg Config) (*Plugin, error) {
	if cfg.Logger == nil {
		cfg.Logger = hclog.NewNullLogger()
	}
	if cfg.StartTimeout <= 0 {
		cfg.StartTimeout = DefaultStartTimeout
	}
	if err := cfg.check(); err != nil {
		return nil, fmt.Errorf("start %s: %w", cfg.Instance, err)
	}
	creds, err := newCredentials()
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", cfg.Instance, err)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, cfg.StartTimeout, errSlow)
	defer cancel()

	proc, err := newProcess(cfg, creds.identity)
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", cfg.Instance, err)
	}
	p := &Plugin{cfg: cfg, proc: proc}
	p.client = plugin.NewClient(p.clientConfig(creds))
	err = p.shake(ctx)
	if err == nil {
		err = p.Health(ctx) // the first answer: now TLS is proved and the plugin serves
	}
	if err != nil {
		return nil, p.failedStart(ctx, err)
	}
	return p, nil
}

// clientConfig is go-plugin's view of one start. It is never used twice: go-plugin changes it.
func (p *Plugin) clientConfig(creds *credentials) *plugin.ClientConfig {
	synced := func(stream string) io.Writer {
		return &splitter{dropped: &p.proc.dropped, emit: func(line []byte) { p.proc.write(line, stream) }}
	}
	return &plugin.ClientConfig{
		HandshakeConfig: plugin.HandshakeConfig{
			ProtocolVersion: wire.ProtocolVersion, MagicCookieKey: wire.CookieKey, MagicCookieValue: wire.CookieValue,
		},
		Plugins:          plugin.PluginSet{wire.PluginName: connector{}},
		AllowedProtocols: []plugin.Protocol{plugin.ProtocolGRPC},
		SkipHostEnv:      true,
		TLSConfig:        creds.config, // never nil: a plugin that answers with a certificate would crash the host
		UnixSocketConfig: &plugin.UnixSocketConfig{TempDir: p.cfg.Dir},
		// What the plugin writes to its standard streams after the handshake comes over gRPC.
		SyncStdout: synced(Stdout),
		SyncStderr: synced(Stderr),
		Logger:     hclog.NewNullLogger(), // this package reports better what go-plugin reports
		// Beyond ours, which is what counts and ends the process: go-plugin knows no context here.
		StartTimeout: p.cfg.StartTimeout + time.Second,
		GRPCDialOptions: []grpc.DialOption{grpc.WithDefaultCallOptions(
			grpc.MaxCallRecvMsgSize(wire.MaxMessageBytes), grpc.MaxCallSendMsgSize(wire.MaxMessageBytes),
		)},
		RunnerFunc: func(_ hclog.Logger, cmd *exec.Cmd, socketDir string) (runner.Runner, error) {
			p.socketDir = socketDir
			p.proc.cmd.Env = p.cfg.environment(cmd.Env, creds.clientPEM)
			return p.proc, nil
		},
	}
}

// errSlow is why a start is given up after StartTimeout.
var errSlow = errors.New("it took too long")

// shake runs go-plugin's part of the start. Nothing in that ends with a context; all of it ends with the process.
func (p *Plugin) shake(ctx context.Context) error {
	inTime := context.AfterFunc(ctx, p.proc.kill)
	_, err := p.client.Start()
	if err == nil {
		err = p.connect()
	}
	if !inTime() {
		return context.Cause(ctx)
	}
	return err
}

// connect takes the connection out of go-plugin.
func (p *Plugin) connect() error {
	protocol, err := p.client.Client()
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	raw, err := protocol.Dispense(wire.PluginName)
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	conn, ok := raw.(*grpc.ClientConn)
	if !ok {
		return fmt.Errorf("connect: %T is no connection", raw)
	}
	p.conn = conn
	return nil
}

// connector is go-plugin's view of the contract: it gives out the connection as it is.
type connector struct{ plugin.NetRPCUnsupportedPlugin }

var _ plugin.GRPCPlugin = connector{}

// GRPCServer is for plugins; launch is for hosts.
func (connector) GRPCServer(*plugin.GRPCBroker, *grpc.Server) error {
	return errors.New("launch is the host's half")
}

// GRPCClient gives out the connection.
func (connector) GRPCClient(_ context.Context, _ *plugin.GRPCBroker, conn *grpc.ClientConn) (any, error) {
	return conn, nil
}
