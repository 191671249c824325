package cluster

import "errors"

// The errors that a caller branches on. They are wrapped with what was being
// done and to what.
var (
	ErrNotFound    = errors.New("not found")
	ErrConflict    = errors.New("changed by someone else meanwhile") // a guarded write compared and lost
	ErrDeposed     = errors.New("no longer the leader")              // law 3
	ErrUnavailable = errors.New("the store cannot be reached")
	ErrForbidden   = errors.New("the store does not permit it")
	ErrLeaseGone   = errors.New("the machine's lease has ended")
)
