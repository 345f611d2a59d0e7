package rest

import (
	"errors"
	"time"
)

// journal writes one line an attempt. Headers and bodies are never logged; the URL is without secrets.
func (c *Client) journal(next roundTripper) roundTripper {
	log := c.config.Logger
	return func(k *call) (*Response, error) {
		start := time.Now()
		response, err := next(k)
		fields := []any{"vendor", c.config.Name, "method", k.request.Method, "url", k.shown,
			"attempt", k.attempt, "duration", time.Since(start).Round(time.Microsecond)}
		if k.run.Request != "" {
			fields = append(fields, "request_id", k.run.Request)
		}
		var failure *Error
		var later *NotNow
		switch {
		case err == nil:
			log.Debug("vendor answered", append(fields, "status", response.Status, "bytes", len(response.Body))...)
		case errors.As(err, &later):
			log.Info("vendor not called", append(fields, "reason", later.Reason, "after", later.After)...)
		case errors.As(err, &failure):
			fields = append(fields, "status", failure.Status, "message", failure.Message)
			if failure.Err != nil {
				fields = append(fields, "error", failure.Err)
			}
			if failure.RetryAfter > 0 {
				fields = append(fields, "after", failure.RetryAfter)
			}
			if failure.sort() == conflict || failure.sort() == refused {
				log.Debug("vendor refused", fields...)
			} else {
				log.Warn("vendor call failed", fields...)
			}
		default:
			log.Debug("vendor call ended", append(fields, "error", err)...)
		}
		return response, err
	}
}
