package demo

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Banner says what runs here and prints, for each event, a command that can be pasted. Bodies are written to files in
// dir, so that the commands stay short and the signatures fit byte for byte. sign adds what proves the sender.
func (s *Sandbox) Banner(w io.Writer, base, dir string, sign func(Request) error) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	var b strings.Builder
	rule := strings.Repeat("─", 78)
	fmt.Fprintf(&b, "\n%s\n  DEMO MODE: nothing is configured, so this host stands on its own.\n\n", rule)
	fmt.Fprintf(&b, "  door     %s   (this machine only)\n", base)
	fmt.Fprintf(&b, "  queue    embedded, in this process: what waits is lost when it is killed\n")
	fmt.Fprintf(&b, "  vendors  %s   a sandbox with random secrets; look at it in a browser\n\n", s.URL)
	fmt.Fprintf(&b, "  Send an event and see what becomes of it:   bin/host send EVENT\n")
	fmt.Fprintf(&b, "  or paste one of these:\n")
	for _, event := range s.Events {
		request, err := event.Request()
		if err != nil {
			return err
		}
		if err := sign(request); err != nil {
			fmt.Fprintf(&b, "\n  # %s (%s): %v\n", event.Title, event.Name, err)
			continue
		}
		file := filepath.Join(dir, event.Name+".json")
		if err := os.WriteFile(file, request.Body, 0o600); err != nil {
			return fmt.Errorf("demo: %w", err)
		}
		fmt.Fprintf(&b, "\n  # %s  (bin/host send %s)\n%s\n", event.Title, event.Name, curl(base, request, file))
		fmt.Fprintf(&b, "  # -> %d %s\n", event.Expect.Status, event.Expect.Text)
	}
	fmt.Fprintf(&b, "\n  What became of it:  the answer's status_url, %s/readyz, %s\n%s\n\n", base, s.URL, rule)
	_, err := io.WriteString(w, b.String())
	return err
}

// curl writes the request as a command for a POSIX shell.
func curl(base string, r Request, file string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "curl -sS -X %s %s", r.Method, quote(base+r.Path))
	names := make([]string, 0, len(r.Header))
	for name := range r.Header {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		fmt.Fprintf(&b, " \\\n  -H %s", quote(name+": "+r.Header.Get(name)))
	}
	fmt.Fprintf(&b, " \\\n  --data-binary @%s", quote(file))
	return b.String()
}

func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }
