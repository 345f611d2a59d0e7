package rest

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// Path fills ids into a path, each escaped as one segment: Path("/issue/%s/comment/%v", key, 7).
func Path(format string, ids ...any) string {
	escaped := make([]any, len(ids))
	for i, id := range ids {
		escaped[i] = url.PathEscape(fmt.Sprint(id))
	}
	return fmt.Sprintf(strings.ReplaceAll(format, "%v", "%s"), escaped...)
}

// resolve makes the URL of a request. Dot segments are refused rather than resolved: an id that a stranger chose must
// not turn a call into another one.
func (c *Client) resolve(path string, query url.Values) (*url.URL, error) {
	u := c.base
	switch {
	case strings.Contains(path, "://"):
		absolute, err := url.Parse(path)
		if err != nil {
			return nil, errors.New("the URL is malformed")
		}
		u = absolute
	case strings.ContainsAny(path, "?#"):
		return nil, errors.New("the path bears a query or fragment: use Query, and escape ids with Path")
	case path != "":
		if _, err := url.PathUnescape(path); err != nil {
			return nil, errors.New("the path is not escaped: use Path")
		}
		for segment := range strings.SplitSeq(path, "/") {
			if plain, _ := url.PathUnescape(segment); plain == "." || plain == ".." {
				return nil, errors.New("the path has a dot segment")
			}
		}
		u = u.JoinPath(path)
	}
	if len(query) > 0 {
		changed := *u
		if changed.RawQuery != "" {
			changed.RawQuery += "&"
		}
		changed.RawQuery += query.Encode()
		u = &changed
	}
	return u, nil
}
