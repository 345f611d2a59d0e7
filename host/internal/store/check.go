package store

import (
	"encoding/json"
	"fmt"
	"unicode/utf8"

	"bulkhead.dev/sdk/pluginv1"
)

// checker notes the first fault of a request.
type checker struct{ fault *InvalidError }

func (c *checker) fail(field, reason string) {
	if c.fault == nil && reason != "" {
		c.fault = &InvalidError{Field: field, Reason: reason}
	}
}

func (c *checker) key(field, key string)      { c.fail(field, checkKey(key, false)) }
func (c *checker) optional(field, key string) { c.fail(field, checkKey(key, true)) }

// err avoids a nil pointer within an interface.
func (c *checker) err() error {
	if c.fault == nil {
		return nil
	}
	return c.fault
}

func checkReads(instance string, reads []*pluginv1.StateRead) error {
	var c checker
	c.key("instance", instance)
	if len(reads) > MaxBatch {
		c.fail("reads", fmt.Sprintf("are more than %d", MaxBatch))
		return c.err()
	}
	for i, read := range reads {
		at := fmt.Sprintf("reads[%d]", i)
		switch what := read.GetWhat().(type) {
		case *pluginv1.StateRead_Link:
			c.key(at+".link.kind", what.Link.GetKind())
			c.key(at+".link.source", what.Link.GetSource())
		case *pluginv1.StateRead_LinkByTarget:
			c.key(at+".link_by_target.kind", what.LinkByTarget.GetKind())
			c.key(at+".link_by_target.target", what.LinkByTarget.GetTarget())
		case *pluginv1.StateRead_Cursor:
			c.key(at+".cursor", what.Cursor)
		case *pluginv1.StateRead_Value:
			c.key(at+".value", what.Value)
		default:
			c.fail(at, "asks for nothing")
		}
	}
	return c.err()
}

// checkScan returns the limit of the page.
func checkScan(instance string, req *pluginv1.ScanStateRequest) (int, error) {
	var c checker
	c.key("instance", instance)
	switch what := req.GetWhat().(type) {
	case *pluginv1.ScanStateRequest_ValuePrefix:
		c.optional("value_prefix", what.ValuePrefix)
	case *pluginv1.ScanStateRequest_LinkKind:
		c.key("link_kind", what.LinkKind)
	default:
		c.fail("what", "is missing")
	}
	c.optional("after", req.GetAfter())
	limit := int(req.GetLimit())
	switch {
	case limit < 0:
		c.fail("limit", "is negative")
	case limit > MaxPage:
		c.fail("limit", fmt.Sprintf("is more than %d", MaxPage))
	case limit == 0:
		limit = DefaultPage
	}
	return limit, c.err()
}

func checkWrites(instance string, writes []*pluginv1.StateWrite) error {
	var c checker
	c.key("instance", instance)
	if len(writes) > MaxBatch {
		c.fail("writes", fmt.Sprintf("are more than %d", MaxBatch))
		return c.err()
	}
	size := 0
	seen := make(map[change]int, len(writes))
	for i, write := range writes {
		at := fmt.Sprintf("writes[%d]", i)
		size += c.write(at, write)
		c.precondition(at+".precondition", write.GetPrecondition())
		entry := changeOf(write)
		entry.delete = false
		if before, ok := seen[entry]; ok {
			c.fail(at, fmt.Sprintf("is of the same entry as writes[%d]", before))
		}
		seen[entry] = i
	}
	if size > MaxAnswerBytes {
		c.fail("writes", fmt.Sprintf("have more than %d bytes", MaxAnswerBytes))
	}
	return c.err()
}

func (c *checker) write(at string, write *pluginv1.StateWrite) (size int) {
	switch what := write.GetWhat().(type) {
	case *pluginv1.StateWrite_PutLink:
		c.key(at+".put_link.kind", what.PutLink.GetKind())
		c.key(at+".put_link.source", what.PutLink.GetSource())
		c.optional(at+".put_link.target", what.PutLink.GetTarget())
		c.optional(at+".put_link.hash", what.PutLink.GetHash())
	case *pluginv1.StateWrite_DeleteLink:
		c.key(at+".delete_link.kind", what.DeleteLink.GetKind())
		c.key(at+".delete_link.source", what.DeleteLink.GetSource())
	case *pluginv1.StateWrite_PutCursor:
		c.key(at+".put_cursor.name", what.PutCursor.GetName())
		size = len(what.PutCursor.GetValue())
		c.size(at+".put_cursor.value", size)
	case *pluginv1.StateWrite_PutValue:
		c.key(at+".put_value.key", what.PutValue.GetKey())
		size = len(what.PutValue.GetJson())
		c.size(at+".put_value.json", size)
		if c.fault == nil && (!utf8.Valid(what.PutValue.GetJson()) || !json.Valid(what.PutValue.GetJson())) {
			c.fail(at+".put_value.json", "is not JSON")
		}
	case *pluginv1.StateWrite_DeleteValue:
		c.key(at+".delete_value", what.DeleteValue)
	default:
		c.fail(at, "writes nothing")
	}
	return size
}

func (c *checker) size(field string, n int) {
	if n > MaxValueBytes {
		c.fail(field, fmt.Sprintf("has more than %d bytes", MaxValueBytes))
	}
}

func (c *checker) precondition(at string, p *pluginv1.Precondition) {
	if p == nil {
		return
	}
	switch must := p.GetMust().(type) {
	case *pluginv1.Precondition_BeAbsent:
		if !must.BeAbsent {
			c.fail(at+".be_absent", "is false")
		}
	case *pluginv1.Precondition_HaveRevision:
		if must.HaveRevision <= 0 {
			c.fail(at+".have_revision", "is no revision")
		}
	default:
		c.fail(at, "asks for nothing")
	}
}
