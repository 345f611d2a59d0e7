package state_test

import (
	"google.golang.org/protobuf/proto"

	"bulkhead.dev/sdk/pluginv1"
)

// target names the entry that a write is of, and what it writes: nil for a removal.
func target(write *pluginv1.StateWrite) (string, proto.Message) {
	switch what := write.GetWhat().(type) {
	case *pluginv1.StateWrite_PutLink:
		return "link/" + what.PutLink.GetKind() + "/" + what.PutLink.GetSource(), what.PutLink
	case *pluginv1.StateWrite_DeleteLink:
		return "link/" + what.DeleteLink.GetKind() + "/" + what.DeleteLink.GetSource(), nil
	case *pluginv1.StateWrite_PutCursor:
		return "cursor/" + what.PutCursor.GetName(), what.PutCursor
	case *pluginv1.StateWrite_PutValue:
		return "value/" + what.PutValue.GetKey(), what.PutValue
	case *pluginv1.StateWrite_DeleteValue:
		return "value/" + what.DeleteValue, nil
	}
	panic("a write of nothing")
}

func revisionOf(entry proto.Message) int64 {
	if versioned, ok := entry.(interface{ GetRevision() int64 }); ok {
		return versioned.GetRevision()
	}
	return 0
}
