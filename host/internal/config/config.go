// Package config reads what an operator configures: a YAML file and the environment, checked as a whole.
//
// [Load] is the only door. It is given the environment, so that nothing else in the host reads it, and answers either a
// complete [Config] with every default filled in, or all [Faults] at once, each with its place and what to write instead.
// Secrets are references in the file (env:NAME, file:PATH) and [Secret] values in memory, which print redacted. Settings
// of a plugin are kept as they stand until the plugin has said which of them there are: see [Plugin.ResolveSettings].
//
// The package opens no connection, makes no directory and knows no plugin.
package config

import (
	"math"
	"time"
)

// Never is the duration that does not end, written "never".
const Never = time.Duration(math.MaxInt64)

// Bytes is a size in bytes, written as a number or with KiB, MiB or GiB.
type Bytes int64

// Config is the whole configuration. Its keys are the names in the tags, joined by dots; in the environment a key is
// BULKHEAD_ and its path in capitals with two underscores between levels.
type Config struct {
	// File is the path of the file that was read; empty: none.
	File string `key:"-"`
	// Demo says that nothing is configured: the host may run on invented settings, on a loopback address alone.
	Demo bool `key:"-"`

	// Listen is the address of the door, host:port.
	Listen string `key:"listen" default:"127.0.0.1:8080"`
	// PublicURL is the base of every URL that is given out, without a trailing slash; a path prefix is part of it.
	// Empty: what the host hears itself called.
	PublicURL string `key:"public_url"`
	// DataDir is where the host keeps its state; absolute.
	DataDir string `key:"data_dir" default:"./data"`
	// PluginDir is where plugin binaries are found; absolute. By default "plugins" beside the host's own binary.
	PluginDir string `key:"plugin_dir"`

	Log      Log      `key:"log"`
	Redis    Redis    `key:"redis"`
	Queue    Queue    `key:"queue"`
	Auth     Auth     `key:"auth"`
	Shutdown Shutdown `key:"shutdown"`
	Limits   Limits   `key:"limits"`

	// Plugins are the configured plugins by instance. Ask with [Config.Plugin], which knows the others' defaults too.
	Plugins map[string]Plugin `key:"plugins"`
}

// Log is how the host writes its log.
type Log struct {
	// Level is one of trace, debug, info, warn, error.
	Level string `key:"level" default:"info"`
	// Format is json or text. By default text in demo mode and json otherwise.
	Format string `key:"format" default:"json"`
}

// Redis is where the queue stands.
type Redis struct {
	// URL is the server's address; empty: the queue inside the host.
	URL         URL           `key:"url"`
	TLS         TLS           `key:"tls"`
	PoolSize    int           `key:"pool_size" default:"16"`
	DialTimeout time.Duration `key:"dial_timeout" default:"1s"`
	// ReadTimeout and WriteTimeout bound one exchange on the socket, apart from reads that wait on purpose.
	ReadTimeout  time.Duration `key:"read_timeout" default:"3s"`
	WriteTimeout time.Duration `key:"write_timeout" default:"3s"`
}

// TLS names files in PEM, absolute. All empty: the system's authorities, no client certificate.
type TLS struct {
	CA   string `key:"ca"`
	Cert string `key:"cert"`
	Key  string `key:"key"`
	// ServerName is expected in the server's certificate in place of the name in the URL.
	ServerName string `key:"server_name"`
}

// Queue bounds the queue.
type Queue struct {
	// Lease is how long a node may be silent before others take over its jobs. All nodes must have the same.
	Lease time.Duration `key:"lease" default:"4s"`
	// Depth is how many jobs of one plugin may wait; 0: 1,000,000 on a Redis server, 10,000 inside the host.
	Depth int `key:"depth" default:"0"`
	// SpoolMaxBytes is how much the spool holds while Redis is away.
	SpoolMaxBytes Bytes `key:"spool_max_bytes" default:"1GiB"`
}

// Auth is who may operate the host.
type Auth struct {
	// BootstrapToken lets the first operator in; empty: nobody comes in by it.
	BootstrapToken Secret `key:"bootstrap_token"`
}

// Shutdown is how the host stops.
type Shutdown struct {
	// Grace is how long work in flight may go on.
	Grace time.Duration `key:"grace" default:"25s"`
}

// Limits bound the door.
type Limits struct {
	// ReadHeaderTimeout and ReadTimeout bound the reading of a request's header and of all of it.
	ReadHeaderTimeout time.Duration `key:"read_header_timeout" default:"5s"`
	ReadTimeout       time.Duration `key:"read_timeout" default:"30s"`
	// IdleTimeout is how long a connection is kept between requests.
	IdleTimeout    time.Duration `key:"idle_timeout" default:"2m"`
	MaxHeaderBytes Bytes         `key:"max_header_bytes" default:"32KiB"`
}

// Plugin is one configured instance of a plugin.
type Plugin struct {
	// Binary is the name of its file in the plugin directory; empty: the name of the instance.
	Binary string `key:"binary"`
	// Policy narrows or widens what the plugin's manifest says; a zero field leaves it.
	Policy Policy `key:"policy"`
	// StartTimeout bounds the start of its process, HungAfter how long it may leave health calls unanswered. [Never]
	// leaves a plugin alone that a debugger has halted.
	StartTimeout time.Duration `key:"start_timeout" default:"10s" never:"yes"`
	HungAfter    time.Duration `key:"hung_after" default:"15s" never:"yes"`

	// settings is a function, because fmt looks through pointers to what was never meant to be printed.
	settings func() *settings
}

// Policy bounds a plugin's work.
type Policy struct {
	Concurrency int           `key:"concurrency"`
	Timeout     time.Duration `key:"timeout"`
	MaxAttempts int           `key:"max_attempts"`
	Backoff     time.Duration `key:"backoff"`
	MaxBackoff  time.Duration `key:"max_backoff"`
}
