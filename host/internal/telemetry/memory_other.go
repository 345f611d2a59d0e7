//go:build !linux

package telemetry

// residentMemory is not told here: other systems have no file to read it from.
func residentMemory(int) (int64, bool) { return 0, false }
