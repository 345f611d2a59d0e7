package config

import (
	"fmt"
	"strings"
)

// Fault is one mistake in the configuration.
type Fault struct {
	// File is where it stands; empty: in the environment.
	File string
	// Line in File, from 1; 0: unknown.
	Line int
	// Key is the key at fault, as it is written there.
	Key string
	// Problem says what is wrong. It never holds the value of a secret.
	Problem string
	// Mend says what to write instead.
	Mend string
}

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

// Faults are all mistakes of a configuration, those of the file first.
type Faults []Fault

func (f Faults) Error() string {
	lines := make([]string, len(f))
	for i, fault := range f {
		lines[i] = fault.String()
	}
	return strings.Join(lines, "\n")
}
