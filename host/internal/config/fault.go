package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Fault is one mistake in the configuration.
type Fault struct {
	// File is where it stands; empty: in the environment.
	File string
	// Line in File, from 1; 0: unknown, or the whole file.
	Line int
	// Key is the key at fault, as it is written there.
	Key string
	// Problem says what is wrong. It never holds the value of a secret.
	Problem string
	// Mend says what to write instead.
	Mend string
}

// String writes the fault on one line, its place first.
func (f Fault) String() string {
	var b strings.Builder
	switch {
	case f.File == "":
		b.WriteString("environment")
	case f.Line == 0:
		b.WriteString(f.File)
	default:
		fmt.Fprintf(&b, "%s:%d", f.File, f.Line)
	}
	if f.Key != "" {
		b.WriteString(": " + f.Key)
	}
	b.WriteString(": " + f.Problem)
	if f.Mend != "" {
		b.WriteString("; " + f.Mend)
	}
	return b.String()
}

// Faults are all mistakes of a configuration, those of the environment first, those of the file by line.
type Faults []Fault

// Error lists the faults, a line each.
func (f Faults) Error() string {
	lines := make([]string, len(f))
	for i, fault := range f {
		lines[i] = fault.String()
	}
	return strings.Join(lines, "\n")
}

// err answers f as an error, ordered; nil when there is none.
func (f Faults) err() error {
	if len(f) == 0 {
		return nil
	}
	slices.SortStableFunc(f, func(a, b Fault) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Key, b.Key))
	})
	return f
}
