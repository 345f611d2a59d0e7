package supervisor

import (
	"encoding/json"
	"sort"
	"strings"
	"time"

	"github.com/hashicorp/go-hclog"
	"golang.org/x/time/rate"
)

// Bounds of what one plugin may write into the host's log.
const (
	logLinesPerSecond = 1000
	logBurst          = 5000
)

// pluginLog turns the raw lines of one plugin process into records of the host's log. It trusts nothing in them: a
// line that is no hclog record is kept as text.
type pluginLog struct {
	log     hclog.Logger
	limit   *rate.Limiter
	dropped int
}

func newPluginLog(log hclog.Logger) *pluginLog {
	return &pluginLog{log: log, limit: rate.NewLimiter(logLinesPerSecond, logBurst)}
}

// Line takes one line without its end; stream is stdout or stderr. It is called by one goroutine at a time a stream,
// so it is guarded by its caller.
func (p *pluginLog) Line(line []byte, stream string) {
	if !p.limit.AllowN(time.Now(), 1) {
		p.dropped++
		return
	}
	if p.dropped > 0 {
		p.log.Warn("lines of the plugin's log were dropped", "lines", p.dropped)
		p.dropped = 0
	}
	if level, message, fields, ok := parseRecord(line); ok {
		p.log.Log(level, message, fields...)
		return
	}
	level := hclog.Info
	if strings.HasPrefix(string(line), "panic: ") || strings.HasPrefix(string(line), "fatal error: ") {
		level = hclog.Error
	}
	p.log.Log(level, string(line), "stream", stream)
}

// parseRecord reads a line as go-hclog writes it in JSON; ok is false for anything else.
func parseRecord(line []byte) (level hclog.Level, message string, fields []any, ok bool) {
	if len(line) == 0 || line[0] != '{' {
		return 0, "", nil, false
	}
	var record map[string]any
	if err := json.Unmarshal(line, &record); err != nil {
		return 0, "", nil, false
	}
	message, isText := record["@message"].(string)
	name, _ := record["@level"].(string)
	level = hclog.LevelFromString(name)
	if !isText || level == hclog.NoLevel {
		return 0, "", nil, false
	}
	names := make([]string, 0, len(record))
	for name := range record {
		if !strings.HasPrefix(name, "@") {
			names = append(names, name)
		}
	}
	sort.Strings(names)
	if module, isText := record["@module"].(string); isText && module != "" {
		fields = append(fields, "module", module)
	}
	for _, name := range names {
		fields = append(fields, name, record[name])
	}
	return level, message, fields, true
}
