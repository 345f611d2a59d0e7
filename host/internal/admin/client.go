package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
)

// ErrNoHost says that no running host was found.
var ErrNoHost = errors.New("no host is running on this data directory")

// Client speaks with one running host. It needs no closing.
type Client struct {
	http  *http.Client
	token string
}

// Dial finds a living host below the data directory; node names one of several, empty takes the first that answers. The
// error is ErrNoHost, with what is known of the hosts that are there and do not answer.
func Dial(ctx context.Context, dataDir, node string) (*Client, error) {
	folders, err := os.ReadDir(filepath.Join(dataDir, "nodes"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("hosts of %s: %w", dataDir, err)
	}
	var others []string
	var faults []error
	for _, folder := range folders {
		if !folder.IsDir() {
			continue
		}
		if node != "" && folder.Name() != node {
			others = append(others, folder.Name())
			continue
		}
		c, err := dial(ctx, filepath.Join(dataDir, "nodes", folder.Name()))
		if err == nil {
			return c, nil
		}
		faults = append(faults, fmt.Errorf("%s: %w", folder.Name(), err))
	}
	switch {
	case len(faults) > 0:
		return nil, fmt.Errorf("%w (%s); those that left something there do not answer:\n%w", ErrNoHost, dataDir, errors.Join(faults...))
	case len(others) > 0:
		return nil, fmt.Errorf("%w as node %s (%s); there are: %s", ErrNoHost, node, dataDir, strings.Join(others, ", "))
	default:
		return nil, fmt.Errorf("%w (%s); start it with bin/host, or set BULKHEAD_DATA_DIR to the one that it has", ErrNoHost, dataDir)
	}
}

// dial asks the host of one folder whether it lives.
func dial(ctx context.Context, dir string) (*Client, error) {
	token, err := os.ReadFile(filepath.Join(dir, tokenName)) //nolint:gosec // G304: below the operator's own data directory
	if err != nil {
		return nil, err
	}
	c := &Client{token: string(token), http: &http.Client{
		Timeout:   callTime,
		Transport: &http.Transport{DialContext: dialer(dir), DisableKeepAlives: true},
	}}
	return c, c.Get(ctx, "/alive", nil)
}

func dialer(dir string) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, _, _ string) (net.Conn, error) {
		path, done, err := address(dir)
		if err != nil {
			return nil, err
		}
		defer done()
		return (&net.Dialer{}).DialContext(ctx, "unix", path)
	}
}

// Get asks for path and decodes the JSON answer into out, which may be nil.
func (c *Client) Get(ctx context.Context, path string, out any) error {
	return c.call(ctx, http.MethodGet, path, nil, out)
}

// Post sends in as JSON and decodes the answer into out, which may be nil.
func (c *Client) Post(ctx context.Context, path string, in, out any) error {
	return c.call(ctx, http.MethodPost, path, in, out)
}

func (c *Client) call(ctx context.Context, method, path string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://host"+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+c.token)
	resp, err := c.http.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }() // read to its bound below
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxBody))
	if err != nil {
		return err
	}
	if resp.StatusCode >= http.StatusBadRequest {
		return errors.New(strings.TrimSpace(string(answer)))
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(answer, out)
}
