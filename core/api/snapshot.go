package api

import (
	"iter"
	"maps"
	"slices"

	"argosy/core/cluster"
)

// Snapshot is a view as it was at one moment, for lists that are read page by
// page. It costs nothing when it is taken: it keeps of each fact that changes
// afterwards how it was, once, until its End. The answers of all its pages
// together are what the view would have answered at that moment.
type Snapshot struct {
	view *View
	// What has changed since, as it was; nil for what was not there.
	units    map[cluster.UnitName]*record
	machines map[cluster.MachineID]*cluster.Machine
	labels   map[cluster.MachineID]*cluster.Labels
	contents map[cluster.Hash]*content
	probed   map[cluster.MachineID]*probed
	departed map[cluster.MachineID]*cluster.Departed
}

// Snapshot begins to keep the view as it is now. It must be ended. A view that
// forgets loses its snapshots.
func (v *View) Snapshot() *Snapshot {
	s := &Snapshot{
		view: v, units: map[cluster.UnitName]*record{}, contents: map[cluster.Hash]*content{},
		machines: map[cluster.MachineID]*cluster.Machine{}, labels: map[cluster.MachineID]*cluster.Labels{},
		probed: map[cluster.MachineID]*probed{}, departed: map[cluster.MachineID]*cluster.Departed{},
	}
	v.snapshots = append(v.snapshots, s)
	return s
}

// End has the view keep nothing more for the snapshot.
func (s *Snapshot) End() {
	s.view.snapshots = slices.DeleteFunc(s.view.snapshots, func(other *Snapshot) bool { return other == s })
}

// Kept is how many facts are kept for the snapshot.
func (s *Snapshot) Kept() int {
	return len(s.units) + len(s.machines) + len(s.labels) + len(s.contents) + len(s.probed) + len(s.departed)
}

// keep saves what an event is about to change, where it was not saved before.
func (v *View) keep(event cluster.Event) {
	if len(v.snapshots) == 0 {
		return
	}
	name, aboutUnit := Touched(event)
	for _, s := range v.snapshots {
		switch e := event.(type) {
		case cluster.MachineChanged:
			save(s.machines, v.machines, e.Machine.ID)
		case cluster.MachineGone:
			save(s.machines, v.machines, e.ID)
		case cluster.LabelsChanged:
			save(s.labels, v.labels, e.Labels.Machine)
		case cluster.LabelsGone:
			save(s.labels, v.labels, e.Machine)
		case cluster.ContentChanged:
			save(s.contents, v.contents, e.Hash)
		case cluster.ContentGone:
			save(s.contents, v.contents, e.Hash)
		case cluster.ProbesChanged, cluster.ProbesGone:
			for _, id := range v.concerned(event) {
				save(s.probed, v.probed, id)
			}
		case cluster.DepartedChanged:
			save(s.departed, v.departed, e.Departed.Machine)
		case cluster.DepartedGone:
			save(s.departed, v.departed, e.Machine)
		default:
			if _, saved := s.units[name]; aboutUnit && !saved {
				s.units[name] = v.units[name].clone()
			}
		}
	}
}

func save[K comparable, F any](saved map[K]*F, now map[K]F, key K) {
	if _, done := saved[key]; done {
		return
	}
	saved[key] = nil
	if fact, there := now[key]; there {
		saved[key] = &fact
	}
}

// then is a fact as it was: what was saved of it, or else what it is.
func then[K comparable, F any](saved map[K]*F, now map[K]F, key K) (fact F, there bool) {
	if was, changed := saved[key]; changed {
		if was == nil {
			return fact, false
		}
		return *was, true
	}
	fact, there = now[key]
	return fact, there
}

func (r *record) clone() *record {
	if r == nil {
		return nil
	}
	c := *r
	c.placements, c.states = slices.Clone(r.placements), slices.Clone(r.states)
	return &c
}

// record is a unit's as it was; nil where there was none.
func (s *Snapshot) record(name cluster.UnitName) *record {
	if was, changed := s.units[name]; changed {
		return was
	}
	return s.view.units[name]
}

// names goes over all records that there were, from one on, in order.
func (s *Snapshot) names(from cluster.UnitName) iter.Seq2[cluster.UnitName, *record] {
	var gone []cluster.UnitName // since
	for name, was := range s.units {
		if _, still := s.view.units[name]; !still && was != nil && name >= from {
			gone = append(gone, name)
		}
	}
	slices.Sort(gone)
	return func(yield func(cluster.UnitName, *record) bool) {
		for _, name := range s.view.from(from) {
			for len(gone) > 0 && gone[0] < name {
				if !yield(gone[0], s.units[gone[0]]) {
					return
				}
				gone = gone[1:]
			}
			if r := s.record(name); r != nil && !yield(name, r) {
				return
			}
		}
		for _, name := range gone {
			if !yield(name, s.units[name]) {
				return
			}
		}
	}
}

// take puts into a small view a record and all that its row is made of, as it was.
func (s *Snapshot) take(small *View, name cluster.UnitName, r *record) {
	small.units[name] = r
	if r.unit != nil {
		if c, there := then(s.contents, s.view.contents, r.unit.Hash); there {
			small.contents[r.unit.Hash] = c
		}
	}
	s.takeMachines(small, r)
}

// takeMachines puts into a small view the machines of a record, as they were.
func (s *Snapshot) takeMachines(small *View, r *record) {
	add := func(id cluster.MachineID) {
		if m, there := then(s.machines, s.view.machines, id); there {
			small.machines[id] = m
		}
		s.takeTouch(small, id)
	}
	for _, p := range r.placements {
		add(p.Machine)
	}
	for _, state := range r.states {
		add(state.Machine)
	}
}

// chosen goes over the records there were of some units, in order.
func (s *Snapshot) chosen(names []cluster.UnitName) iter.Seq2[cluster.UnitName, *record] {
	return func(yield func(cluster.UnitName, *record) bool) {
		for _, name := range slices.Sorted(slices.Values(names)) {
			if r := s.record(name); r != nil && !yield(name, r) {
				return
			}
		}
	}
}

// Units lists by name at most most units behind after, all or those in only, and
// says whether there were more.
func (s *Snapshot) Units(only []cluster.UnitName, after cluster.UnitName, most int) (rows []Unit, more bool) {
	records := s.chosen(only)
	if only == nil {
		records = s.names(after)
	}
	rows = []Unit{}
	small := NewView()
	for name, r := range records {
		if name <= after || r.unit == nil {
			continue
		}
		if len(rows) == most {
			return rows, true
		}
		s.take(small, name, r)
		rows = append(rows, small.Unit(name))
	}
	return rows, false
}

// States lists at most most states behind after, of one machine or of all, and
// says whether there were more.
func (s *Snapshot) States(machine cluster.MachineID, after StateKey, most int) (rows []State, more bool) {
	rows = []State{}
	small := NewView()
	var of []State // one unit
	for name, r := range s.names(after.Unit) {
		s.takeMachines(small, r)
		of = small.statesOf(of[:0], name, r, machine)
		for _, state := range of {
			if name == after.Unit && state.Machine <= after.Machine {
				continue
			}
			if len(rows) == most {
				return rows, true
			}
			rows = append(rows, state)
		}
	}
	return rows, false
}

// Machines lists at most most machines behind after, and says whether there were more.
func (s *Snapshot) Machines(away bool, after cluster.MachineID, most int) (rows []Machine, more bool) {
	small := NewView()
	for _, known := range []iter.Seq[cluster.MachineID]{
		maps.Keys(s.view.machines), maps.Keys(s.machines), maps.Keys(s.view.labels), maps.Keys(s.labels),
		maps.Keys(s.view.probed), maps.Keys(s.probed),
	} {
		for id := range known {
			if id <= after {
				continue
			}
			if m, there := then(s.machines, s.view.machines, id); there {
				small.machines[id] = m
			}
			if l, said := then(s.labels, s.view.labels, id); said {
				small.labels[id] = l
			}
			s.takeTouch(small, id)
		}
	}
	rows = small.Machines(away)
	if len(rows) > most {
		return rows[:most], true
	}
	return rows, false
}
