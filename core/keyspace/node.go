package keyspace

import (
	"container/heap"
	"fmt"
	"maps"
	"slices"
	"time"
)

// node is a key or directory of the tree.
type node struct {
	key      Key
	name     string
	value    string
	created  uint64
	modified uint64
	expires  time.Time // zero for never
	place    int       // where it stands among those that expire, if it does
	parent   *node
	children map[string]*node // nil for a key
}

func (n *node) isDir() bool { return n.children != nil }

// view is the node alone.
func (n *node) view(now time.Time) *Node {
	v := &Node{Key: n.key, Dir: n.isDir(), Created: n.created, Modified: n.modified}
	if !v.Dir {
		value := n.value
		v.Value = &value
	}
	if !n.expires.IsZero() {
		v.Expiration, v.TTL = n.expires, secondsLeft(n.expires, now)
	}
	return v
}

// list is the node with what it holds, hidden names left out; a directory
// within shows what it holds only if deep.
func (n *node) list(deep bool, now time.Time) *Node {
	v := n.view(now)
	for _, name := range slices.Sorted(maps.Keys(n.children)) {
		child := n.children[name]
		switch {
		case name[0] == '_':
		case deep:
			v.Nodes = append(v.Nodes, child.list(true, now))
		default:
			v.Nodes = append(v.Nodes, child.view(now))
		}
	}
	return v
}

// secondsLeft rounds up, so that a key that still lives has at least a second;
// of one that should be gone it is 0, or negative after a whole second.
func secondsLeft(expires, now time.Time) int64 {
	left := expires.Sub(now)
	seconds := int64(left / time.Second)
	if left%time.Second > 0 {
		seconds++
	}
	return seconds
}

// compare tells whether the guard holds, and if not what differed.
func (n *node) compare(guard Guard) (cause string, holds bool) {
	indexDiffers := guard.Index != 0 && guard.Index != n.modified
	valueDiffers := guard.Value != "" && guard.Value != n.value
	switch {
	case indexDiffers && valueDiffers:
		return fmt.Sprintf("[%v != %v] [%v != %v]", guard.Value, n.value, guard.Index, n.modified), false
	case indexDiffers:
		return fmt.Sprintf("[%v != %v]", guard.Index, n.modified), false
	case valueDiffers:
		return fmt.Sprintf("[%v != %v]", guard.Value, n.value), false
	}
	return "", true
}

// lookup finds a key. What it lacks is named by the first part that is missing.
func (t *Tree) lookup(key Key) (*node, error) {
	at := t.root
	for name := range key.names() {
		if !at.isDir() {
			return nil, t.refuse(NotDirectory, at.key.cause())
		}
		child, there := at.children[name]
		if !there {
			return nil, t.refuse(KeyNotFound, at.key.below(name).cause())
		}
		at = child
	}
	return at, nil
}

// directory finds a directory or makes it, with all those above it. It makes
// nothing if it refuses: once a part is missing, so is all that follows.
func (t *Tree) directory(key Key, index uint64) (*node, []Key, error) {
	var made []Key
	at := t.root
	for name := range key.names() {
		child, there := at.children[name]
		if !there {
			child = &node{name: name, created: index, modified: index, children: map[string]*node{}}
			t.attach(child, at)
			made = append(made, child.key)
		}
		if !child.isDir() {
			return nil, nil, t.refuse(NotDirectory, child.key.cause())
		}
		at = child
	}
	return at, made, nil
}

// attach puts the node into the directory, under its name.
func (t *Tree) attach(n, directory *node) {
	n.parent, n.key = directory, directory.key.below(n.name)
	directory.children[n.name] = n
	if !n.expires.IsZero() {
		heap.Push(&t.expiring, n)
	}
}

// detach takes the node and all below it out of the tree and names what went.
func (t *Tree) detach(n *node) []Key {
	var gone []Key
	for _, name := range slices.Sorted(maps.Keys(n.children)) {
		gone = append(gone, t.detach(n.children[name])...)
	}
	delete(n.parent.children, n.name)
	if !n.expires.IsZero() {
		heap.Remove(&t.expiring, n.place)
	}
	return append(gone, n.key)
}

// expireAt changes when the node ends; zero for never.
func (t *Tree) expireAt(n *node, expires time.Time) {
	if !n.expires.IsZero() {
		heap.Remove(&t.expiring, n.place)
	}
	n.expires = expires
	if !n.expires.IsZero() {
		heap.Push(&t.expiring, n)
	}
}
