package launch

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"regexp"
	"strconv"
	"strings"
	"syscall"
)

// StartError says why a plugin did not start, in words for whoever put it there.
type StartError struct {
	// Instance and Path name the plugin.
	Instance, Path string
	// Reason is what happened, with what to do about it where that is known.
	Reason string
	// Stdout and Stderr are the first 4 kB of what the process wrote.
	Stdout, Stderr string
	// Err is the cause; it is wrapped.
	Err error
}

// Error is one line of reason, followed by what the process wrote to standard error.
func (e *StartError) Error() string {
	text := fmt.Sprintf("start %s (%s): %s", e.Instance, e.Path, e.Reason)
	if s := strings.TrimSpace(e.Stderr); s != "" {
		text += "; it wrote to standard error: " + s
	}
	return text
}

// Unwrap answers the cause.
func (e *StartError) Unwrap() error { return e.Err }

// handshakeLine is how go-plugin's line begins: core version, application version.
var handshakeLine = regexp.MustCompile(`^\d+\|\d+\|`)

// failedStart ends what was started, waits for its output, and words the error.
func (p *Plugin) failedStart(ctx context.Context, err error) error {
	p.proc.kill()
	p.proc.abandon()
	ended := error(nil)
	if p.proc.ID() != "" {
		if ended = p.end(context.WithoutCancel(ctx)); ended == nil {
			ended = p.proc.err
		}
	}
	p.removeSockets()
	start := &StartError{
		Instance: p.cfg.Instance, Path: p.cfg.Path, Err: err,
		Stdout: p.proc.outHead.String(), Stderr: p.proc.errHead.String(),
	}
	start.Reason = p.reason(ctx, err, ended, start.Stdout)
	return start
}

func (p *Plugin) reason(ctx context.Context, err, ended error, stdout string) string {
	first, _, _ := strings.Cut(stdout, "\n")
	switch {
	case p.proc.ID() == "" && ctx.Err() == nil:
		return notExecuted(p.proc.cmd.Path, err)
	case stdout != "" && !handshakeLine.MatchString(first):
		return fmt.Sprintf("the plugin printed %s to standard output before sdk.Serve; standard output belongs to the "+
			"handshake until then: print to standard error, or not before Serve", strconv.Quote(clip(first, 200)))
	case errors.Is(context.Cause(ctx), errSlow):
		what := "no handshake"
		if stdout != "" {
			what = "a handshake, but no answer"
		}
		return fmt.Sprintf("%s within %s: main must reach sdk.Serve, which does the rest", what, p.cfg.StartTimeout)
	case ctx.Err() != nil:
		return "the start was given up: " + context.Cause(ctx).Error()
	case stdout == "":
		return fmt.Sprintf("it ended (%s) before the handshake: is it a plugin?", ended)
	default:
		return err.Error()
	}
}

// notExecuted tells apart why the system did not run a file.
func notExecuted(path string, err error) string {
	info, statErr := os.Stat(path)
	switch {
	case errors.Is(statErr, fs.ErrNotExist):
		return "there is no such file"
	case statErr == nil && info.IsDir():
		return "it is a directory"
	case errors.Is(err, syscall.ENOEXEC):
		return "it is no program for this system: build it for this operating system and processor; a script needs a first line such as #!/bin/sh"
	case errors.Is(err, fs.ErrNotExist):
		return "the file is there, but not the interpreter or loader that it names: look at its first line, or build it with CGO_ENABLED=0"
	case errors.Is(err, fs.ErrPermission):
		return "the system does not let it run: the file must be executable (chmod +x), its folder reachable and not mounted noexec"
	case errors.Is(err, syscall.ETXTBSY):
		return "somebody is still writing the file: put it there with a rename"
	default:
		return err.Error()
	}
}

func clip(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	return s[:limit] + "..."
}
