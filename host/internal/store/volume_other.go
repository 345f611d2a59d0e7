//go:build !linux && !darwin

package store

// fileSystem can't tell here.
func fileSystem(string) (kind string, remote bool, err error) { return "", false, nil }
