package main

import (
	"context"
	"errors"
	"net/http"

	"github.com/hashicorp/go-hclog"
)

// serveDoor opens the door when every plugin has been tried once, and closes it when ctx ends.
func (a *App) serveDoor(ctx context.Context) error {
	if err := a.plugins.Tried(ctx); err != nil {
		return nil //nolint:nilerr // stopped before the door was open
	}
	a.route()
	server := &http.Server{
		Handler: a.gateway, ErrorLog: a.log.Named("http").StandardLogger(&hclog.StandardLoggerOptions{ForceLevel: hclog.Debug}),
		ReadHeaderTimeout: a.cfg.Limits.ReadHeaderTimeout, ReadTimeout: a.cfg.Limits.ReadTimeout,
		IdleTimeout: a.cfg.Limits.IdleTimeout, MaxHeaderBytes: int(a.cfg.Limits.MaxHeaderBytes),
	}
	a.phase.Store(phaseReady)
	a.log.Info("the door is open", "url", a.URL(), "public_url", a.cfg.PublicURL, "node", a.node, "version", version)
	a.greet()
	closed := make(chan error, 1)
	stop := context.AfterFunc(ctx, func() {
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), a.grace.forWork())
		defer cancel()
		closed <- server.Shutdown(grace)
	})
	err := server.Serve(a.door)
	if stop() || !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	if err := <-closed; err != nil {
		a.log.Warn("calls were cut off at the end of the grace period", "error", err)
		return server.Close()
	}
	return nil
}
