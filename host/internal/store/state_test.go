package store_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/testing/protocmp"

	"bulkhead.dev/host/internal/store"
	"bulkhead.dev/sdk/pluginv1"
)

func putValue(key, json string) *pluginv1.StateWrite {
	return &pluginv1.StateWrite{What: &pluginv1.StateWrite_PutValue{PutValue: &pluginv1.Value{Key: key, Json: []byte(json)}}}
}

func putLink(kind, source, target string) *pluginv1.StateWrite {
	return &pluginv1.StateWrite{What: &pluginv1.StateWrite_PutLink{PutLink: &pluginv1.Link{Kind: kind, Source: source, Target: target}}}
}

func putCursor(name string, value []byte) *pluginv1.StateWrite {
	return &pluginv1.StateWrite{What: &pluginv1.StateWrite_PutCursor{PutCursor: &pluginv1.Cursor{Name: name, Value: value}}}
}

func deleteValue(key string) *pluginv1.StateWrite {
	return &pluginv1.StateWrite{What: &pluginv1.StateWrite_DeleteValue{DeleteValue: key}}
}

func deleteLink(kind, source string) *pluginv1.StateWrite {
	return &pluginv1.StateWrite{What: &pluginv1.StateWrite_DeleteLink{DeleteLink: &pluginv1.LinkKey{Kind: kind, Source: source}}}
}

func absent(w *pluginv1.StateWrite) *pluginv1.StateWrite {
	w.Precondition = &pluginv1.Precondition{Must: &pluginv1.Precondition_BeAbsent{BeAbsent: true}}
	return w
}

func at(revision int64, w *pluginv1.StateWrite) *pluginv1.StateWrite {
	w.Precondition = &pluginv1.Precondition{Must: &pluginv1.Precondition_HaveRevision{HaveRevision: revision}}
	return w
}

func commitOf(writes ...*pluginv1.StateWrite) *pluginv1.CommitStateRequest {
	return &pluginv1.CommitStateRequest{Writes: writes}
}

func valueKey(key string) *pluginv1.StateRead {
	return &pluginv1.StateRead{What: &pluginv1.StateRead_Value{Value: key}}
}

func cursorName(name string) *pluginv1.StateRead {
	return &pluginv1.StateRead{What: &pluginv1.StateRead_Cursor{Cursor: name}}
}

func linkKey(kind, source string) *pluginv1.StateRead {
	return &pluginv1.StateRead{What: &pluginv1.StateRead_Link{Link: &pluginv1.LinkKey{Kind: kind, Source: source}}}
}

func linkTarget(kind, target string) *pluginv1.StateRead {
	return &pluginv1.StateRead{What: &pluginv1.StateRead_LinkByTarget{LinkByTarget: &pluginv1.LinkTarget{Kind: kind, Target: target}}}
}

func readOf(reads ...*pluginv1.StateRead) *pluginv1.ReadStateRequest {
	return &pluginv1.ReadStateRequest{Reads: reads}
}

func mustCommit(t *testing.T, s *store.Store, instance string, writes ...*pluginv1.StateWrite) *pluginv1.CommitStateResponse {
	t.Helper()
	res, err := s.CommitState(t.Context(), instance, commitOf(writes...))
	if err != nil {
		t.Fatalf("commit: %v", err)
	}
	return res
}

func mustPut(t *testing.T, s *store.Store, key, json string) int64 {
	t.Helper()
	return mustCommit(t, s, "widget", putValue(key, json)).GetRevisions()[0]
}

func mustRead(t *testing.T, s *store.Store, instance string, reads ...*pluginv1.StateRead) []*pluginv1.StateFound {
	t.Helper()
	res, err := s.ReadState(t.Context(), instance, readOf(reads...))
	if err != nil {
		t.Fatalf("read: %v", err)
	}
	if len(res.GetFound()) != len(reads) {
		t.Fatalf("%d answers to %d reads", len(res.GetFound()), len(reads))
	}
	return res.GetFound()
}

func mustGet(t *testing.T, s *store.Store, instance, key string) *pluginv1.Value {
	t.Helper()
	return mustRead(t, s, instance, valueKey(key))[0].GetValue()
}

func TestStateIsReadAsItWasWritten(t *testing.T) {
	t.Parallel()
	dir := dataDir(t)
	s := open(t, dir)
	link := &pluginv1.Link{Kind: "order-ticket", Source: "ö/1", Target: "T-1", Hash: "h", Revision: 99}
	res := mustCommit(t, s, "widget",
		&pluginv1.StateWrite{What: &pluginv1.StateWrite_PutLink{PutLink: link}},
		putLink("order-ticket", "intent", ""),
		putLink("order-ticket", "a second of one target", "T-1"),
		putCursor("since", []byte{0, 0xff}),
		putCursor("empty", nil),
		putValue("k", `{"a":[1,2]}`),
		deleteValue("never there"))
	if diff := cmp.Diff([]int64{1, 2, 3, 4, 5, 6, 0}, res.GetRevisions()); diff != "" {
		t.Fatal(diff)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, dir)
	found := mustRead(t, s, "widget", linkKey("order-ticket", "ö/1"), linkTarget("order-ticket", "T-1"), linkKey("order-ticket", "intent"),
		cursorName("since"), valueKey("k"), valueKey("none"), cursorName("none"), linkKey("none", "x"), linkTarget("order-ticket", "none"), cursorName("empty"))
	want := []*pluginv1.StateFound{
		{What: &pluginv1.StateFound_Link{Link: &pluginv1.Link{Kind: "order-ticket", Source: "ö/1", Target: "T-1", Hash: "h", Revision: 1}}},
		{What: &pluginv1.StateFound_Link{Link: &pluginv1.Link{Kind: "order-ticket", Source: "a second of one target", Target: "T-1", Revision: 3}}},
		{What: &pluginv1.StateFound_Link{Link: &pluginv1.Link{Kind: "order-ticket", Source: "intent", Revision: 2}}},
		{What: &pluginv1.StateFound_Cursor{Cursor: &pluginv1.Cursor{Name: "since", Value: []byte{0, 0xff}, Revision: 4}}},
		{What: &pluginv1.StateFound_Value{Value: &pluginv1.Value{Key: "k", Json: []byte(`{"a":[1,2]}`), Revision: 6}}},
		{}, {}, {}, {},
		{What: &pluginv1.StateFound_Cursor{Cursor: &pluginv1.Cursor{Name: "empty", Value: []byte{}, Revision: 5}}},
	}
	if diff := cmp.Diff(want, found, protocmp.Transform()); diff != "" {
		t.Error(diff)
	}
	mustCommit(t, s, "widget", deleteLink("order-ticket", "ö/1"), deleteValue("k"))
	for i, f := range mustRead(t, s, "widget", linkKey("order-ticket", "ö/1"), valueKey("k")) {
		if f.GetWhat() != nil {
			t.Errorf("%d is still there: %v", i, f)
		}
	}
}

func TestPreconditions(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		writes    []*pluginv1.StateWrite // on a store with v=1 (revision 1), l (2), c (3)
		conflicts []int32
	}{
		"absent holds":              {[]*pluginv1.StateWrite{absent(putValue("new", `1`)), absent(putLink("k", "new", "")), absent(putCursor("new", nil))}, nil},
		"absent fails":              {[]*pluginv1.StateWrite{absent(putValue("v", `2`)), absent(putLink("k", "l", "")), absent(putCursor("c", nil))}, []int32{0, 1, 2}},
		"revision holds":            {[]*pluginv1.StateWrite{at(1, putValue("v", `2`)), at(2, putLink("k", "l", "x")), at(3, putCursor("c", nil))}, nil},
		"revision fails":            {[]*pluginv1.StateWrite{at(7, putValue("v", `2`)), putValue("other", `1`), at(2, putValue("none", `1`))}, []int32{0, 2}},
		"delete by revision":        {[]*pluginv1.StateWrite{at(1, deleteValue("v")), at(2, deleteLink("k", "l"))}, nil},
		"delete of another":         {[]*pluginv1.StateWrite{at(2, deleteValue("v")), at(1, deleteLink("k", "l"))}, []int32{0, 1}},
		"one in a batch fails all":  {[]*pluginv1.StateWrite{putValue("x", `1`), at(1, putValue("v", `2`)), absent(putCursor("c", nil))}, []int32{2}},
		"compared with what was":    {[]*pluginv1.StateWrite{putLink("k", "v", "x"), at(1, putValue("v", `2`))}, nil},
		"absent before a deletion":  {[]*pluginv1.StateWrite{absent(deleteValue("none"))}, nil},
		"kinds are apart":           {[]*pluginv1.StateWrite{absent(putLink("other", "l", ""))}, nil},
		"values and links are too":  {[]*pluginv1.StateWrite{absent(putValue("l", `1`)), absent(putValue("c", `1`))}, nil},
		"nothing asked, no failure": {[]*pluginv1.StateWrite{putValue("v", `3`)}, nil},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := open(t, dataDir(t))
			mustCommit(t, s, "widget", putValue("v", `1`), putLink("k", "l", ""), putCursor("c", []byte("c")))
			before := dump(t, s)
			res := mustCommit(t, s, "widget", tt.writes...)
			if diff := cmp.Diff(tt.conflicts, res.GetConflicts()); diff != "" {
				t.Error(diff)
			}
			if changed := dump(t, s) != before; changed != (tt.conflicts == nil && name != "absent before a deletion") {
				t.Errorf("changed: %v", changed)
			}
			if tt.conflicts == nil && len(res.GetRevisions()) != len(tt.writes) || tt.conflicts != nil && res.GetRevisions() != nil {
				t.Errorf("revisions %v", res.GetRevisions())
			}
		})
	}
}

// dump tells whether anything in the state changed.
func dump(t *testing.T, s *store.Store) string {
	t.Helper()
	var all string
	err := s.Read().QueryRowContext(t.Context(), `SELECT
		(SELECT json_group_array(instance||key||json||revision) FROM vals) ||
		(SELECT json_group_array(instance||kind||source||target||hash||revision) FROM links) ||
		(SELECT json_group_array(instance||name||hex(value)||revision) FROM cursors) ||
		(SELECT json_group_array(instance||last) FROM revisions)`).Scan(&all)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestARevisionIsNeverUsedAgain(t *testing.T) {
	t.Parallel()
	s := open(t, dataDir(t))
	old := mustPut(t, s, "k", `1`)
	mustCommit(t, s, "widget", deleteValue("k"))
	if again := mustPut(t, s, "k", `2`); again <= old {
		t.Fatalf("revision %d after %d", again, old)
	}
	if res := mustCommit(t, s, "widget", at(old, putValue("k", `3`))); len(res.GetConflicts()) != 1 {
		t.Error("a writer with the revision of the deleted entry got through")
	}
}

func TestCompareAndSetLosesNoUpdate(t *testing.T) {
	t.Parallel()
	dir := dataDir(t)
	hosts := []*store.Store{open(t, dir), open(t, dir)}
	mustPut(t, hosts[0], "n", `0`)
	const writers, each = 3, 15
	var wg sync.WaitGroup
	for _, s := range hosts {
		for range writers {
			wg.Go(func() {
				for done := 0; done < each; {
					v := mustGet(t, s, "widget", "n")
					var n int
					if _, err := fmt.Sscan(string(v.GetJson()), &n); err != nil {
						t.Error(err)
						return
					}
					res, err := s.CommitState(t.Context(), "widget", commitOf(at(v.GetRevision(), putValue("n", fmt.Sprint(n+1)))))
					if err != nil {
						t.Error(err)
						return
					}
					if len(res.GetConflicts()) == 0 {
						done++
					}
				}
			})
		}
	}
	wg.Wait()
	if got := string(mustGet(t, hosts[0], "widget", "n").GetJson()); got != fmt.Sprint(len(hosts)*writers*each) {
		t.Errorf("counted %s", got)
	}
}

func TestInstancesAreApart(t *testing.T) {
	t.Parallel()
	s := open(t, dataDir(t))
	mustCommit(t, s, "acme", putValue("k", `"acme"`), putLink("kind", "s", "t"), putCursor("c", []byte("acme")))
	for i, f := range mustRead(t, s, "acme-eu", valueKey("k"), linkKey("kind", "s"), linkTarget("kind", "t"), cursorName("c")) {
		if f.GetWhat() != nil {
			t.Errorf("read %d saw another instance's: %v", i, f)
		}
	}
	if got := scanAll(t, s, "acme-eu", "", 10); len(got) != 0 {
		t.Errorf("scan saw %v", got)
	}
	res := mustCommit(t, s, "acme-eu", absent(putValue("k", `"eu"`)), deleteLink("kind", "s"), absent(putCursor("c", nil)))
	if diff := cmp.Diff([]int64{1, 0, 2}, res.GetRevisions()); diff != "" {
		t.Error(diff)
	}
	if v := mustGet(t, s, "acme", "k"); string(v.GetJson()) != `"acme"` || v.GetRevision() != 1 {
		t.Errorf("changed from without: %v", v)
	}
	if f := mustRead(t, s, "acme", linkKey("kind", "s"))[0]; f.GetLink() == nil {
		t.Error("deleted from without")
	}
}

func TestBadStateRequests(t *testing.T) {
	t.Parallel()
	s := open(t, dataDir(t))
	long := strings.Repeat("k", store.MaxKeyBytes+1)
	big := `"` + strings.Repeat("x", store.MaxValueBytes) + `"`
	var many []*pluginv1.StateWrite
	var manyReads []*pluginv1.StateRead
	for i := range store.MaxBatch + 1 {
		many = append(many, putValue(fmt.Sprint(i), `1`))
		manyReads = append(manyReads, valueKey("k"))
	}
	var heavy []*pluginv1.StateWrite
	for i := range 13 {
		heavy = append(heavy, putCursor(fmt.Sprint(i), bytes.Repeat([]byte("x"), store.MaxValueBytes)))
	}
	commits := map[string]struct {
		writes []*pluginv1.StateWrite
		field  string
	}{
		"empty key":           {[]*pluginv1.StateWrite{putValue("", `1`)}, "writes[0].put_value.key"},
		"long key":            {[]*pluginv1.StateWrite{putValue("ok", `1`), putValue(long, `1`)}, "writes[1].put_value.key"},
		"NUL":                 {[]*pluginv1.StateWrite{putValue("a\x00b", `1`)}, "writes[0].put_value.key"},
		"no UTF-8":            {[]*pluginv1.StateWrite{putValue("a\xff", `1`)}, "writes[0].put_value.key"},
		"large value":         {[]*pluginv1.StateWrite{putValue("k", big)}, "writes[0].put_value.json"},
		"no JSON":             {[]*pluginv1.StateWrite{putValue("k", `{`)}, "writes[0].put_value.json"},
		"empty JSON":          {[]*pluginv1.StateWrite{putValue("k", ``)}, "writes[0].put_value.json"},
		"JSON without UTF-8":  {[]*pluginv1.StateWrite{putValue("k", "\"\xff\"")}, "writes[0].put_value.json"},
		"nothing":             {[]*pluginv1.StateWrite{{}}, "writes[0]"},
		"empty kind":          {[]*pluginv1.StateWrite{putLink("", "s", "")}, "writes[0].put_link.kind"},
		"empty source":        {[]*pluginv1.StateWrite{deleteLink("k", "")}, "writes[0].delete_link.source"},
		"long target":         {[]*pluginv1.StateWrite{putLink("k", "s", long)}, "writes[0].put_link.target"},
		"large cursor":        {[]*pluginv1.StateWrite{putCursor("c", make([]byte, store.MaxValueBytes+1))}, "writes[0].put_cursor.value"},
		"one entry twice":     {[]*pluginv1.StateWrite{putValue("k", `1`), putLink("k", "k", ""), deleteValue("k")}, "writes[2]"},
		"many":                {many, "writes"},
		"heavy":               {heavy, "writes"},
		"not absent":          {[]*pluginv1.StateWrite{{What: putValue("k", `1`).GetWhat(), Precondition: &pluginv1.Precondition{Must: &pluginv1.Precondition_BeAbsent{}}}}, "writes[0].precondition.be_absent"},
		"revision 0":          {[]*pluginv1.StateWrite{at(0, putValue("k", `1`))}, "writes[0].precondition.have_revision"},
		"empty precondition":  {[]*pluginv1.StateWrite{{What: putValue("k", `1`).GetWhat(), Precondition: &pluginv1.Precondition{}}}, "writes[0].precondition"},
		"put of a nil entry":  {[]*pluginv1.StateWrite{{What: &pluginv1.StateWrite_PutLink{}}}, "writes[0].put_link.kind"},
		"delete of a nil key": {[]*pluginv1.StateWrite{{What: &pluginv1.StateWrite_DeleteLink{}}}, "writes[0].delete_link.kind"},
	}
	for name, tt := range commits {
		_, err := s.CommitState(t.Context(), "widget", commitOf(tt.writes...))
		checkInvalid(t, name, err, tt.field)
	}
	reads := map[string]struct {
		reads []*pluginv1.StateRead
		field string
	}{
		"empty key":   {[]*pluginv1.StateRead{valueKey("")}, "reads[0].value"},
		"nothing":     {[]*pluginv1.StateRead{valueKey("k"), {}}, "reads[1]"},
		"no target":   {[]*pluginv1.StateRead{linkTarget("k", "")}, "reads[0].link_by_target.target"},
		"long cursor": {[]*pluginv1.StateRead{cursorName(long)}, "reads[0].cursor"},
		"nil link":    {[]*pluginv1.StateRead{{What: &pluginv1.StateRead_Link{}}}, "reads[0].link.kind"},
		"many":        {manyReads, "reads"},
	}
	for name, tt := range reads {
		_, err := s.ReadState(t.Context(), "widget", readOf(tt.reads...))
		checkInvalid(t, name, err, tt.field)
	}
	_, err := s.ReadState(t.Context(), "", readOf(valueKey("k")))
	checkInvalid(t, "no instance", err, "instance")
	if got := dump(t, s); strings.Contains(got, "widget") {
		t.Errorf("something was written: %.200s", got)
	}
}

func checkInvalid(t *testing.T, name string, err error, field string) {
	t.Helper()
	var invalid *store.InvalidError
	if !errors.As(err, &invalid) || invalid.Field != field {
		t.Errorf("%s: got %v, want a fault of %s", name, err, field)
	}
	if got := status.Code(err); got != codes.InvalidArgument {
		t.Errorf("%s: code %s", name, got)
	}
}

func TestALargeAnswerIsRefusedNotSent(t *testing.T) {
	t.Parallel()
	s := open(t, dataDir(t))
	mustCommit(t, s, "widget", putCursor("c", bytes.Repeat([]byte("x"), store.MaxValueBytes)))
	var reads []*pluginv1.StateRead
	for range store.MaxAnswerBytes/store.MaxValueBytes + 1 {
		reads = append(reads, cursorName("c"))
	}
	_, err := s.ReadState(t.Context(), "widget", readOf(reads...))
	var large *store.TooLargeError
	if !errors.As(err, &large) || status.Code(err) != codes.ResourceExhausted {
		t.Errorf("got %v", err)
	}
}

func TestReadStateIsOneSnapshot(t *testing.T) {
	t.Parallel()
	s := open(t, dataDir(t))
	mustCommit(t, s, "widget", putValue("a", `0`), putValue("b", `0`))
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := 1; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			n := fmt.Sprint(i)
			if _, err := s.CommitState(t.Context(), "widget", commitOf(putValue("a", n), putValue("b", n))); err != nil {
				t.Error(err)
				return
			}
		}
	})
	for range 200 {
		found := mustRead(t, s, "widget", valueKey("a"), valueKey("b"))
		if a, b := found[0].GetValue().GetJson(), found[1].GetValue().GetJson(); !bytes.Equal(a, b) {
			t.Errorf("a is %s, b is %s", a, b)
		}
	}
	close(stop)
	wg.Wait()
}
