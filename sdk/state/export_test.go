package state

import "time"

// WithClock returns a copy of the client that tells the time by now.
func (c *Client) WithClock(now func() time.Time) *Client {
	changed := *c
	changed.now = now
	return &changed
}
