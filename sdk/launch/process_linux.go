package launch

import (
	"errors"
	"syscall"

	"golang.org/x/sys/unix"
)

// attributes puts the child into a process group of its own and ends it when its parent thread does.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// prepareThread gives this thread a file mode mask of its own, which the child inherits: sockets and files of a
// plugin are for its user alone. Where the system refuses, the 0700 directory remains.
func prepareThread() {
	if unix.Unshare(unix.CLONE_FS) == nil {
		unix.Umask(0o077)
	}
}

// collect waits for the end of the process, ends what is left of its group while its id is still its own, and takes
// its status.
func (p *process) collect() error {
	for {
		err := unix.Waitid(unix.P_PID, p.pid, nil, unix.WEXITED|unix.WNOWAIT, nil)
		if !errors.Is(err, unix.EINTR) {
			break
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.signalGroup(syscall.SIGKILL)
	p.collected = true
	return p.cmd.Wait()
}
