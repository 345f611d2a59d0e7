//go:build !linux

package launch

import "syscall"

// attributes puts the child into a process group of its own; the lifeline does the rest.
func attributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

// prepareThread does nothing: the file mode mask belongs to the whole process here.
func prepareThread() {}

// collect waits for the end of the process and ends what is left of its group: a group that has members keeps its
// number from being used again.
func (p *process) collect() error {
	err := p.cmd.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.signalGroup(syscall.SIGKILL)
	p.collected = true
	return err
}
