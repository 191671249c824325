package memstore

import (
	"maps"
	"slices"

	"argosy/core/cluster"
)

// index is what finds facts without a look at all of them.
type index struct {
	names map[folder][]string        // of the facts in a folder, in order
	bound map[int64]map[key]struct{} // the facts that end with a lease
}

// folder is the facts of one kind that are about one machine.
type folder struct {
	kind    string
	machine cluster.MachineID
}

func newIndex() index {
	return index{names: map[folder][]string{}, bound: map[int64]map[key]struct{}{}}
}

// put has a fact stand as it was written last.
func (s *Store) put(k key, f fact) {
	old, there := s.facts[k]
	s.facts[k] = f
	if !there {
		in := folder{k.kind, k.machine}
		at, _ := slices.BinarySearch(s.index.names[in], k.name)
		s.index.names[in] = slices.Insert(s.index.names[in], at, k.name)
	}
	if old.lease != f.lease {
		s.index.unbind(old.lease, k)
		s.index.bind(f.lease, k)
	}
}

// drop has a fact stand no more, and says whether it did.
func (s *Store) drop(k key) bool {
	old, there := s.facts[k]
	if !there {
		return false
	}
	delete(s.facts, k)
	in := folder{k.kind, k.machine}
	at, _ := slices.BinarySearch(s.index.names[in], k.name)
	s.index.names[in] = slices.Delete(s.index.names[in], at, at+1)
	if len(s.index.names[in]) == 0 {
		delete(s.index.names, in)
	}
	s.index.unbind(old.lease, k)
	return true
}

func (i index) bind(lease int64, k key) {
	if lease == 0 {
		return
	}
	if i.bound[lease] == nil {
		i.bound[lease] = map[key]struct{}{}
	}
	i.bound[lease][k] = struct{}{}
}

func (i index) unbind(lease int64, k key) {
	delete(i.bound[lease], k)
	if len(i.bound[lease]) == 0 {
		delete(i.bound, lease)
	}
}

// in lists the facts of a folder in the order of their names.
func (s *Store) in(f folder) []cluster.Event {
	names := s.index.names[f]
	events := make([]cluster.Event, len(names))
	for i, name := range names {
		events[i] = s.facts[key{f.kind, f.machine, name}].changed
	}
	return events
}

// under lists the keys of the facts that end with a lease, in order.
func (s *Store) under(lease int64) []key {
	return slices.SortedFunc(maps.Keys(s.index.bound[lease]), key.compare)
}
