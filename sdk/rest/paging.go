package rest

import (
	"context"
	"errors"
	"iter"
	"net/http"
	"reflect"
	"strings"
)

// MaxPages bounds every paging: beyond it ErrPaging ends it.
const MaxPages = 10_000

// ErrPaging ends a paging that does not come to an end by itself: a page token that came before, a page that equals the
// one before, or more than MaxPages. A vendor that ignores its own page parameter would be asked for ever.
var ErrPaging = errors.New("rest: the pages do not end")

// Cursor goes through pages that name the next one: fetch gets the cursor ("" for the first page) and returns the page's
// items and the next cursor ("": this was the last). An empty page is no end. An error ends it.
func Cursor[T any](ctx context.Context, fetch func(ctx context.Context, cursor string) (items []T, next string, err error)) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		cursor, seen := "", map[string]struct{}{"": {}}
		pages(yield, func() ([]T, bool, error) {
			items, next, err := fetch(ctx, cursor)
			if err != nil || next == "" {
				return items, false, err
			}
			if _, again := seen[next]; again {
				return items, false, ErrPaging
			}
			seen[next], cursor = struct{}{}, next
			return items, true, nil
		})
	}
}

// Offset goes through pages by the number of items before them: fetch returns the items from offset on and whether there
// are more. A page without items is the last. Rows can shift between pages while others write: don't infer from one
// pass that something is gone.
func Offset[T any](ctx context.Context, fetch func(ctx context.Context, offset int) (items []T, more bool, err error)) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		offset, repeat := 0, repeated[T]{}
		pages(yield, func() ([]T, bool, error) {
			items, more, err := fetch(ctx, offset)
			if err == nil && repeat.of(items) {
				return nil, false, ErrPaging
			}
			offset += len(items)
			return items, more && len(items) > 0, err
		})
	}
}

// Numbered goes through pages by their number, from 1: fetch returns the page's items and how many pages there are. The
// same holds of rows that shift as for Offset.
func Numbered[T any](ctx context.Context, fetch func(ctx context.Context, page int) (items []T, last int, err error)) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		page, repeat := 0, repeated[T]{}
		pages(yield, func() ([]T, bool, error) {
			page++
			items, last, err := fetch(ctx, page)
			if err == nil && repeat.of(items) {
				return nil, false, ErrPaging
			}
			return items, page < last, err
		})
	}
}

// Next goes through pages that link to the next one (Link: <...>; rel="next", RFC 8288): fetch gets the URL ("" for the
// first page), which Request.Path takes as it is, and returns the items and the answer's header.
func Next[T any](ctx context.Context, fetch func(ctx context.Context, url string) (items []T, header http.Header, err error)) iter.Seq2[T, error] {
	return Cursor(ctx, func(ctx context.Context, cursor string) ([]T, string, error) {
		items, header, err := fetch(ctx, cursor)
		return items, NextLink(header), err
	})
}

// pages yields the items of page after page; fetch says whether another follows.
func pages[T any](yield func(T, error) bool, fetch func() ([]T, bool, error)) {
	var none T
	for range MaxPages {
		items, more, err := fetch()
		for _, item := range items {
			if !yield(item, nil) {
				return
			}
		}
		if err != nil {
			yield(none, err)
			return
		}
		if !more {
			return
		}
	}
	yield(none, ErrPaging)
}

// repeated notices a page that equals the one before.
type repeated[T any] struct{ last []T }

func (r *repeated[T]) of(items []T) bool {
	same := len(items) > 0 && reflect.DeepEqual(items, r.last)
	r.last = items
	return same
}

// NextLink returns the target of the link with rel="next", as it stands there; "" if there is none. Request.Path takes an
// absolute one, as vendors send it.
func NextLink(header http.Header) string {
	for _, line := range header.Values("Link") {
		for rest := line; rest != ""; {
			start := strings.IndexByte(rest, '<')
			if start < 0 {
				break
			}
			end := strings.IndexByte(rest[start:], '>')
			if end < 0 {
				break
			}
			target := rest[start+1 : start+end]
			rest = rest[start+end+1:]
			params := rest
			if another := strings.IndexByte(rest, '<'); another >= 0 {
				params = rest[:another]
			}
			if target != "" && isNext(params) {
				return target
			}
		}
	}
	return ""
}

// isNext looks for rel=next among a link's parameters; rel may list several relations.
func isNext(params string) bool {
	for param := range strings.SplitSeq(params, ";") {
		name, value, _ := strings.Cut(param, "=")
		if !strings.EqualFold(strings.TrimSpace(name), "rel") {
			continue
		}
		for relation := range strings.FieldsSeq(strings.Trim(strings.TrimRight(strings.TrimSpace(value), ", "), `"`)) {
			if strings.EqualFold(relation, "next") {
				return true
			}
		}
	}
	return false
}
