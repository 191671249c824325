// Package keyspace is what etcd 2's keys API means: a tree of keys and
// directories, the requests that read and change it, the events that watchers
// are told, and the words it answers with. It is told the time and does no
// I/O: who stores the tree and who carries the answers is decided elsewhere.
//
// Where etcd's behaviour surprises (a stream is told twice of the end of its
// own key; updating a directory leaves its modifiedIndex alone), the surprise
// is kept, for programs that were written against it must not tell the
// difference. The facts come from etcd's v2 API document and from asking etcd
// 3.4 itself, which test/v2diff does again at every run.
package keyspace

import (
	"iter"
	"path"
	"strings"
	"time"
)

// Key names a node: "/" for the root, else "/a/b" without a trailing slash,
// doubled slashes or dots.
type Key string

// Root is the directory that holds everything. It is never changed itself.
const Root Key = "/"

// CleanKey makes a Key of what follows /v2/keys in a URL's path.
func CleanKey(raw string) Key { return Key(path.Clean("/" + raw)) }

// Parent is the directory that holds the key. The root is its own.
func (k Key) Parent() Key { return Key(path.Dir(string(k))) }

// name is the key's last part.
func (k Key) name() string { return path.Base(string(k)) }

// names are the key's parts from the root down.
func (k Key) names() iter.Seq[string] {
	if k == Root {
		return func(func(string) bool) {}
	}
	return strings.SplitSeq(string(k[1:]), "/")
}

// below joins a name to a directory's key.
func (k Key) below(name string) Key {
	if k == Root {
		return Root + Key(name)
	}
	return k + "/" + Key(name)
}

// within tells whether the key lies somewhere below the directory.
func (k Key) within(directory Key) bool {
	return directory == Root && k != Root || strings.HasPrefix(string(k), string(directory)+"/")
}

// hiddenFrom tells whether one who looks from a directory above does not see
// the key, because a name on the way begins with an underscore.
func (k Key) hiddenFrom(directory Key) bool {
	return strings.Contains("/"+strings.TrimPrefix(string(k[len(directory):]), "/"), "/_")
}

// cause is how errors name the key: the root has no name.
func (k Key) cause() string {
	if k == Root {
		return ""
	}
	return string(k)
}

// Action says what an event did.
type Action string

// The actions. Get is never told to a watcher.
const (
	ActionGet              Action = "get"
	ActionSet              Action = "set"
	ActionCreate           Action = "create"
	ActionUpdate           Action = "update"
	ActionCompareAndSwap   Action = "compareAndSwap"
	ActionCompareAndDelete Action = "compareAndDelete"
	ActionDelete           Action = "delete"
	ActionExpire           Action = "expire"
	ActionStep             Action = "step" // ours, for a Step; nobody is told
)

// Node is a key or directory as it was when it was looked at.
type Node struct {
	Key        Key
	Value      *string // nil for a directory and for what was just removed
	Dir        bool
	Expiration time.Time // zero for never
	TTL        int64     // seconds left when it was looked at, rounded up
	Nodes      []*Node   // what a listed directory holds, by name
	Modified   uint64    // the index of the last change; of the root, 0
	Created    uint64
}

// Event is the answer to a request and what watchers are told. Its index is
// its node's Modified.
type Event struct {
	Action   Action
	Node     *Node // nil where the asker wanted no value
	PrevNode *Node // what was there before; nil if nothing
}

// Created tells whether the event brought a key into being: HTTP's 201.
func (e Event) Created() bool {
	return e.Action == ActionCreate || e.Action == ActionSet && e.PrevNode == nil
}

// WithoutValues is the event as answered to noValueOnSuccess=true, which
// spares a writer its own value coming back. Only writes of a value are
// shortened.
func (e Event) WithoutValues() Event {
	switch e.Action {
	case ActionSet, ActionCreate, ActionUpdate, ActionCompareAndSwap:
		return Event{Action: e.Action}
	}
	return e
}

// Change is one step of the index: an event and what follows from it.
type Change struct {
	Event  Event
	Silent bool  // a refresh: kept in the history, told to no watcher
	Made   []Key // directories created on the way to the key, from the root down
	Gone   []Key // what a removal took, everything below a key before the key
}

// Index is the step that the change is.
func (c Change) Index() uint64 { return c.Event.Node.Modified }
