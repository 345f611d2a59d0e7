package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"syscall"
	"time"

	"github.com/hashicorp/go-hclog"

	"bulkhead.dev/sdk/wire"
)

// openAnyway is when the door opens although a plugin has neither been routed nor failed: one that is being debugged must
// not keep the others' callers out.
const openAnyway = 30 * time.Second

// writeTime is what the slowest caller gets to take its answer, beside the time that its body and its wait may take.
const writeTime = 30 * time.Second

// listen binds the door. Calls that come before it opens wait in the system's queue.
func listen(ctx context.Context, address string) (net.Listener, error) {
	door, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fmt.Errorf("%s is in use, perhaps by another host: stop that, or choose another address with BULKHEAD_LISTEN (port 0 takes a free one): %w", address, err)
	case errors.Is(err, syscall.EACCES):
		return nil, fmt.Errorf("this user may not listen on %s: choose another address with BULKHEAD_LISTEN, such as 127.0.0.1:8080: %w", address, err)
	case err != nil:
		return nil, fmt.Errorf("listen: %w", err)
	}
	return door, nil
}

// serveDoor opens the door when every plugin has been tried once, and closes it when ctx ends.
//
// It closes at once: calls in flight are answered, connections end with their answer, and new ones are refused by the
// system. So a draining host shows itself to a load balancer as one that refuses connections, not by /readyz: that would
// have to be served by a door which goes on taking jobs. The admin socket says "draining" until the end.
func (a *App) serveDoor(ctx context.Context) error {
	tried, cancel := context.WithTimeout(ctx, openAnyway)
	defer cancel()
	if err := a.plugins.Tried(tried); ctx.Err() != nil {
		return nil
	} else if err != nil {
		a.log.Warn("some plugins take long to start; the door opens without them", "waited", openAnyway)
	}
	a.route()
	server := &http.Server{
		Handler: a.gateway, ErrorLog: a.log.Named("http").StandardLogger(&hclog.StandardLoggerOptions{ForceLevel: hclog.Debug}),
		ReadHeaderTimeout: a.cfg.Limits.ReadHeaderTimeout, ReadTimeout: a.cfg.Limits.ReadTimeout,
		WriteTimeout: a.cfg.Limits.ReadTimeout + wire.MaxDeadline + writeTime,
		IdleTimeout:  a.cfg.Limits.IdleTimeout, MaxHeaderBytes: int(a.cfg.Limits.MaxHeaderBytes),
		DisableGeneralOptionsHandler: true, // the gateway refuses OPTIONS * as it refuses all else
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
