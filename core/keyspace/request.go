package keyspace

import (
	"fmt"
	"time"
)

// Request is something that a client asks: a Get, a Watch or one of the writes.
type Request interface{ request() }

// Write is a request that changes the tree: Set, Create, CreateInOrder,
// Update, CompareAndSwap, CompareAndDelete, Delete or Step.
type Write interface {
	Request
	write()
}

// Get reads a key, or lists a directory.
type Get struct {
	Key       Key
	Recursive bool
	Sorted    bool // listings are always in order here; kept for who asks another store
	Quorum    bool // the answer must hold everything acknowledged before it was asked
}

// Watch waits for the first event at Since or later that concerns the key.
type Watch struct {
	Key       Key
	Recursive bool   // events below the key, too
	Stream    bool   // every event, not only the first
	Since     uint64 // an index; 0 for what happens from now on
}

// Content is what a write leaves behind.
type Content struct {
	Value      string
	Expiration time.Time // zero for never
	// Refresh keeps the value that is there and tells no watcher; only the
	// expiration changes.
	Refresh bool
}

// Guard is what a guarded write compares first. An empty Value or a zero Index
// is not compared.
type Guard struct {
	Value string
	Index uint64 // the node's Modified
}

// Set makes the key hold the content, whatever was there, but for a directory.
type Set struct {
	Key Key
	Dir bool
	Content
}

// Create is refused if the key is there.
type Create struct {
	Key Key
	Dir bool
	Content
}

// CreateInOrder creates a key in the directory with a name that sorts after
// all earlier ones: the index of the write, as 20 digits.
type CreateInOrder struct {
	Directory Key
	Dir       bool
	Content
}

// Update is refused if the key is not there. A directory takes a new
// expiration only.
type Update struct {
	Key Key
	Content
}

// CompareAndSwap changes the key if the guard holds.
type CompareAndSwap struct {
	Key   Key
	Guard Guard
	Content
}

// CompareAndDelete removes the key if the guard holds.
type CompareAndDelete struct {
	Key   Key
	Guard Guard
}

// Delete removes a key; an empty directory with Dir; any directory with
// Recursive.
type Delete struct {
	Key       Key
	Dir       bool
	Recursive bool
}

// Step takes a step of the index and changes no key. etcd takes such steps when
// something else that it keeps in the same tree changes.
type Step struct{}

// Concerns is the key that a request is about, and whether all below it, too.
func Concerns(request Request) (key Key, recursive bool) {
	switch r := request.(type) {
	case Get:
		return r.Key, r.Recursive
	case Watch:
		return r.Key, r.Recursive
	case Set:
		return r.Key, false
	case Create:
		return r.Key, false
	case CreateInOrder:
		return r.Directory, false
	case Update:
		return r.Key, false
	case CompareAndSwap:
		return r.Key, false
	case CompareAndDelete:
		return r.Key, false
	case Delete:
		return r.Key, r.Recursive
	case Step:
		return Root, false
	}
	panic(fmt.Sprintf("keyspace: a request of unknown type %T", request))
}

func (Get) request()              {}
func (Watch) request()            {}
func (Set) request()              {}
func (Create) request()           {}
func (CreateInOrder) request()    {}
func (Update) request()           {}
func (CompareAndSwap) request()   {}
func (CompareAndDelete) request() {}
func (Delete) request()           {}
func (Step) request()             {}

func (Set) write()              {}
func (Create) write()           {}
func (CreateInOrder) write()    {}
func (Update) write()           {}
func (CompareAndSwap) write()   {}
func (CompareAndDelete) write() {}
func (Delete) write()           {}
func (Step) write()             {}
