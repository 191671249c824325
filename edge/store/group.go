package store

import (
	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
)

const (
	// maxOps is etcd's default --max-txn-ops: the compares of a transaction, or
	// its operations. A nested transaction counts as one of them and may use what
	// the outer one leaves.
	maxOps = 128
	// maxGroup leaves room for eight groups in a transaction.
	maxGroup = maxOps - 8
	// Transactions stay below etcd's limit of 1.5 MiB a request, however long
	// the reasons in them are.
	maxGroupBytes, maxBytes = 128 << 10, 1 << 20
)

// group is writes that stand or fall together: one nested transaction. A
// nested transaction for each write would cost twice as much.
type group struct {
	writes []write
	nested *pb.TxnRequest
	bytes  int
}

func (g *group) size() int { return max(len(g.nested.Compare), len(g.nested.Success)) }

// add takes a write into the group, unless it is full. Neighbours on one
// machine share the machine's guards.
func (g *group) add(w write) bool {
	guards := w.guards
	last := len(g.writes) - 1
	if w.ground != (ground{}) && (last < 0 || g.writes[last].ground != w.ground) {
		guards = append(w.ground.guards(), w.guards...)
	}
	full := len(g.nested.Compare)+len(guards) > maxGroup ||
		len(g.nested.Success)+len(w.ops) > maxGroup ||
		g.bytes+w.bytes > maxGroupBytes
	if last >= 0 && full {
		return false
	}
	g.nested.Compare = append(g.nested.Compare, guards...)
	g.nested.Success = append(g.nested.Success, w.ops...)
	g.writes = append(g.writes, w)
	g.bytes += w.bytes
	return true
}

func newGroup() *group { return &group{nested: &pb.TxnRequest{}} }

// together puts writes in as few groups as hold them.
func together(writes []write) []*group {
	var groups []*group
	for _, w := range writes {
		if len(groups) == 0 || !groups[len(groups)-1].add(w) {
			g := newGroup()
			g.add(w)
			groups = append(groups, g)
		}
	}
	return groups
}

// apart gives each write a group of its own, so that it stands or falls alone.
func apart(writes []write) []*group {
	groups := make([]*group, len(writes))
	for i, w := range writes {
		groups[i] = newGroup()
		groups[i].add(w)
	}
	return groups
}

// fitting splits off the groups that one transaction holds.
func fitting(groups []*group) (fit, rest []*group) {
	largest, bytes := 0, 0
	for i, g := range groups {
		largest = max(largest, g.size())
		bytes += g.bytes
		if i > 0 && (i+1+largest > maxOps || bytes > maxBytes) {
			return groups[:i], groups[i:]
		}
	}
	return groups, nil
}
