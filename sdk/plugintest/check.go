package plugintest

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"bulkhead.dev/sdk/pluginv1"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// What the real host refuses; a handler that passes here should pass there.
const (
	maxKeyBytes   = 512
	maxValueBytes = 1 << 20
	maxBatch      = 500
)

func checkReads(reads []*pluginv1.StateRead) error {
	if len(reads) > maxBatch {
		return invalid("reads: more than %d", maxBatch)
	}
	for i, read := range reads {
		var err error
		switch what := read.GetWhat().(type) {
		case *pluginv1.StateRead_Link:
			err = checkKeys(what.Link.GetKind(), what.Link.GetSource())
		case *pluginv1.StateRead_LinkByTarget:
			err = checkKeys(what.LinkByTarget.GetKind(), what.LinkByTarget.GetTarget())
		case *pluginv1.StateRead_Cursor:
			err = checkKeys(what.Cursor)
		case *pluginv1.StateRead_Value:
			err = checkKeys(what.Value)
		default:
			err = errors.New("asks for nothing")
		}
		if err != nil {
			return invalid("reads[%d]: %v", i, err)
		}
	}
	return nil
}

func checkScan(req *pluginv1.ScanStateRequest) (limit int, err error) {
	switch what := req.GetWhat().(type) {
	case *pluginv1.ScanStateRequest_LinkKind:
		if err := checkKeys(what.LinkKind); err != nil {
			return 0, invalid("link_kind: %v", err)
		}
	case *pluginv1.ScanStateRequest_ValuePrefix:
	default:
		return 0, invalid("what: is missing")
	}
	switch limit := int(req.GetLimit()); {
	case limit < 0 || limit > maxPage:
		return 0, invalid("limit: %d is not between 0 and %d", limit, maxPage)
	case limit > 0:
		return limit, nil
	}
	return defaultPage, nil
}

func checkWrites(writes []*pluginv1.StateWrite) error {
	if len(writes) > maxBatch {
		return invalid("writes: more than %d", maxBatch)
	}
	seen := map[entryKey]int{}
	for i, write := range writes {
		if err := checkWrite(write); err != nil {
			return invalid("writes[%d]: %v", i, err)
		}
		key, _ := target(write)
		if before, ok := seen[key]; ok {
			return invalid("writes[%d]: is of the same entry as writes[%d]", i, before)
		}
		seen[key] = i
	}
	return nil
}

func checkWrite(write *pluginv1.StateWrite) error {
	switch must := write.GetPrecondition().GetMust().(type) {
	case *pluginv1.Precondition_BeAbsent:
		if !must.BeAbsent {
			return errors.New("precondition: be_absent is false")
		}
	case *pluginv1.Precondition_HaveRevision:
		if must.HaveRevision <= 0 {
			return fmt.Errorf("precondition: have_revision %d is no revision", must.HaveRevision)
		}
	default:
		if write.GetPrecondition() != nil {
			return errors.New("precondition: asks for nothing")
		}
	}
	switch what := write.GetWhat().(type) {
	case *pluginv1.StateWrite_PutLink:
		l := what.PutLink
		if len(l.GetTarget()) > maxKeyBytes || len(l.GetHash()) > maxKeyBytes {
			return fmt.Errorf("target or hash is longer than %d bytes", maxKeyBytes)
		}
		return checkKeys(l.GetKind(), l.GetSource())
	case *pluginv1.StateWrite_DeleteLink:
		return checkKeys(what.DeleteLink.GetKind(), what.DeleteLink.GetSource())
	case *pluginv1.StateWrite_PutCursor:
		if len(what.PutCursor.GetValue()) > maxValueBytes {
			return fmt.Errorf("the value has more than %d bytes", maxValueBytes)
		}
		return checkKeys(what.PutCursor.GetName())
	case *pluginv1.StateWrite_PutValue:
		if raw := what.PutValue.GetJson(); len(raw) > maxValueBytes || !utf8.Valid(raw) || !json.Valid(raw) {
			return fmt.Errorf("the value is not JSON of at most %d bytes", maxValueBytes)
		}
		return checkKeys(what.PutValue.GetKey())
	case *pluginv1.StateWrite_DeleteValue:
		return checkKeys(what.DeleteValue)
	}
	return errors.New("writes nothing")
}

func checkKeys(keys ...string) error {
	for _, key := range keys {
		if key == "" || len(key) > maxKeyBytes || !utf8.ValidString(key) || strings.ContainsRune(key, 0) {
			return fmt.Errorf("the key %q is empty, longer than %d bytes or no text", key, maxKeyBytes)
		}
	}
	return nil
}

func invalid(format string, args ...any) error {
	return status.Errorf(codes.InvalidArgument, format, args...)
}
