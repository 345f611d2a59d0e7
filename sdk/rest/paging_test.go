package rest_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"

	"bulkhead.dev/sdk/rest"
)

// collect gathers what a paging yields.
func collect[T any](seq iter.Seq2[T, error]) ([]T, error) {
	var all []T
	for item, err := range seq {
		if err != nil {
			return all, err
		}
		all = append(all, item)
	}
	return all, nil
}

func TestCursor(t *testing.T) {
	t.Parallel()
	fault := errors.New("page 3 is broken")
	type page struct {
		items []int
		next  string
		err   error
	}
	tests := []struct {
		name  string
		pages map[string]page
		want  []int
		err   error
	}{
		{"one", map[string]page{"": {items: []int{1, 2}}}, []int{1, 2}, nil},
		{"none", map[string]page{"": {}}, nil, nil},
		{"three, one of them empty", map[string]page{"": {items: []int{1}, next: "a"}, "a": {next: "b"}, "b": {items: []int{2}}}, []int{1, 2}, nil},
		{"broken", map[string]page{"": {items: []int{1}, next: "a"}, "a": {err: fault}}, []int{1}, fault},
		{"a token again", map[string]page{"": {items: []int{1}, next: "a"}, "a": {items: []int{2}, next: "b"}, "b": {items: []int{3}, next: "a"}},
			[]int{1, 2, 3}, rest.ErrPaging},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			seq := rest.Cursor(t.Context(), func(_ context.Context, cursor string) ([]int, string, error) {
				p := tt.pages[cursor]
				return p.items, p.next, p.err
			})
			for range 2 { // a sequence may be gone through again
				got, err := collect(seq)
				if diff := cmp.Diff(tt.want, got); diff != "" || !errors.Is(err, tt.err) {
					t.Errorf("%v, %s", err, diff)
				}
			}
		})
	}
}

func TestPagesAreBounded(t *testing.T) {
	t.Parallel()
	calls := 0
	_, err := collect(rest.Cursor(t.Context(), func(context.Context, string) ([]int, string, error) {
		calls++
		return nil, strconv.Itoa(calls), nil
	}))
	if !errors.Is(err, rest.ErrPaging) || calls != rest.MaxPages {
		t.Errorf("%v after %d pages", err, calls)
	}
}

func TestOffset(t *testing.T) {
	t.Parallel()
	all := []int{1, 2, 3, 4, 5}
	var asked []int
	fetch := func(_ context.Context, offset int) ([]int, bool, error) {
		asked = append(asked, offset)
		end := min(offset+2, len(all))
		return all[offset:end], end < len(all), nil
	}
	got, err := collect(rest.Offset(t.Context(), fetch))
	if diff := cmp.Diff(all, got); diff != "" || err != nil {
		t.Errorf("%v, %s", err, diff)
	}
	if diff := cmp.Diff([]int{0, 2, 4}, asked); diff != "" {
		t.Error(diff)
	}
	asked = nil
	for item, err := range rest.Offset(t.Context(), fetch) {
		if item == 3 || err != nil {
			break
		}
	}
	if len(asked) != 2 {
		t.Errorf("a loop that stops asked for %v", asked)
	}
	got, err = collect(rest.Offset(t.Context(), func(context.Context, int) ([]int, bool, error) { return nil, true, nil }))
	if got != nil || err != nil {
		t.Errorf("a page without items: %v, %v", got, err)
	}
	got, err = collect(rest.Offset(t.Context(), func(context.Context, int) ([]int, bool, error) { return []int{1}, true, nil }))
	if !errors.Is(err, rest.ErrPaging) || len(got) != 1 {
		t.Errorf("a vendor that ignores the offset: %v, %v", got, err)
	}
}

func TestNumbered(t *testing.T) {
	t.Parallel()
	got, err := collect(rest.Numbered(t.Context(), func(_ context.Context, page int) ([]string, int, error) {
		return []string{fmt.Sprint(page)}, 3, nil
	}))
	if diff := cmp.Diff([]string{"1", "2", "3"}, got); diff != "" || err != nil {
		t.Errorf("%v, %s", err, diff)
	}
	got, err = collect(rest.Numbered(t.Context(), func(context.Context, int) ([]string, int, error) { return []string{"1"}, 3, nil }))
	if !errors.Is(err, rest.ErrPaging) || len(got) != 1 {
		t.Errorf("a vendor that ignores the page: %v, %v", got, err)
	}
	fault := errors.New("no")
	if _, err = collect(rest.Numbered(t.Context(), func(context.Context, int) ([]string, int, error) { return nil, 3, fault })); !errors.Is(err, fault) {
		t.Errorf("%v", err)
	}
}

func TestNext(t *testing.T) {
	t.Parallel()
	v, config := serve(t, func(w http.ResponseWriter, r *http.Request) {
		page, _ := strconv.Atoi(r.URL.Query().Get("page"))
		if page < 2 {
			w.Header().Set("Link", fmt.Sprintf(`<http://localhost/api/w?page=%d>; rel="next", <http://localhost/api/w?page=2>; rel="last"`, page+1))
		}
		_, _ = io.WriteString(w, strconv.Itoa(page))
	})
	c := client(t, config)
	got, err := collect(rest.Next(t.Context(), func(ctx context.Context, link string) ([]string, http.Header, error) {
		request := rest.Request{Path: "/w", Query: url.Values{"page": {"0"}}}
		if link != "" {
			request = rest.Request{Path: link}
		}
		response, err := c.Do(ctx, request)
		if err != nil {
			return nil, nil, err
		}
		return []string{string(response.Body)}, response.Header, nil
	}))
	if diff := cmp.Diff([]string{"0", "1", "2"}, got); diff != "" || err != nil || len(v.requests()) != 3 {
		t.Errorf("%v, %s", err, diff)
	}
}

func TestNextLink(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		lines []string
		want  string
	}{
		{nil, ""},
		{[]string{`<https://a/2>; rel="next"`}, "https://a/2"},
		{[]string{`<https://a/1>; rel="prev", <https://a/3>; title="a, b"; REL=Next`}, "https://a/3"},
		{[]string{`<https://a/1>; rel="prev"`, `<https://a/3>; rel="last next"`}, "https://a/3"},
		{[]string{`<https://a/1,2;x>; rel=next`}, "https://a/1,2;x"},
		{[]string{`</w?page=2>; rel=next`}, "/w?page=2"},
		{[]string{`<https://a/1>; rel="nextone"`}, ""},
		{[]string{`<https://a/1>; title="next"`}, ""},
		{[]string{`https://a/1; rel=next`, `<https://a/1`, `<>; rel=next`}, ""},
	} {
		if got := rest.NextLink(http.Header{"Link": tt.lines}); got != tt.want {
			t.Errorf("%q: %q, want %q", tt.lines, got, tt.want)
		}
	}
}
