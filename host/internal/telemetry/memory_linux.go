package telemetry

import (
	"fmt"
	"os"
	"strconv"
)

// residentMemory is what a process holds in memory, in bytes (proc(5): the second number of statm, in pages); false when
// it can't be told.
func residentMemory(pid int) (int64, bool) {
	if pid <= 0 {
		return 0, false
	}
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/statm")
	if err != nil {
		return 0, false
	}
	var size, resident int64
	if _, err := fmt.Sscan(string(text), &size, &resident); err != nil {
		return 0, false
	}
	return resident * int64(os.Getpagesize()), true
}
