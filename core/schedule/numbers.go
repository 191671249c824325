package schedule

import (
	"maps"
	"slices"

	"argosy/core/cluster"
)

// Machines are numbered in the order of their ids, so that what is decided hangs on
// who is there and not on who came first. One that joins between others moves the
// numbers of those above it, and the bits of every set with them.

// numbered holds sets of machine numbers beside those of machines.
type numbered interface{ sets(do func(*bitset)) }

// add makes room for a machine that is not known yet.
func (ms *machines) add(id cluster.MachineID) *machine {
	m := &machine{id: id, number: len(ms.ordered)}
	ms.byID[id] = m
	if m.number == 0 || ms.ordered[m.number-1].id < id {
		ms.ordered = append(ms.ordered, m)
		return m
	}
	if len(ms.ordered) >= ms.sweepAt {
		ms.sweep()
	}
	m.number, _ = slices.BinarySearchFunc(ms.ordered, id, compareID)
	ms.ordered = slices.Insert(ms.ordered, m.number, m)
	for _, above := range ms.ordered[m.number+1:] {
		above.number++
	}
	ms.sets(func(set *bitset) { set.open(m.number) })
	return m
}

// sweep forgets the machines of which nothing is left, and the labels of which none
// is. It is due again when there are a quarter more machines.
func (ms *machines) sweep() {
	for number, m := range slices.Backward(ms.ordered) {
		if m.live() || len(m.slots) > 0 || m.labels.Revision > 0 || m.missed || m.missing {
			continue
		}
		delete(ms.byID, m.id)
		ms.ordered = slices.Delete(ms.ordered, number, number+1)
		ms.sets(func(set *bitset) { set.close(number) })
	}
	for number, m := range ms.ordered {
		m.number = number
	}
	for _, values := range ms.labels {
		maps.DeleteFunc(values, func(_ string, set bitset) bool { return !set.beyond(nil) })
	}
	ms.sweepAt = len(ms.ordered) + len(ms.ordered)/4 + 1
}

// sets does something to all sets of machine numbers that last.
func (ms *machines) sets(do func(*bitset)) {
	do(&ms.live)
	for _, values := range ms.labels {
		each(values, do)
	}
	each(ms.podmans, do)
	for i := range ms.levels.sets {
		do(&ms.levels.sets[i].machines)
	}
	for _, l := range ms.capacity.ladders {
		for i := range l.sets {
			do(&l.sets[i])
		}
	}
	for other := range ms.others {
		other.sets(do)
	}
}

func each(values map[string]bitset, do func(*bitset)) {
	for value, set := range values {
		do(&set)
		values[value] = set
	}
}
