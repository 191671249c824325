// Package cli holds what the commands of every name of the binary share: how an
// outcome becomes an exit code. The commands themselves are in the folders below,
// one file a verb.
package cli

import "errors"

// Exit codes, the same for every command. status and journal pass on the code
// of the remote command instead.
const (
	ExitOK          = 0
	ExitError       = 1
	ExitUsage       = 2
	ExitNotFound    = 3
	ExitUnplaceable = 4
	ExitTimeout     = 5
	ExitChanges     = 6 // a plan that has changes
)

// CodedError is an error that ends the program with a code of its own.
type CodedError struct {
	Code int
	Err  error // nil: everything has been said already
}

func (e *CodedError) Error() string {
	if e.Err == nil {
		return ""
	}
	return e.Err.Error()
}

func (e *CodedError) Unwrap() error { return e.Err }

// Coded gives err an exit code.
func Coded(code int, err error) error { return &CodedError{Code: code, Err: err} }

// Code is the exit code that err stands for.
func Code(err error) int {
	var coded *CodedError
	switch {
	case err == nil:
		return ExitOK
	case errors.As(err, &coded):
		return coded.Code
	default:
		return ExitError
	}
}
