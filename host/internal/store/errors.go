package store

import (
	"errors"
	"fmt"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

var (
	// ErrClosed answers a call on a closed store. A write that is answered so was not carried out.
	ErrClosed = errors.New("store: closed")
	// ErrUncertain answers a write whose transaction may or may not have been committed.
	ErrUncertain = errors.New("store: outcome of the write is not known")
	// ErrNewerSchema says that the file was written by a newer version of the program.
	ErrNewerSchema = errors.New("store: the file has a newer schema than this program knows")
	// ErrSchema says that the file's schema is not what its version promises.
	ErrSchema = errors.New("store: the file's schema is not the one of its version")
	// ErrForeignFile says that the file is an SQLite file of another program.
	ErrForeignFile = errors.New("store: the file belongs to another program")
	// ErrNetworkFS says that the data directory is on a network file system, where WAL's shared memory does not work.
	ErrNetworkFS = errors.New("store: the data directory is on a network file system")
	// ErrUnsafeDir says that everyone on the machine may write to the data directory.
	ErrUnsafeDir = errors.New("store: the data directory is writable by everyone")
	// ErrSpoolFull says that a batch would take the spool over its bound; nothing of it was taken.
	ErrSpoolFull = errors.New("store: the spool is full")
	// ErrNodeAlive says that the node's lock is held by a living process.
	ErrNodeAlive = errors.New("store: the node is alive")
)

// InvalidError says what is wrong with a request. It travels to a plugin as gRPC's InvalidArgument.
type InvalidError struct {
	// Field names the part of the request, such as "writes[3].put_value.key".
	Field string
	// Reason is a sentence without a capital and without the value.
	Reason string
}

// Error implements error.
func (e *InvalidError) Error() string { return fmt.Sprintf("state: %s %s", e.Field, e.Reason) }

// GRPCStatus gives the error its code on the wire.
func (e *InvalidError) GRPCStatus() *status.Status {
	return status.New(codes.InvalidArgument, e.Error())
}

// TooLargeError says that an answer would pass MaxAnswerBytes. It travels to a plugin as gRPC's ResourceExhausted.
type TooLargeError struct {
	// Bytes is the size at which reading stopped.
	Bytes int
}

// Error implements error.
func (e *TooLargeError) Error() string {
	return fmt.Sprintf("state: the answer has more than %d bytes, ask for less at once", MaxAnswerBytes)
}

// GRPCStatus gives the error its code on the wire.
func (e *TooLargeError) GRPCStatus() *status.Status {
	return status.New(codes.ResourceExhausted, e.Error())
}
