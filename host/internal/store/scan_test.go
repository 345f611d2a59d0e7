package store_test

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"bulkhead.dev/host/internal/store"
	"bulkhead.dev/sdk/pluginv1"
)

func scanOf(prefix, after string, limit int32) *pluginv1.ScanStateRequest {
	return &pluginv1.ScanStateRequest{What: &pluginv1.ScanStateRequest_ValuePrefix{ValuePrefix: prefix}, After: after, Limit: limit}
}

// scanAll goes through all pages.
func scanAll(tb testing.TB, s *store.Store, instance, prefix string, limit int32) []string {
	tb.Helper()
	var keys []string
	for after := ""; ; after = keys[len(keys)-1] {
		res, err := s.ScanState(context.WithoutCancel(tb.Context()), instance, scanOf(prefix, after, limit))
		if err != nil {
			tb.Fatalf("scan: %v", err)
		}
		for _, v := range res.GetValues() {
			keys = append(keys, v.GetKey())
		}
		if !res.GetMore() {
			return keys
		}
		if len(res.GetValues()) == 0 {
			tb.Fatal("an empty page promises more")
		}
	}
}

func TestScanValuesByPrefix(t *testing.T) {
	t.Parallel()
	s := open(t, dataDir(t))
	keys := []string{"a", "a/1", "a/10", "a/2", "a%", "a_", "A", "b", "ä", "äb", "ж", "𝄞", "\u007f", "a*", "\U0010ffff", "z\U0010ffff"}
	for _, key := range keys {
		mustPut(t, s, key, `1`)
	}
	slices.Sort(keys) // byte order
	for _, prefix := range []string{"", "a", "a/", "a/1", "a%", "a_", "a*", "ä", "ж", "𝄞", "z", "\U0010ffff", "none", "\u007f"} {
		var want []string
		for _, key := range keys {
			if strings.HasPrefix(key, prefix) {
				want = append(want, key)
			}
		}
		for _, limit := range []int32{0, 1, 2, 3, 1000} {
			if diff := cmp.Diff(want, scanAll(t, s, "widget", prefix, limit)); diff != "" {
				t.Errorf("prefix %q, limit %d: %s", prefix, limit, diff)
			}
		}
	}
	for _, after := range []string{"", "A", "a", "a/10", "a0", "zzz"} {
		var want, got []string
		for _, key := range keys {
			if key > after && strings.HasPrefix(key, "a") {
				want = append(want, key)
			}
		}
		res, err := s.ScanState(t.Context(), "widget", scanOf("a", after, 0))
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range res.GetValues() {
			got = append(got, v.GetKey())
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("after %q: %s", after, diff)
		}
	}
}

func TestScanLinksOfOneKind(t *testing.T) {
	t.Parallel()
	s := open(t, dataDir(t))
	for i := range 7 {
		mustCommit(t, s, "widget", putLink("order", fmt.Sprintf("s%d", i), "t"), putLink("order-old", fmt.Sprintf("s%d", i), "t"))
	}
	var sources []string
	after := ""
	for pages := 1; ; pages++ {
		res, err := s.ScanState(t.Context(), "widget", &pluginv1.ScanStateRequest{
			What: &pluginv1.ScanStateRequest_LinkKind{LinkKind: "order"}, After: after, Limit: 3})
		if err != nil {
			t.Fatal(err)
		}
		for _, link := range res.GetLinks() {
			if link.GetKind() != "order" || link.GetRevision() == 0 {
				t.Errorf("got %v", link)
			}
			after = link.GetSource()
			sources = append(sources, after)
		}
		if !res.GetMore() {
			if pages != 3 {
				t.Errorf("%d pages", pages)
			}
			break
		}
	}
	if diff := cmp.Diff([]string{"s0", "s1", "s2", "s3", "s4", "s5", "s6"}, sources); diff != "" {
		t.Error(diff)
	}
}

func TestAPageIsBoundedInBytes(t *testing.T) {
	t.Parallel()
	s := open(t, dataDir(t))
	large := `"` + string(bytes.Repeat([]byte("x"), store.MaxValueBytes-2)) + `"`
	for i := range 11 {
		mustPut(t, s, fmt.Sprintf("%02d", i), large)
	}
	res, err := s.ScanState(t.Context(), "widget", scanOf("", "", 1000))
	if err != nil {
		t.Fatal(err)
	}
	if n := len(res.GetValues()); n == 0 || n > 5 || !res.GetMore() {
		t.Errorf("%d values, more %v", n, res.GetMore())
	}
	if got := scanAll(t, s, "widget", "", 1000); len(got) != 11 {
		t.Errorf("%d in all", len(got))
	}
}

func TestBadScans(t *testing.T) {
	t.Parallel()
	s := open(t, dataDir(t))
	long := strings.Repeat("k", store.MaxKeyBytes+1)
	tests := map[string]struct {
		req   *pluginv1.ScanStateRequest
		field string
	}{
		"nothing":     {&pluginv1.ScanStateRequest{}, "what"},
		"no kind":     {&pluginv1.ScanStateRequest{What: &pluginv1.ScanStateRequest_LinkKind{}}, "link_kind"},
		"long prefix": {scanOf(long, "", 0), "value_prefix"},
		"long after":  {scanOf("", long, 0), "after"},
		"negative":    {scanOf("", "", -1), "limit"},
		"too many":    {scanOf("", "", store.MaxPage+1), "limit"},
	}
	for name, tt := range tests {
		_, err := s.ScanState(t.Context(), "widget", tt.req)
		checkInvalid(t, name, err, tt.field)
	}
}

// FuzzScan compares the pages of a scan with a sorted list.
func FuzzScan(f *testing.F) {
	f.Add("a\nab\nb\nä\n%\n_", "a", "aa", uint8(2))
	f.Add("\U0010ffff\n\U0010ffff\U0010ffff\n\u07ff", "\U0010ffff", "", uint8(1))
	f.Add("x\nX\nx \n x", "", "x", uint8(3))
	s, err := store.OpenAs(context.Background(), f.TempDir(), "OFF", 256)
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = s.Close() })
	n := 0
	f.Fuzz(func(t *testing.T, list, prefix, after string, limit uint8) {
		n++
		instance := fmt.Sprintf("fuzz-%d", n)
		var keys []string
		for key := range strings.SplitSeq(list, "\n") {
			_, err := s.CommitState(context.Background(), instance, commitOf(putValue(key, `1`)))
			valid := key != "" && len(key) <= store.MaxKeyBytes && utf8.ValidString(key) && !strings.Contains(key, "\x00")
			if (err == nil) != valid {
				t.Fatalf("key %q: %v", key, err)
			}
			if valid {
				keys = append(keys, key)
			}
		}
		slices.Sort(keys)
		keys = slices.Compact(keys)
		for pages := 0; ; pages++ {
			res, err := s.ScanState(context.Background(), instance, scanOf(prefix, after, int32(limit)))
			if err != nil {
				checkFuzzFault(t, prefix, after, err)
				return
			}
			for _, v := range res.GetValues() {
				want := slices.IndexFunc(keys, func(key string) bool { return key > after && strings.HasPrefix(key, prefix) })
				if want < 0 || keys[want] != v.GetKey() {
					t.Fatalf("got %q after %q with prefix %q of %q", v.GetKey(), after, prefix, keys)
				}
				after = v.GetKey()
			}
			if !res.GetMore() {
				if left := slices.IndexFunc(keys, func(key string) bool { return key > after && strings.HasPrefix(key, prefix) }); left >= 0 {
					t.Fatalf("left out %q", keys[left])
				}
				return
			}
			if pages > len(keys) {
				t.Fatal("pages without end")
			}
		}
	})
}

func checkFuzzFault(t *testing.T, prefix, after string, err error) {
	t.Helper()
	for _, s := range []string{prefix, after} {
		if len(s) > store.MaxKeyBytes || !utf8.ValidString(s) || strings.Contains(s, "\x00") {
			return
		}
	}
	t.Fatalf("scan of %q after %q: %v", prefix, after, err)
}
