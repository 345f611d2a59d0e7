package supervisor

import (
	"bytes"
	"encoding/json"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/go-hclog"
	"golang.org/x/time/rate"
)

func TestParseRecord(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		line    string
		level   hclog.Level
		message string
		fields  []any
		text    bool // no record: it is kept as text
	}{
		"as hclog writes it": {
			line:  `{"@level":"warn","@message":"hello","@module":"db","@timestamp":"2026-01-01T00:00:00Z","n":3,"ok":true,"x":null}`,
			level: hclog.Warn, message: "hello", fields: []any{"module", "db", "n", int64(3), "ok", true, "x", "null"},
		},
		"message of another type": {line: `{"@message":1,"@level":"info"}`, text: true},
		"no message":              {line: `{"@level":"info"}`, text: true},
		"level of another type":   {line: `{"@message":"m","@level":7}`, level: hclog.Info, message: "m"},
		"unknown level":           {line: `{"@message":"m","@level":"loud"}`, level: hclog.Info, message: "m"},
		"level off":               {line: `{"@message":"m","@level":"off"}`, level: hclog.Info, message: "m"},
		"module of another type":  {line: `{"@message":"m","@module":{}}`, level: hclog.Info, message: "m"},
		"no JSON":                 {line: `{"@message":"m"`, text: true},
		"more than one value":     {line: `{"@message":"m"} {"@message":"n"}`, text: true},
		"an array":                {line: `["@message"]`, text: true},
		"nothing":                 {line: ``, text: true},
		"the host's own fields": {
			line: `{"@message":"m","plugin":"forged","module":"x","stream":"y","":1}`, level: hclog.Info, message: "m",
			fields: []any{"its_", int64(1), "its_module", "x", "its_plugin", "forged", "its_stream", "y"},
		},
		"large numbers keep their digits": {
			line: `{"@message":"m","big":9007199254740993,"bigger":123456789012345678901234567890,"part":0.10}`, level: hclog.Info, message: "m",
			fields: []any{"big", int64(9007199254740993), "bigger", "123456789012345678901234567890", "part", "0.10"},
		},
		"nested": {line: `{"@message":"m","deep":{"a":[1,{"b":"c"}]}}`, level: hclog.Info, message: "m", fields: []any{"deep", `{"a":[1,{"b":"c"}]}`}},
		"control characters": {
			line: `{"@message":"two\nlines\u001b[31m","k\n":"v\r\u0000"}`, level: hclog.Info, message: `two\nlines\x1b[31m`,
			fields: []any{`k\n`, `v\r\x00`},
		},
	} {
		level, message, fields, ok := parseRecord([]byte(c.line))
		if ok == c.text {
			t.Errorf("%s: taken as a record: %v", name, ok)
			continue
		}
		if diff := cmp.Diff([]any{c.level, c.message, c.fields}, []any{level, message, fields}); ok && diff != "" {
			t.Errorf("%s: (-want +got)\n%s", name, diff)
		}
	}
}

func TestRecordsAreBounded(t *testing.T) {
	t.Parallel()
	record := map[string]any{"@message": strings.Repeat("é", maxMessage)}
	for i := range 500 {
		record["f"+strings.Repeat("x", i)] = strings.Repeat("v", 2*maxField)
	}
	line, err := json.Marshal(record)
	if err != nil {
		t.Fatal(err)
	}
	_, message, fields, ok := parseRecord(line)
	if !ok || len(message) > maxMessage+40 || !strings.HasSuffix(message, "bytes more)") || len(fields) != 2*maxFields+2 {
		t.Errorf("record %v, message of %d bytes, %d fields", ok, len(message), len(fields)/2)
	}
	for _, field := range fields {
		if text, isText := field.(string); isText && len(text) > maxField+40 {
			t.Errorf("a field of %d bytes", len(text))
		}
	}
}

func FuzzParseRecord(f *testing.F) {
	for _, seed := range []string{
		`{"@level":"warn","@message":"hello","@module":"db","n":3}`, `{"@message":1}`, `{"@message":"a\u0000","plugin":[{}]}`,
		"{\"@message\":\"\xff\"}", `{"@message":"m","n":1e400,"s":"` + strings.Repeat("é", 5000) + `"}`, "{", "",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		level, message, fields, ok := parseRecord(line)
		if !ok {
			return
		}
		if level < hclog.Trace || level > hclog.Error || len(fields)%2 != 0 || len(fields) > 2*maxFields+4 {
			t.Errorf("level %v, %d names and values", level, len(fields))
		}
		for _, v := range append(fields, message) {
			text, isText := v.(string)
			odd := strings.ContainsFunc(text, func(r rune) bool { return r != '\t' && !unicode.IsPrint(r) })
			if isText && (!utf8.ValidString(text) || odd || len(text) > 8*maxMessage) {
				t.Errorf("%q is not safe to print", text)
			}
		}
		for i := 0; i < len(fields); i += 2 {
			if fields[i] == "plugin" {
				t.Error("it speaks in the host's name")
			}
		}
	})
}

// lines is a writer whose text is read while others write.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

// records are the messages and fields so far, without the time.
func (l *lines) records(t *testing.T) []map[string]any {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	var all []map[string]any
	for line := range strings.Lines(l.text.String()) {
		var record map[string]any
		if err := json.Unmarshal([]byte(line), &record); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		delete(record, "@timestamp")
		all = append(all, record)
	}
	return all
}

func newTestLog(perSecond rate.Limit, burst int) (*pluginLog, *lines) {
	out := &lines{}
	log := hclog.New(&hclog.LoggerOptions{Output: out, JSONFormat: true, Level: hclog.Trace}).With("plugin", "widget")
	return newPluginLog(log, rate.NewLimiter(perSecond, burst), &atomic.Int64{}), out
}

func TestPanicIsOneRecord(t *testing.T) {
	t.Parallel()
	log, out := newTestLog(rate.Inf, 1)
	for _, line := range []string{
		"starting", "panic: at the disco", "", "goroutine 1 [running]:", "main.main()", strings.Repeat("x", 2*maxStack),
		`{"@level":"info","@message":"another goroutine"}`, "fatal error: all goroutines are asleep",
	} {
		log.Line([]byte(line), "stderr")
	}
	log.close()
	stack := "goroutine 1 [running]:\nmain.main()\n"
	want := []map[string]any{
		{"@level": "info", "@message": "starting", "plugin": "widget", "stream": "stderr"},
		{"@level": "error", "@message": "panic: at the disco", "plugin": "widget", "stack": stack + strings.Repeat("x", maxStack-len(stack)) + "\n"},
		{"@level": "info", "@message": "another goroutine", "plugin": "widget"},
		{"@level": "error", "@message": "fatal error: all goroutines are asleep", "plugin": "widget", "stack": ""},
	}
	if diff := cmp.Diff(want, out.records(t)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestPanicOfAProcessThatLivesOnIsWritten(t *testing.T) {
	t.Parallel()
	log, out := newTestLog(rate.Inf, 1)
	log.Line([]byte("panic: that was caught"), "stderr")
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for len(out.records(t)) == 0 && t.Context().Err() == nil {
		<-tick.C
	}
	if got := out.records(t)[0]["@message"]; got != "panic: that was caught" {
		t.Errorf("message %q", got)
	}
	log.close()
}

func TestLinesBeyondTheRateAreCounted(t *testing.T) {
	t.Parallel()
	log, out := newTestLog(0, 3) // three lines, ever
	for range 10 {
		log.Line([]byte("chatter"), "stdout")
	}
	log.close()
	records := out.records(t)
	if len(records) != 4 || records[3]["lines"] != 7.0 || log.lost.Load() != 7 {
		t.Errorf("%v, %d lost; want three lines and the number of the others", records, log.lost.Load())
	}
	log.close()
	if n := len(out.records(t)); n != 4 {
		t.Errorf("%d records after a second close", n)
	}
}
