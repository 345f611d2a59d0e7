package main

import (
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"text/tabwriter"

	"bulkhead.dev/host/internal/admin"
	"bulkhead.dev/host/internal/config"
	"bulkhead.dev/host/internal/gateway"
	"bulkhead.dev/host/internal/telemetry"
)

// commands is the command line: host <noun> <verb>, and run when nothing is said.
type commands struct {
	Run     runCommand     `cmd:"" default:"1" help:"Run the host (what it does when nothing else is said). The first Ctrl-C drains it, the second ends it at once."`
	Send    sendCommand    `cmd:"" help:"Demo: sign and send an event, then show what became of it."`
	Plugins pluginsCommand `cmd:"" help:"The plugins of a running host."`
	Jobs    jobsCommand    `cmd:"" help:"The jobs of a running host."`
	Config  configCommand  `cmd:"" help:"The configuration: ./bulkhead.yaml, or the file that BULKHEAD_CONFIG names, and the environment over it."`
	Version versionCommand `cmd:"" help:"Print the version."`
}

// target says which running host a command speaks with.
type target struct {
	Node string `help:"Node id, where several hosts share the data directory." placeholder:"ID"`
}

// dial finds the host by the same configuration by which it was started.
func (t target) dial(c *console) (*admin.Client, error) {
	cfg, err := config.Load(c.src)
	if err != nil {
		return nil, err
	}
	return admin.Dial(c.ctx, cfg.DataDir, t.Node)
}

type runCommand struct{}

// Run runs the host until it is told to stop.
func (runCommand) Run(c *console) error {
	cfg, err := config.Load(c.src)
	if err != nil {
		return err
	}
	app, err := New(c.ctx, Options{
		Config: cfg, Executable: c.src.Executable, Greeting: c.out,
		RunParents: []string{os.Getenv("XDG_RUNTIME_DIR"), os.TempDir(), "/tmp"},
		Log:        telemetry.NewLogger(c.err, cfg.Log.Level, cfg.Log.Format),
	})
	if err != nil {
		return err
	}
	return app.Run(c.ctx)
}

type versionCommand struct{}

// Run prints the version.
func (versionCommand) Run(c *console) error {
	_, err := fmt.Fprintln(c.out, version)
	return err
}

type configCommand struct {
	Check configCheck `cmd:"" help:"Check the configuration and say every fault. Settings of plugins are checked when the plugins run."`
}

type configCheck struct{}

// Run loads the configuration as the host would.
func (configCheck) Run(c *console) error {
	cfg, err := config.Load(c.src)
	if err != nil {
		return err
	}
	from := cfg.File
	switch {
	case cfg.Demo:
		from = "there is none: the host would run its demo"
	case from == "":
		from = "from the environment"
	}
	_, err = fmt.Fprintf(c.out, "the configuration is sound (%s)\n", from)
	return err
}

type pluginsCommand struct {
	List    pluginsList    `cmd:"" help:"List them with state, process and version."`
	Restart pluginsRestart `cmd:"" help:"Drain a plugin's process and start a new one, of the file that is there now. Ends a quarantine."`
}

type pluginsList struct {
	target
}

// Run prints a table.
func (l pluginsList) Run(c *console) error {
	client, err := l.dial(c)
	if err != nil {
		return err
	}
	var health gateway.Health
	if err := client.Get(c.ctx, "/health", &health); err != nil {
		return err
	}
	w := tabwriter.NewWriter(c.out, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, "INSTANCE\tPLUGIN\tVERSION\tSTATE\tPID\tRESTARTS\tREASON")
	for _, p := range health.Plugins {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%d\t%d\t%s\n", p.Instance, p.Plugin, p.Version, p.State, p.PID, p.Restarts, p.Reason)
	}
	return w.Flush()
}

type pluginsRestart struct {
	target
	Instance string `arg:"" help:"Name of the instance, as plugins list shows it."`
}

// Run asks for it and does not wait: how it went, plugins list shows.
func (r pluginsRestart) Run(c *console) error {
	client, err := r.dial(c)
	if err != nil {
		return err
	}
	if err := client.Post(c.ctx, "/plugins/"+url.PathEscape(r.Instance)+"/restart", nil, nil); err != nil {
		return err
	}
	_, err = fmt.Fprintf(c.out, "%s is restarted; plugins list shows how it goes\n", r.Instance)
	return err
}

type jobsCommand struct {
	Show jobsShow `cmd:"" help:"Show what became of a job, as JSON."`
}

type jobsShow struct {
	target
	ID string `arg:"" help:"Job id, as the answer to the webhook gave it."`
}

// Run prints the job's status as JSON.
func (s jobsShow) Run(c *console) error {
	client, err := s.dial(c)
	if err != nil {
		return err
	}
	var status gateway.JobStatus
	if err := client.Get(c.ctx, "/jobs/"+url.PathEscape(s.ID), &status); err != nil {
		return err
	}
	encoder := json.NewEncoder(c.out)
	encoder.SetIndent("", "  ")
	return encoder.Encode(status)
}
