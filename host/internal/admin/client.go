package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
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

// Dial finds a living host below the data directory; node names one of several, empty takes the first that answers.
func Dial(ctx context.Context, dataDir, node string) (*Client, error) {
	pattern := filepath.Join(dataDir, "nodes", "*")
	if node != "" {
		pattern = filepath.Join(dataDir, "nodes", node)
	}
	folders, err := filepath.Glob(pattern)
	if err != nil {
		return nil, fmt.Errorf("nodes of %s: %w", dataDir, err)
	}
	for _, dir := range folders {
		token, err := os.ReadFile(filepath.Join(dir, tokenName)) //nolint:gosec // below the operator's own data directory
		if err != nil {
			continue
		}
		c := &Client{token: string(token), http: &http.Client{
			Timeout:   callTime,
			Transport: &http.Transport{DialContext: dialer(dir), DisableKeepAlives: true},
		}}
		if err := c.Get(ctx, "/alive", nil); err == nil {
			return c, nil
		}
	}
	return nil, fmt.Errorf("%w (%s); start it with bin/host", ErrNoHost, dataDir)
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
