package supervisor_test

import (
	"bytes"
	"strings"
	"sync"
	"testing"

	"bulkhead.dev/host/internal/supervisor"
)

// journal is a log that is read while others write.
type journal struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(p)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}

// What a plugin writes neither hurts the host nor speaks in its name.
func TestHostileLog(t *testing.T) {
	t.Parallel()
	log := &journal{}
	b := start(t, hostile(t, "logs"), logTo(log))
	b.await(supervisor.StateReady)
	b.end()
	text := log.String()
	for _, want := range []string{
		`"@message":"{\"@message\":1,\"@level\":7}"`, `"@message":"forged"`, `"its_plugin":"other"`, `"id":9007199254740993`, `"deep":"{\"a\":[1]}"`,
		`\\xff\\xfe\\x1b[31mred`, `"@message":"two\\nlines"`, `"@message":"{\"@message\":\"open"`, `"@message":"panic: at the disco"`,
		`"stack":"goroutine 1 [running]:\nmain.main()\n"`, `"@message":"last"`,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the log lacks %s:\n%s", want, text)
		}
	}
	for line := range strings.Lines(text) {
		if !strings.Contains(line, `"plugin":"hostile-logs"`) {
			t.Errorf("a record without the instance, or under another: %s", line)
		}
	}
}
