package keyspace

import (
	"container/heap"
	"fmt"
	"time"
)

// Tree is the keys and directories at one index. It is not safe for use by
// several goroutines.
type Tree struct {
	root     *node
	index    uint64
	expiring deadlines
}

// New is an empty tree. The index is what it would be after that many changes:
// etcd itself makes a few for its own use before the first client comes.
func New(index uint64) *Tree {
	return &Tree{root: &node{key: Root, children: map[string]*node{}}, index: index}
}

// Index counts the changes so far. There is one index for the whole tree.
func (t *Tree) Index() uint64 { return t.index }

// Get reads. A key that should have expired is there until Expire takes it.
func (t *Tree) Get(get Get, now time.Time) (Event, error) {
	n, err := t.lookup(get.Key)
	if err != nil {
		return Event{}, err
	}
	return Event{Action: ActionGet, Node: n.list(get.Recursive, now)}, nil
}

// Apply makes one change, or refuses with an *Error and changes nothing.
func (t *Tree) Apply(write Write, now time.Time) (Change, error) {
	switch w := write.(type) {
	case Set:
		return t.set(w, now)
	case Create:
		return t.place(placing{action: ActionCreate, key: w.Key, dir: w.Dir, content: w.Content}, now)
	case CreateInOrder:
		name := fmt.Sprintf("%020d", t.index+1)
		return t.place(placing{action: ActionCreate, key: w.Directory.below(name), dir: w.Dir, content: w.Content}, now)
	case Update:
		return t.update(w, now)
	case CompareAndSwap:
		return t.compareAndSwap(w, now)
	case CompareAndDelete:
		return t.compareAndDelete(w, now)
	case Delete:
		return t.delete(w, now)
	case Step:
		t.index++
		return Change{Event: Event{Action: ActionStep, Node: &Node{Created: t.index, Modified: t.index}}, Silent: true}, nil
	}
	panic(fmt.Sprintf("keyspace: a write of unknown type %T", write))
}

// Expire removes what has reached its end, at most limit changes at once, the
// first to end first; of two that end together, by key.
func (t *Tree) Expire(now time.Time, limit int) []Change {
	var changes []Change
	for len(changes) < limit && len(t.expiring) > 0 && !t.expiring[0].expires.After(now) {
		changes = append(changes, t.remove(ActionExpire, t.expiring[0], now))
	}
	return changes
}

// NextExpiry is what Expire will take next, and when; false if nothing.
func (t *Tree) NextExpiry() (Key, time.Time, bool) {
	if len(t.expiring) == 0 {
		return "", time.Time{}, false
	}
	return t.expiring[0].key, t.expiring[0].expires, true
}

func (t *Tree) refuse(code Code, cause string) error {
	return &Error{Code: code, Cause: cause, Index: t.index}
}

func (t *Tree) set(w Set, now time.Time) (Change, error) {
	before, err := t.lookup(w.Key)
	if err != nil && (w.Refresh || !hasCode(err, KeyNotFound)) {
		return Change{}, err
	}
	if w.Refresh {
		w.Value = before.value
	}
	return t.place(placing{action: ActionSet, key: w.Key, dir: w.Dir, content: w.Content, before: before}, now)
}

// placing is a node about to come into the tree.
type placing struct {
	action  Action
	key     Key
	dir     bool
	content Content
	before  *node // what may be replaced; nil if nothing may
}

// earliest is the first expiration that is believed: etcd takes those before
// it, which come from a TTL of centuries overflowing, for no expiration.
var earliest = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

func (t *Tree) place(p placing, now time.Time) (Change, error) {
	if p.key == Root {
		return Change{}, t.refuse(RootReadOnly, "/")
	}
	parent, made, err := t.directory(p.key.Parent(), t.index+1)
	if err != nil {
		return Change{}, err
	}
	name := p.key.name()
	event := Event{Action: p.action}
	if there := parent.children[name]; there != nil {
		if p.before == nil {
			return Change{}, t.refuse(KeyExists, p.key.cause())
		}
		if there.isDir() {
			return Change{}, t.refuse(NotFile, p.key.cause())
		}
		event.PrevNode = there.view(now)
		t.detach(there)
	}
	t.index++
	n := &node{name: name, created: t.index, modified: t.index}
	if p.content.Expiration.After(earliest) {
		n.expires = p.content.Expiration
	}
	if p.dir {
		n.children = map[string]*node{}
	} else {
		n.value = p.content.Value
	}
	t.attach(n, parent)
	event.Node = n.view(now)
	return Change{Event: event, Silent: p.content.Refresh, Made: made}, nil
}

func (t *Tree) update(w Update, now time.Time) (Change, error) {
	n, err := t.writable(w.Key)
	if err != nil {
		return Change{}, err
	}
	if n.isDir() && w.Value != "" {
		return Change{}, t.refuse(NotFile, w.Key.cause())
	}
	return t.rewrite(ActionUpdate, n, w.Content, now), nil
}

func (t *Tree) compareAndSwap(w CompareAndSwap, now time.Time) (Change, error) {
	n, err := t.writable(w.Key)
	if err != nil {
		return Change{}, err
	}
	if err := t.check(n, w.Guard); err != nil {
		return Change{}, err
	}
	return t.rewrite(ActionCompareAndSwap, n, w.Content, now), nil
}

func (t *Tree) compareAndDelete(w CompareAndDelete, now time.Time) (Change, error) {
	n, err := t.lookup(w.Key)
	if err != nil {
		return Change{}, err
	}
	if err := t.check(n, w.Guard); err != nil {
		return Change{}, err
	}
	return t.remove(ActionCompareAndDelete, n, now), nil
}

func (t *Tree) delete(w Delete, now time.Time) (Change, error) {
	n, err := t.writable(w.Key)
	switch {
	case err != nil:
		return Change{}, err
	case n.isDir() && !w.Dir && !w.Recursive:
		return Change{}, t.refuse(NotFile, w.Key.cause())
	case len(n.children) > 0 && !w.Recursive:
		return Change{}, t.refuse(DirectoryNotEmpty, w.Key.cause())
	}
	return t.remove(ActionDelete, n, now), nil
}

// writable finds a key that may be changed: any but the root.
func (t *Tree) writable(key Key) (*node, error) {
	if key == Root {
		return nil, t.refuse(RootReadOnly, "/")
	}
	return t.lookup(key)
}

func (t *Tree) check(n *node, guard Guard) error {
	if n.isDir() {
		return t.refuse(NotFile, n.key.cause())
	}
	if cause, holds := n.compare(guard); !holds {
		return t.refuse(CompareFailed, cause)
	}
	return nil
}

// rewrite changes a node in place. A directory keeps its modified index,
// though its event says otherwise.
func (t *Tree) rewrite(action Action, n *node, content Content, now time.Time) Change {
	event := Event{Action: action, PrevNode: n.view(now)}
	t.index++
	if !n.isDir() {
		n.modified = t.index
		if !content.Refresh {
			n.value = content.Value
		}
	}
	t.expireAt(n, content.Expiration)
	event.Node = n.view(now)
	event.Node.Modified = t.index
	return Change{Event: event, Silent: content.Refresh}
}

// remove takes a node out; its event shows when it was made and when it went.
func (t *Tree) remove(action Action, n *node, now time.Time) Change {
	t.index++
	event := Event{
		Action:   action,
		Node:     &Node{Key: n.key, Dir: n.isDir(), Created: n.created, Modified: t.index},
		PrevNode: n.view(now),
	}
	return Change{Event: event, Gone: t.detach(n)}
}

// deadlines is a heap of the nodes that expire, the first to end on top.
type deadlines []*node

var _ heap.Interface = (*deadlines)(nil)

func (d deadlines) Len() int { return len(d) }

func (d deadlines) Less(i, j int) bool {
	if d[i].expires.Equal(d[j].expires) {
		return d[i].key < d[j].key
	}
	return d[i].expires.Before(d[j].expires)
}

func (d deadlines) Swap(i, j int) {
	d[i], d[j] = d[j], d[i]
	d[i].place, d[j].place = i, j
}

func (d *deadlines) Push(x any) {
	n := x.(*node)
	n.place = len(*d)
	*d = append(*d, n)
}

func (d *deadlines) Pop() any {
	last := len(*d) - 1
	n := (*d)[last]
	(*d)[last] = nil
	*d = (*d)[:last]
	return n
}
