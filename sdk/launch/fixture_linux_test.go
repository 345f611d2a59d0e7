package launch_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"bulkhead.dev/sdk/launch"
)

// deaf takes the parent-death signal away from this process: only the lifeline is left.
func deaf() {
	// The attribute belongs to the whole process here, although it is set by a thread.
	if err := unix.Prctl(unix.PR_SET_PDEATHSIG, 0, 0, 0, 0); err != nil {
		panic(err)
	}
}

// hostMain is a host that starts one plugin, tells its process id, and never ends by itself.
func hostMain() {
	plugin, err := launch.Start(context.Background(), launch.Config{
		Path: os.Args[0], Dir: os.Getenv("HOST_DIR"), Instance: "orphan",
		Env: []string{modeEnv + "=" + os.Getenv("HOST_PLUGIN")},
	})
	if err != nil {
		fmt.Println("failed:", err)
		os.Exit(1)
	}
	fmt.Println("plugin", plugin.Pid())
	select {}
}

// TestNoOrphan kills a host with SIGKILL: its plugin ends by the lifeline alone and by the parent-death signal alone.
func TestNoOrphan(t *testing.T) {
	t.Parallel()
	for name, mode := range map[string]string{"lifeline": "deaf", "parent-death signal": "stock"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			host := exec.CommandContext(t.Context(), testBinary(t))
			host.Env = []string{modeEnv + "=host", "HOST_PLUGIN=" + mode, "HOST_DIR=" + shortDir(t)}
			out, err := host.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := host.Start(); err != nil {
				t.Fatal(err)
			}
			line, err := bufio.NewReader(out).ReadString('\n')
			text, found := strings.CutPrefix(strings.TrimSpace(line), "plugin ")
			pid, numErr := strconv.Atoi(text)
			if err != nil || !found || numErr != nil {
				t.Fatalf("the host said %q (%v)", line, err)
			}
			if !running(pid) {
				t.Fatalf("the plugin %d does not run", pid)
			}
			if err := host.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			_ = host.Wait()
			waitFor(t, "the end of the orphan", func() bool { return !running(pid) })
		})
	}
}

// TestFileMode shows that what a plugin creates is for its user alone, whatever the host's mask is.
func TestFileMode(t *testing.T) {
	t.Parallel()
	p := start(t, "sdk", nil)
	configure(t, p, `{"name":"x"}`)
	if got := string(open(t, p).do(t, job("fixture.mask", nil)).GetDone().GetData()); got != "63" { // 0o077
		t.Errorf("umask %s", got)
	}
}

// running says whether the process is there and no zombie.
func running(pid int) bool {
	state := stateOf(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	return state != "" && state != "Z" && state != "X"
}

// halted says whether each thread of the process has stopped: a signal reaches them one after the other, and one that
// still runs may answer.
func halted(pid int) bool {
	threads, err := filepath.Glob(filepath.Join("/proc", strconv.Itoa(pid), "task", "*", "stat"))
	if err != nil || len(threads) == 0 {
		return false
	}
	return !slices.ContainsFunc(threads, func(stat string) bool { return stateOf(stat) != "T" })
}

// stateOf reads the letter of a process' or thread's state (proc(5)); empty: it is gone.
func stateOf(stat string) string {
	text, err := os.ReadFile(stat)
	if err != nil {
		return ""
	}
	after := string(text)[strings.LastIndexByte(string(text), ')')+1:]
	return strings.Fields(after)[0]
}
