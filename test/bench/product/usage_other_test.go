//go:build !linux

package product

import (
	"fmt"
	"os/exec"
	"strconv"
	"time"
)

// usage returns the processor time that a process has used so far and its resident memory in bytes, as ps tells them
// (BSD: time as minutes:seconds.hundredths, memory in kB).
func usage(pid int) (processor time.Duration, resident int64, err error) {
	out, err := exec.Command("ps", "-o", "time=,rss=", "-p", strconv.Itoa(pid)).Output()
	if err != nil {
		return 0, 0, err
	}
	var minutes int64
	var seconds float64
	var kilobytes int64
	if _, err := fmt.Sscanf(string(out), "%d:%f %d", &minutes, &seconds, &kilobytes); err != nil {
		return 0, 0, fmt.Errorf("ps: %q: %w", out, err)
	}
	return time.Duration(minutes)*time.Minute + time.Duration(seconds*float64(time.Second)), kilobytes << 10, nil
}
