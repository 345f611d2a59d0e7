// Package telemetry makes the host's logger (telemetry.go) and its metrics: what is counted as it happens (metrics.go),
// and what is asked for when the metrics are read (observed.go). It knows what is counted, not why.
package telemetry

import (
	"io"

	"github.com/hashicorp/go-hclog"
)

// NewLogger returns the host's root logger. Level is one of hclog's names; format is "json" or "text".
func NewLogger(w io.Writer, level, format string) hclog.Logger {
	return hclog.New(&hclog.LoggerOptions{
		Name: "host", Level: hclog.LevelFromString(level), Output: w,
		JSONFormat: format == "json", IndependentLevels: true,
	})
}
