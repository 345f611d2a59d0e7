package supervisor

import (
	"cmp"
	"strconv"
	"strings"
)

// olderVersion says whether a comes before b (semver.org, 11: precedence; build metadata does not count). Both are
// semantic versions, a leading v aside; what is none comes first.
func olderVersion(a, b string) bool {
	coreA, preA := splitVersion(a)
	coreB, preB := splitVersion(b)
	if c := compareNumbers(coreA, coreB); c != 0 {
		return c < 0
	}
	if preA == "" || preB == "" {
		return preA != "" && preB == "" // a pre-release comes before its release
	}
	return comparePre(strings.Split(preA, "."), strings.Split(preB, ".")) < 0
}

func splitVersion(v string) (core []string, pre string) {
	v, _, _ = strings.Cut(strings.TrimPrefix(v, "v"), "+")
	v, pre, _ = strings.Cut(v, "-")
	return strings.Split(v, "."), pre
}

func compareNumbers(a, b []string) int {
	for i := range min(len(a), len(b)) {
		x, _ := strconv.ParseUint(a[i], 10, 64) // no number: 0
		y, _ := strconv.ParseUint(b[i], 10, 64)
		if c := cmp.Compare(x, y); c != 0 {
			return c
		}
	}
	return cmp.Compare(len(a), len(b))
}

// comparePre compares identifiers: numbers by value and before words, words by their bytes, fewer before more.
func comparePre(a, b []string) int {
	for i := range min(len(a), len(b)) {
		x, errX := strconv.ParseUint(a[i], 10, 64)
		y, errY := strconv.ParseUint(b[i], 10, 64)
		var c int
		switch {
		case errX == nil && errY == nil:
			c = cmp.Compare(x, y)
		case errX == nil:
			c = -1
		case errY == nil:
			c = 1
		default:
			c = cmp.Compare(a[i], b[i])
		}
		if c != 0 {
			return c
		}
	}
	return cmp.Compare(len(a), len(b))
}
