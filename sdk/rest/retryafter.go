package rest

import (
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"
)

const (
	// maxRetryAfter bounds what a vendor may ask for: a slip of its clock must not put a job off for years.
	maxRetryAfter = 24 * time.Hour
	// epochFrom is where a number is a time in Unix seconds rather than a wait: no wait is 30 years long.
	epochFrom = 1e9
)

// retryAfter reads how long a vendor wants to be left alone: Retry-After (RFC 9110, 10.2.3), else the first of others
// that says something. 0: nothing, or a time that is over.
func retryAfter(header http.Header, others []string, now time.Time) time.Duration {
	if wait, ok := parseWait(header.Get("Retry-After"), now); ok {
		return wait
	}
	for _, name := range others {
		if wait, ok := parseWait(header.Get(name), now); ok {
			return wait
		}
	}
	return 0
}

// parseWait reads seconds (whole or with a fraction), Unix seconds, an HTTP date, or an RFC 3339 time. The wait is
// between 0 and maxRetryAfter.
func parseWait(text string, now time.Time) (time.Duration, bool) {
	text = strings.TrimSpace(text)
	if text == "" {
		return 0, false
	}
	if number, err := strconv.ParseFloat(text, 64); err == nil {
		switch {
		case math.IsNaN(number) || number < 0:
			return 0, false
		case number >= epochFrom && number < 1e11: // milliseconds, microseconds and nonsense are beyond
			return bounded(time.Unix(int64(math.Ceil(number)), 0).Sub(now)), true
		case number >= maxRetryAfter.Seconds():
			return maxRetryAfter, true
		}
		return time.Duration(number * float64(time.Second)), true
	}
	if at, err := http.ParseTime(text); err == nil {
		return bounded(at.Sub(now)), true
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04Z07:00"} {
		if at, err := time.Parse(layout, text); err == nil {
			return bounded(at.Sub(now)), true
		}
	}
	return 0, false
}

func bounded(wait time.Duration) time.Duration { return min(max(wait, 0), maxRetryAfter) }
