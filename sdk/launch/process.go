package launch

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/hashicorp/go-plugin/runner"

	"bulkhead.dev/sdk/wire"
)

var _ runner.Runner = (*process)(nil)

// drainOutput is how long the output of a process that has ended is still read: what is in the pipes comes at once,
// and a descendant that holds them open must not hold the host.
const drainOutput = 250 * time.Millisecond

// process runs one plugin. It is go-plugin's runner.Runner, because go-plugin's own waits for both pipes before it
// waits for the process (a grandchild that holds stderr hides a death), parses log lines in a way that a malformed
// one panics the host, and cannot set a process group or a parent-death signal.
type process struct {
	name     string // argv[0]
	cmd      *exec.Cmd
	identity wire.Identity
	log      func(line []byte, stream string)

	stdinR, stdoutW, stderrW *os.File // the child's ends
	stdin, stdout, stderr    *os.File // ours; stdin is the lifeline

	handshake  *io.PipeReader // the first line of stdout, for go-plugin
	handshakeW *io.PipeWriter

	outHead, errHead head
	dropped          atomic.Int64
	readers          sync.WaitGroup

	mu        sync.Mutex
	pid       int  // 0: not started
	unwanted  bool // killed before it was started
	collected bool // the process id is no longer its own

	done chan struct{} // closed when the process has ended; err is set before
	err  error
}

// newProcess prepares a process; nothing runs yet. It is started once or abandoned.
func newProcess(cfg Config, id wire.Identity) (*process, error) {
	p := &process{name: cfg.Path, identity: id, log: cfg.Log, done: make(chan struct{})}
	file := cfg.Exec
	if file == "" {
		file = cfg.Path
	}
	p.cmd = &exec.Cmd{Path: file, Args: append([]string{cfg.Path}, cfg.Args...)}
	if err := p.pipes(); err != nil {
		p.closePipes()
		return nil, err
	}
	p.handshake, p.handshakeW = io.Pipe()
	return p, nil
}

func (p *process) pipes() (err error) {
	if p.stdinR, p.stdin, err = os.Pipe(); err != nil {
		return fmt.Errorf("pipe: %w", err)
	}
	if p.stdout, p.stdoutW, err = os.Pipe(); err != nil {
		return fmt.Errorf("pipe: %w", err)
	}
	if p.stderr, p.stderrW, err = os.Pipe(); err != nil {
		return fmt.Errorf("pipe: %w", err)
	}
	// Files, not writers: with files, Wait waits for the process alone.
	p.cmd.Stdin, p.cmd.Stdout, p.cmd.Stderr = p.stdinR, p.stdoutW, p.stderrW
	return nil
}

func (p *process) closePipes() {
	for _, file := range []*os.File{p.stdinR, p.stdoutW, p.stderrW, p.stdin, p.stdout, p.stderr} {
		if file != nil {
			_ = file.Close() // a second close of ours is harmless
		}
	}
}

// Start starts the process and the goroutines that serve it; all of them end with it.
func (p *process) Start(context.Context) error {
	started := make(chan error, 1)
	go p.live(started)
	return <-started
}

// abandon releases what a process holds that was never started.
func (p *process) abandon() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.unwanted = true
	if p.pid == 0 {
		p.closePipes()
		_ = p.handshakeW.Close()
	}
}

// begin forks, unless the process is no longer wanted.
func (p *process) begin() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.unwanted {
		return context.Canceled
	}
	if err := p.cmd.Start(); err != nil {
		return err
	}
	p.pid = p.cmd.Process.Pid
	return nil
}

// live is the life of the process, on one thread that is the process's parent from fork to end: the parent-death
// signal of Linux goes off when that thread ends, not when the host does. The goroutine never unlocks the thread, so
// that the runtime ends it instead of using it again: it has a file mode mask of its own.
func (p *process) live(started chan<- error) {
	runtime.LockOSThread()
	prepareThread()
	p.cmd.SysProcAttr = attributes()
	if err := p.begin(); err != nil {
		started <- err
		return
	}
	_ = p.stdinR.Close()
	_ = p.stdoutW.Close()
	_ = p.stderrW.Close()
	// Below PIPE_BUF into an empty pipe: it cannot block. If the plugin is gone already its exit tells more.
	_ = wire.WriteIdentity(p.stdin, p.identity)
	p.readers.Go(p.readStdout)
	p.readers.Go(p.readStderr)
	started <- nil

	p.err = exitError(p.collect())
	until := time.Now().Add(drainOutput)
	_ = p.stdout.SetReadDeadline(until)
	_ = p.stderr.SetReadDeadline(until)
	close(p.done)

	p.readers.Wait()
	p.closePipes()
}

// exitError says how a process ended; it has ended in any case, so there is always something to say.
func exitError(err error) error {
	var exit *exec.ExitError
	switch {
	case err == nil:
		return errors.New("exit status 0")
	case errors.As(err, &exit):
		return exit
	default:
		return err
	}
}

// readStdout hands the first line to go-plugin and the others to the log.
func (p *process) readStdout() {
	first := true
	s := &splitter{dropped: &p.dropped}
	s.emit = func(line []byte) {
		if !first {
			p.write(line, Stdout)
			return
		}
		first = false
		// go-plugin reads lines of less than 64 kB; an honest one has 1 kB.
		_, _ = p.handshakeW.Write(append(bytes.Clone(line[:min(len(line), maxHead)]), '\n'))
		_ = p.handshakeW.Close()
	}
	pump(p.stdout, io.MultiWriter(&p.outHead, s))
	s.finish()
	_ = p.handshakeW.Close()
}

func (p *process) readStderr() {
	s := &splitter{dropped: &p.dropped, emit: func(line []byte) { p.write(line, Stderr) }}
	pump(p.stderr, io.MultiWriter(&p.errHead, s))
	s.finish()
}

func (p *process) write(line []byte, stream string) {
	if p.log != nil && len(line) > 0 {
		p.log(line, stream)
	}
}

// signalGroup signals the process and all its descendants that did not leave its group.
func (p *process) signalGroup(sig syscall.Signal) {
	_ = syscall.Kill(-p.pid, sig) // ESRCH: nobody is left
}

// kill ends the whole group, unless the process has been collected: its id may belong to somebody else by then.
func (p *process) kill() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.unwanted = true
	if p.pid != 0 && !p.collected {
		p.signalGroup(syscall.SIGKILL)
	}
}

// settle waits until the output of an ended process has been read.
func (p *process) settle() { p.readers.Wait() }

// Diagnose is empty: launch words the error of a failed start itself.
func (p *process) Diagnose(context.Context) string { return "" }

// Stdout is the handshake line and nothing else.
func (p *process) Stdout() io.ReadCloser { return p.handshake }

// Stderr is empty: go-plugin must never parse a plugin's log.
func (p *process) Stderr() io.ReadCloser { return io.NopCloser(bytes.NewReader(nil)) }

// Name is the path of the plugin's file.
func (p *process) Name() string { return p.name }

// Wait waits for the process alone, whoever holds its pipes.
func (p *process) Wait(context.Context) error {
	<-p.done
	return nil
}

// Kill ends the process group at once.
func (p *process) Kill(context.Context) error {
	p.kill()
	return nil
}

// ID is the process id.
func (p *process) ID() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.pid == 0 {
		return ""
	}
	return strconv.Itoa(p.pid)
}

// PluginToHost and HostToPlugin change nothing: both live in one file system.
func (p *process) PluginToHost(network, address string) (string, string, error) {
	return network, address, nil
}

// HostToPlugin changes nothing.
func (p *process) HostToPlugin(network, address string) (string, string, error) {
	return network, address, nil
}
