package keyspace

import "fmt"

// Touched are the keys whose nodes a change made, altered or removed. Who keeps
// them elsewhere writes what Stored says of each, and removes those it lacks.
func (c Change) Touched() []Key {
	if c.Event.Action == ActionStep {
		return nil
	}
	touched := append(append([]Key(nil), c.Made...), c.Gone...)
	if len(c.Gone) == 0 {
		touched = append(touched, c.Event.Node.Key)
	}
	return touched
}

// Stored is a node as it must be kept: without what it holds and without a TTL,
// which is a matter of when one looks.
func (t *Tree) Stored(key Key) (Node, bool) {
	n, err := t.lookup(key)
	if err != nil {
		return Node{}, false
	}
	stored := Node{Key: key, Dir: n.isDir(), Expiration: n.expires, Created: n.created, Modified: n.modified}
	if !stored.Dir {
		value := n.value
		stored.Value = &value
	}
	return stored, true
}

// Restore makes a tree of the nodes that were kept at an index, directories
// before what they hold, without the root.
func Restore(index uint64, nodes []Node) (*Tree, error) {
	t := New(index)
	for _, kept := range nodes {
		parent, err := t.lookup(kept.Key.Parent())
		if err != nil {
			return nil, fmt.Errorf("restore %s: %w", kept.Key, err)
		}
		if !parent.isDir() || kept.Key == Root || parent.children[kept.Key.name()] != nil {
			return nil, fmt.Errorf("restore %s: it cannot be there", kept.Key)
		}
		t.attach(kept.node(), parent)
	}
	return t, nil
}

func (kept Node) node() *node {
	n := &node{name: kept.Key.name(), created: kept.Created, modified: kept.Modified, expires: kept.Expiration}
	if kept.Dir {
		n.children = map[string]*node{}
	}
	if kept.Value != nil {
		n.value = *kept.Value
	}
	return n
}

// Replay makes the change that an event tells of, which another tree has
// already decided. It needs every event in turn.
func (t *Tree) Replay(event Event, silent bool) (Change, error) {
	key := event.Node.Key
	change := Change{Event: event, Silent: silent}
	if change.Index() != t.index+1 || key == Root {
		return Change{}, fmt.Errorf("replay the change %d of %s on a tree at %d", change.Index(), key, t.index)
	}
	if event.Action == ActionStep {
		t.index++
		return change, nil
	}
	there, err := t.lookup(key)
	if err != nil {
		there = nil
	}
	switch event.Action {
	case ActionDelete, ActionCompareAndDelete, ActionExpire:
		if there == nil {
			return Change{}, fmt.Errorf("replay the end of %s: %w", key, err)
		}
		change.Gone = t.detach(there)
	default:
		if there != nil && there.isDir() { // its update: only the expiration changes
			t.expireAt(there, event.Node.Expiration)
			break
		}
		parent, made, err := t.directory(key.Parent(), change.Index())
		if err != nil {
			return Change{}, fmt.Errorf("replay the change of %s: %w", key, err)
		}
		if there != nil {
			t.detach(there)
		}
		t.attach(event.Node.node(), parent)
		change.Made = made
	}
	t.index++
	return change, nil
}
