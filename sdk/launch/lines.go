package launch

import (
	"bytes"
	"errors"
	"io"
	"os"
	"sync"
	"sync/atomic"
)

// Bounds of what a plugin writes.
const (
	maxLine = 64 << 10
	maxHead = 4 << 10
)

// Streams of a plugin's output, as Config.Log names them.
const (
	Stdout = "stdout"
	Stderr = "stderr"
)

// splitter cuts a stream into lines of at most maxLine bytes; what is longer loses its rest, which is counted. It is
// an io.Writer that never fails, for one writer at a time.
type splitter struct {
	emit    func(line []byte)
	dropped *atomic.Int64
	line    []byte // the line so far
}

func (s *splitter) Write(p []byte) (int, error) {
	n := len(p)
	for len(p) > 0 {
		part, rest, ended := bytes.Cut(p, []byte{'\n'})
		s.add(part)
		if ended {
			s.flush()
		}
		p = rest
	}
	return n, nil
}

func (s *splitter) add(part []byte) {
	if room := maxLine - len(s.line); len(part) > room {
		s.dropped.Add(int64(len(part) - room))
		part = part[:room]
	}
	s.line = append(s.line, part...)
}

// flush emits the line that is open; at the end of the stream it may lack its newline.
func (s *splitter) flush() {
	s.emit(bytes.TrimSuffix(s.line, []byte{'\r'}))
	if cap(s.line) > maxHead { // one long line must not hold its memory for ever
		s.line = nil
		return
	}
	s.line = s.line[:0]
}

// finish emits what is left when the stream has ended.
func (s *splitter) finish() {
	if len(s.line) > 0 {
		s.flush()
	}
}

// head keeps the first bytes of a stream for the diagnosis of a start that failed.
type head struct {
	mu   sync.Mutex
	kept []byte
}

func (h *head) Write(p []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if room := maxHead - len(h.kept); room > 0 {
		h.kept = append(h.kept, p[:min(len(p), room)]...)
	}
	return len(p), nil
}

func (h *head) String() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return string(h.kept)
}

// pump copies a pipe into w until it ends. The deadline that is set at the process's death counts as its end.
func pump(r *os.File, w io.Writer) {
	buffer := make([]byte, 32<<10)
	for {
		n, err := r.Read(buffer)
		if n > 0 {
			_, _ = w.Write(buffer[:n]) // neither splitter nor head fails
		}
		if err != nil && !errors.Is(err, io.ErrNoProgress) {
			return
		}
	}
}
