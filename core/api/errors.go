package api

import (
	"errors"

	"argosy/core/access"
	"argosy/core/cluster"
)

// The HTTP statuses that Error.Code takes from the errors of core/cluster and core/access.
const (
	badRequest  = 400
	forbidden   = 403
	notFound    = 404
	conflict    = 409
	internal    = 500
	unavailable = 503
)

// Error is what the API answers instead, both sides alike. Code is an HTTP status.
type Error struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"` // what to do about it
}

// ErrorBody is an Error as sent.
type ErrorBody struct {
	Error *Error `json:"error"`
}

func (e *Error) Error() string { return e.Message }

// Is makes an error that came over the wire the same as the one it was made of.
func (e *Error) Is(target error) bool {
	switch target {
	case cluster.ErrNotFound:
		return e.Code == notFound
	case cluster.ErrConflict:
		return e.Code == conflict
	case cluster.ErrUnavailable:
		return e.Code == unavailable
	}
	return false
}

// Invalid says that a request cannot be right.
func Invalid(message, hint string) *Error {
	return &Error{Code: badRequest, Message: message, Hint: hint}
}

// AsError gives any error the form in which it is answered.
func AsError(err error) *Error {
	var already *Error
	var refused *access.Refused
	code, hint := internal, "the log of fleet.service on the machine that was asked may tell more"
	switch {
	case errors.As(err, &already):
		return already
	case errors.As(err, &refused):
		return &Error{Code: forbidden, Message: refused.Message, Hint: refused.Hint}
	case errors.Is(err, cluster.ErrNotFound):
		code, hint = notFound, ""
	case errors.Is(err, cluster.ErrConflict):
		code, hint = conflict, "look at it, and try again"
	case errors.Is(err, cluster.ErrUnavailable):
		code, hint = unavailable, "try again in a moment"
	}
	return &Error{Code: code, Message: err.Error(), Hint: hint}
}
