package supervisor

import (
	"bytes"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"
	"golang.org/x/time/rate"
)

// Bounds of what one instance may write into the host's log.
const (
	logLinesPerSecond = 1000
	logBurst          = 5000
	// A stack trace is one record: of so many bytes at most, and for so long after its first line.
	maxStack  = 16 << 10
	stackTime = 250 * time.Millisecond
)

// pluginLog turns the raw lines of one plugin process into records of the host's log. It trusts nothing in them: a
// line that is no hclog record is kept as text.
type pluginLog struct {
	log   hclog.Logger
	limit *rate.Limiter // of the instance, whatever process writes
	lost  *atomic.Int64 // of the instance

	mu      sync.Mutex
	dropped int64 // since the last line that was let through
	stack   stack
}

// stack is a trace that is being gathered; its timer is nil while there is none.
type stack struct {
	title string
	rest  strings.Builder
	timer *time.Timer
}

func newPluginLog(log hclog.Logger, limit *rate.Limiter, lost *atomic.Int64) *pluginLog {
	return &pluginLog{log: log, limit: limit, lost: lost}
}

// Line takes one line without its end; stream is stdout or stderr. It may be called by several goroutines at once.
func (p *pluginLog) Line(line []byte, stream string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.limit.Allow() {
		p.dropped++
		p.lost.Add(1)
		return
	}
	p.report()
	if level, message, fields, ok := parseRecord(line); ok {
		p.flush()
		p.log.Log(level, message, fields...)
		return
	}
	switch {
	case p.stack.timer != nil:
		p.add(line)
	case startsStack(line):
		p.begin(printable(string(line)))
	default:
		p.log.Info(printable(string(line)), "stream", stream)
	}
}

// report says how many lines were dropped before.
func (p *pluginLog) report() {
	if p.dropped > 0 {
		p.log.Warn("lines of the plugin's log were dropped: it writes too many", "lines", p.dropped)
		p.dropped = 0
	}
}

// startsStack knows how Go's runtime begins its last words.
func startsStack(line []byte) bool {
	return bytes.HasPrefix(line, []byte("panic: ")) || bytes.HasPrefix(line, []byte("fatal error: ")) ||
		bytes.HasPrefix(line, []byte("SIGQUIT: "))
}

func (p *pluginLog) begin(title string) {
	p.stack.title = title
	p.stack.timer = time.AfterFunc(stackTime, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.flush()
	})
}

// add takes a further line of the trace; what is beyond the bound is left out.
func (p *pluginLog) add(line []byte) {
	if room := maxStack - p.stack.rest.Len(); room > 0 && len(line) > 0 {
		text := printable(string(line[:min(len(line), room)]))
		p.stack.rest.WriteString(text)
		p.stack.rest.WriteByte('\n')
	}
}

// flush writes the trace that is being gathered.
func (p *pluginLog) flush() {
	if p.stack.timer == nil {
		return
	}
	p.stack.timer.Stop()
	p.log.Error(p.stack.title, "stack", p.stack.rest.String())
	p.stack = stack{}
}

// close writes what is left, when the process has ended and its output has been read.
func (p *pluginLog) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.report()
	p.flush()
}
