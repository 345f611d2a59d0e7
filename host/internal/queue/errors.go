package queue

import "errors"

// Errors that a caller decides on. Each is wrapped with what was being done.
var (
	// ErrUnavailable says that neither Redis nor the spool took the job, or that Redis did not answer. It comes within
	// Config.EnqueueTimeout; trying again later is harmless.
	ErrUnavailable = errors.New("queue: unavailable")
	// ErrFull says that the domain's queue has reached its depth limit.
	ErrFull = errors.New("queue: full")
	// ErrNotFound says that no record of the job exists: never accepted, or its window has passed.
	ErrNotFound = errors.New("queue: no such job")
	// ErrEnded says that the job has ended already, or is not in the state that the command needs.
	ErrEnded = errors.New("queue: job has ended")
	// ErrInvalid says that the caller's arguments can't be carried out.
	ErrInvalid = errors.New("queue: invalid argument")
	// ErrForeignStore says that a living node uses another store than this one; state would be split unseen.
	ErrForeignStore = errors.New("queue: another node has another store")
	// ErrClosed says that Close has been called.
	ErrClosed = errors.New("queue: closed")
	// ErrSpoolFull is what a SpoolStore answers when its bound is reached.
	ErrSpoolFull = errors.New("queue: spool is full")
	// ErrUnknownRun says that a settlement names a run that this domain does not know: it was settled, or taken over.
	ErrUnknownRun = errors.New("queue: unknown run")
)
