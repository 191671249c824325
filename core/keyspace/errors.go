package keyspace

import (
	"errors"
	"fmt"
)

// Code is one of etcd 2's error codes (etcd v2 documentation, "errorcode").
type Code int

// The codes that are answered here.
const (
	KeyNotFound       Code = 100
	CompareFailed     Code = 101
	NotFile           Code = 102
	NotDirectory      Code = 104
	KeyExists         Code = 105
	RootReadOnly      Code = 107
	DirectoryNotEmpty Code = 108
	Unauthorized      Code = 110
	PrevValueRequired Code = 201
	TTLNotNumber      Code = 202
	IndexNotNumber    Code = 203
	InvalidField      Code = 209
	InvalidForm       Code = 210
	RefreshWithValue  Code = 211
	RefreshWithoutTTL Code = 212
	RaftInternal      Code = 300
	DuringElection    Code = 301
	HistoryCleared    Code = 401
)

var messages = map[Code]string{
	KeyNotFound:       "Key not found",
	CompareFailed:     "Compare failed",
	NotFile:           "Not a file",
	NotDirectory:      "Not a directory",
	KeyExists:         "Key already exists",
	RootReadOnly:      "Root is read only",
	DirectoryNotEmpty: "Directory not empty",
	Unauthorized:      "The request requires user authentication",
	PrevValueRequired: "PrevValue is Required in POST form",
	TTLNotNumber:      "The given TTL in POST form is not a number",
	IndexNotNumber:    "The given index in POST form is not a number",
	InvalidField:      "Invalid field",
	InvalidForm:       "Invalid POST form",
	RefreshWithValue:  "Value provided on refresh",
	RefreshWithoutTTL: "A TTL must be provided on refresh",
	RaftInternal:      "Raft Internal Error",
	DuringElection:    "During Leader Election",
	HistoryCleared:    "The event in requested index is outdated and cleared",
}

// Status is the HTTP status that carries the code.
func (c Code) Status() int {
	switch c {
	case KeyNotFound:
		return 404
	case Unauthorized:
		return 401
	case NotFile, DirectoryNotEmpty:
		return 403
	case CompareFailed, KeyExists:
		return 412
	case RaftInternal, DuringElection:
		return 500
	}
	return 400
}

// Error is a refusal as clients get it.
type Error struct {
	Code  Code
	Cause string // the key, the comparison that failed, or the field
	Index uint64 // the tree's index when it refused; 0 if it was never asked
}

// Message is the code in words.
func (e *Error) Message() string { return messages[e.Code] }

func (e *Error) Error() string {
	return fmt.Sprintf("%d: %s (%s) [%d]", e.Code, e.Message(), e.Cause, e.Index)
}

// hasCode tells whether the error is a refusal with this code.
func hasCode(err error, code Code) bool {
	var refusal *Error
	return errors.As(err, &refusal) && refusal.Code == code
}
