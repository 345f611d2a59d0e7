package rest_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"time"

	"bulkhead.dev/sdk/rest"
)

// A client as a plugin makes it in Configure.
func ExampleNew() {
	client, err := rest.New(rest.Config{
		Name:    "acme",
		BaseURL: "https://api.acme.example/v2",
		Auth:    rest.Token("X-Api-Key", "from the settings"),
		Rates: []rest.Rate{
			{Name: "account", Requests: 20, Per: 2 * time.Second, Burst: 10},
			{Name: "channel", Requests: 1, Per: time.Second, Scope: func(r *rest.Request) string { return r.Subject }},
		},
		ResetHeaders: []string{"X-RateLimit-Reset"},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.Close()
	fmt.Println("ready")
	// Output: ready
}

// An error knows how the job goes on; a handler looks at it only where it knows better.
func ExampleError() {
	vendor := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "3600")
		w.WriteHeader(http.StatusTooManyRequests)
		_, _ = io.WriteString(w, `{"message":"the daily budget is used up"}`)
	}))
	defer vendor.Close()
	client, err := rest.New(rest.Config{Name: "acme", BaseURL: vendor.URL})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.Close()

	err = client.PostJSON(context.Background(), "/deals", map[string]any{"title": "Scanners"}, nil)
	if failure := (*rest.Error)(nil); errors.As(err, &failure) {
		fmt.Println(failure.Status, failure.Message)
		d := failure.Disposition()
		fmt.Println("again in", d.After, "free:", d.Free, "dead letter:", d.Reject)
	}
	// Output:
	// 429 the daily budget is used up
	// again in 1h0m0s free: true dead letter: false
}

// A list whose pages name the next cursor.
func ExampleCursor() {
	type deal struct {
		ID int `json:"id"`
	}
	vendor := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("cursor") == "" {
			_, _ = io.WriteString(w, `{"data":[{"id":1},{"id":2}],"next":"abc"}`)
			return
		}
		_, _ = io.WriteString(w, `{"data":[{"id":3}],"next":null}`)
	}))
	defer vendor.Close()
	client, err := rest.New(rest.Config{BaseURL: vendor.URL})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.Close()

	deals := rest.Cursor(context.Background(), func(ctx context.Context, cursor string) ([]deal, string, error) {
		query := url.Values{"limit": {"500"}}
		if cursor != "" {
			query.Set("cursor", cursor)
		}
		var page struct {
			Data []deal `json:"data"`
			Next string `json:"next"`
		}
		err := client.GetJSON(ctx, "/deals", query, &page)
		return page.Data, page.Next, err
	})
	for deal, err := range deals {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(deal.ID)
	}
	// Output:
	// 1
	// 2
	// 3
}

// An id in a path is escaped, whatever stands in it.
func ExamplePath() {
	fmt.Println(rest.Path("/issue/%s/comment/%v", "a/b?c", 7))
	// Output: /issue/a%2Fb%3Fc/comment/7
}
