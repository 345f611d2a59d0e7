// Package wire holds what both ends of a plugin connection share and neither may change alone: the handshake, the
// limits, the names of the optional parts of the contract, and the checks that every message goes through. The
// messages themselves are the generated types of package pluginv1, on both sides. It knows neither go-plugin nor a
// transport.
package wire

import (
	"time"

	"bulkhead.dev/sdk/pluginv1"
)

// The handshake (hashicorp/go-plugin's, protocol gRPC). The cookie tells a plugin that a host started it; it guards
// nothing.
const (
	// ProtocolVersion is the application protocol version that host and plugin negotiate.
	ProtocolVersion = 1
	// PluginName is the key of the plugin in go-plugin's set, the same on both sides.
	PluginName = "plugin"
	// CookieKey is the environment variable that carries CookieValue.
	CookieKey = "BULKHEAD_PLUGIN"
	// CookieValue is what the host puts there.
	CookieValue = "6a1f0c52-bulkhead-plugin-v1"
)

// Environment that the host gives to a plugin beside go-plugin's own. A plugin in another language may ignore it.
const (
	// EnvLifeline is set when standard input is the lifeline: first one identity (see ReadIdentity), then nothing,
	// and the end of the file when the host is gone. The plugin then ends its own process group, which the host
	// made for it alone.
	EnvLifeline = "BULKHEAD_LIFELINE"
	// LifelineStdin is the value of EnvLifeline.
	LifelineStdin = "stdin"
	// EnvClientCert carries the host's client certificate (PEM). It is go-plugin's own name.
	EnvClientCert = "PLUGIN_CLIENT_CERT"
	// EnvMaxMessage tells the contract's message limit, in bytes.
	EnvMaxMessage = "BULKHEAD_MAX_MESSAGE_BYTES"
)

// Limits of the contract.
const (
	// MaxMessageBytes bounds one gRPC message at both ends.
	MaxMessageBytes = 16 << 20
	// FrameBytes is where a frame of Work is closed and sent, although more may wait: small enough not to hold the
	// stream for long, large enough to carry hundreds of usual jobs.
	FrameBytes = 512 << 10
	// MaxOutcomeBytes bounds one outcome: a message less room for what stands around it.
	MaxOutcomeBytes = MaxMessageBytes - 64<<10
	// MaxBodyBytes is the largest body limit that a route may ask for.
	MaxBodyBytes = 8 << 20
	// DefaultBodyBytes is the body limit of a route that names none.
	DefaultBodyBytes = 1 << 20
	// MaxDeadline is the longest that the caller of a synchronous route waits.
	MaxDeadline = 25 * time.Second
	// MaxCreditJobs and MaxCreditBytes bound the room that a plugin may offer on one Work stream.
	MaxCreditJobs  = 10_000
	MaxCreditBytes = 1 << 30
)

// Features answers the names of the optional parts of the contract that this version knows. There is none yet: what
// is in version 1 is not optional.
func Features() []string { return nil }

// BearerPrefix stands before the generation's token in the metadata key "authorization" of each call to HostService.
const BearerPrefix = "Bearer "

// ValidName tells whether s is a name of the contract: [a-z][a-z0-9-]*, 63 bytes at most. Instances, domains and
// the segments of job types are such names.
func ValidName(s string) bool {
	if s == "" || len(s) > 63 || s[0] < 'a' || s[0] > 'z' {
		return false
	}
	for i := 1; i < len(s); i++ {
		c := s[i]
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
			return false
		}
	}
	return true
}

// Held is what a run takes of the room in bytes that a plugin offers: the size of the job's data. The rest of the
// envelope is small and bounded by the gateway, and this much is easy to count in any language.
func Held(run *pluginv1.Run) int64 { return int64(len(run.GetJob().GetData())) }
