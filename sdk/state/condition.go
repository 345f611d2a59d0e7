package state

import "bulkhead.dev/sdk/pluginv1"

// Condition is what must be there before a write; its zero value asks for nothing.
type Condition struct{ must *pluginv1.Precondition }

// Absent asks that the entry does not exist.
func Absent() Condition {
	return Condition{&pluginv1.Precondition{Must: &pluginv1.Precondition_BeAbsent{BeAbsent: true}}}
}

// At asks that the entry exists with this revision, as it was read. Revision 0, which no entry has, asks for its absence,
// so that the revision of something that was not found guards its creation.
func At(revision int64) Condition {
	if revision == 0 {
		return Absent()
	}
	return Condition{&pluginv1.Precondition{Must: &pluginv1.Precondition_HaveRevision{HaveRevision: revision}}}
}
