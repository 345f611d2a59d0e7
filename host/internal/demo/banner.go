package demo

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Banner is what the demo prints when its door opens.
type Banner struct {
	// URL is the base of the door's URLs.
	URL string
	// Dir is where bodies are written, so that the commands stay short and the signatures fit byte for byte.
	Dir string
	// Host is how the host's binary is called from a shell of the same directory, with the environment that it needs.
	Host string
	// Sign adds to a request what proves its sender.
	Sign func(Request) error
}

// pasted is how many commands are written out in full: two events, and a question whose asker waits.
const pasted = 3

// Print says what runs here, and prints a few commands that can be pasted, each with the answer to expect and where its
// outcome is seen. The other events are named.
func (b Banner) Print(w io.Writer, s *Sandbox) error {
	if err := os.MkdirAll(b.Dir, 0o700); err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	full, rest := split(s.Events)
	var out strings.Builder
	rule := strings.Repeat("─", 78)
	fmt.Fprintf(&out, "\n%s\n  DEMO MODE: nothing is configured, so this host stands on its own.\n\n", rule)
	fmt.Fprintf(&out, "  door     %s   (this machine only)\n", b.URL)
	fmt.Fprintf(&out, "  queue    embedded, in this process: what waits is lost when it is killed\n")
	fmt.Fprintf(&out, "  vendors  %s   a sandbox with secrets of its own: what the plugins do, in a browser\n\n", s.URL)
	fmt.Fprintf(&out, "  In a second terminal, paste one of these, or let the host send it and follow it:\n")
	for i, event := range full {
		if err := b.command(&out, i+1, event); err != nil {
			return err
		}
	}
	if len(rest) > 0 {
		fmt.Fprintf(&out, "\n  More:\n")
	}
	for _, event := range rest {
		fmt.Fprintf(&out, "    %s send %-14s # %s\n", b.Host, event.Name, event.Title)
	}
	fmt.Fprintf(&out, "\n  What became of it:  the answer's status_url, %s/readyz, %s\n%s\n\n", b.URL, s.URL, rule)
	_, err := io.WriteString(w, out.String())
	return err
}

// split chooses the events that are written out: the first ones, and among them one whose sender waits for the result.
func split(events []Event) (full, rest []Event) {
	waits := slices.IndexFunc(events, Event.Waits)
	for i, event := range events {
		later := 0
		if waits > i {
			later = 1 // keep a place for it
		}
		if len(full)+later < pasted {
			full = append(full, event)
		} else {
			rest = append(rest, event)
		}
	}
	return full, rest
}

// command writes one event out.
func (b Banner) command(out *strings.Builder, n int, event Event) error {
	request, err := event.Request()
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "\n  %d. %s   (%s send %s)\n\n", n, event.Title, b.Host, event.Name)
	if err := b.Sign(request); err != nil {
		fmt.Fprintf(out, "     not now: %v\n", err)
		return nil
	}
	file := filepath.Join(b.Dir, event.Name+".json")
	if err := os.WriteFile(file, request.Body, 0o600); err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	fmt.Fprintf(out, "%s\n\n", curl(b.URL, request, file))
	fmt.Fprintf(out, "     answer  %d %s\n", event.Expect.Status, event.Expect.Text)
	if event.Effects != "" {
		fmt.Fprintf(out, "     then    %s\n", event.Effects)
	}
	return nil
}

// curl writes the request as a command for a POSIX shell.
func curl(base string, r Request, file string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "curl -sS -X %s %s", Quote(r.Method), Quote(base+r.Path))
	names := make([]string, 0, len(r.Header))
	for name := range r.Header {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		fmt.Fprintf(&b, " \\\n  -H %s", quote(name+": "+r.Header.Get(name)))
	}
	fmt.Fprintf(&b, " \\\n  --data-binary %s", quote("@"+file))
	return b.String()
}

// Quote writes a word for a POSIX shell.
func Quote(s string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_./:=@,", r)
	}
	if s != "" && !strings.ContainsFunc(s, func(r rune) bool { return !plain(r) }) {
		return s
	}
	return quote(s)
}

func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }
