package api

import (
	"slices"
	"strings"

	"argosy/core/cluster"
)

// View is the cluster as its events tell it, indexed for answering. It is a
// plain value without a lock.
type View struct {
	units    map[cluster.UnitName]*record
	machines map[cluster.MachineID]cluster.Machine
	labels   map[cluster.MachineID]cluster.Labels
	contents map[cluster.Hash]content
	probes   map[cluster.MachineID]cluster.Probes // by prober
	probed   map[cluster.MachineID]probed
	departed map[cluster.MachineID]cluster.Departed
	leader   *cluster.Leader

	// names holds the keys of units in order, while sorted says so. Sorting is
	// put off to the next listing, so that learning a million units sorts once.
	names  []cluster.UnitName
	sorted bool

	snapshots []*Snapshot // that are kept
}

// record is all that is known under one unit's name. It outlives the unit
// itself while a machine still has it.
type record struct {
	unit       *cluster.Unit
	placements []cluster.Placement // by machine id
	states     []cluster.UnitState // by machine id
	unplaced   *cluster.Unplaced
}

type content struct {
	text    string
	reading Reading
}

// NewView knows nothing yet.
func NewView() *View {
	v := &View{}
	v.Forget()
	return v
}

// Forget makes the view as new, before the batch that tells everything again.
func (v *View) Forget() {
	*v = View{
		units:    map[cluster.UnitName]*record{},
		machines: map[cluster.MachineID]cluster.Machine{},
		labels:   map[cluster.MachineID]cluster.Labels{},
		contents: map[cluster.Hash]content{},
		probes:   map[cluster.MachineID]cluster.Probes{},
		probed:   map[cluster.MachineID]probed{},
		departed: map[cluster.MachineID]cluster.Departed{},
	}
}

// Learn takes in what has changed, in the store's order.
func (v *View) Learn(events ...cluster.Event) {
	for _, event := range events {
		v.keep(event)
		v.learn(event)
	}
}

func (v *View) learn(event cluster.Event) {
	switch e := event.(type) {
	case cluster.UnitChanged:
		v.record(e.Unit.Name).unit = &e.Unit
	case cluster.UnitGone:
		v.record(e.Name).unit = nil
		v.tidy(e.Name)
	case cluster.ContentChanged:
		v.contents[e.Hash] = content{e.Text, glance(e.Text)}
	case cluster.ContentGone:
		delete(v.contents, e.Hash)
	case cluster.MachineChanged:
		v.machines[e.Machine.ID] = e.Machine
	case cluster.MachineGone:
		delete(v.machines, e.ID)
	case cluster.LabelsChanged:
		v.labels[e.Labels.Machine] = e.Labels
	case cluster.LabelsGone:
		delete(v.labels, e.Machine)
	case cluster.PlacementChanged:
		r := v.record(e.Placement.Unit)
		r.placements = put(r.placements, e.Placement, placedOn)
	case cluster.PlacementGone:
		r := v.record(e.Unit)
		r.placements = remove(r.placements, e.Machine, placedOn)
		v.tidy(e.Unit)
	case cluster.StateChanged:
		r := v.record(e.State.Unit)
		r.states = put(r.states, e.State, seenOn)
	case cluster.StateGone:
		r := v.record(e.Unit)
		r.states = remove(r.states, e.Machine, seenOn)
		v.tidy(e.Unit)
	case cluster.UnplacedChanged:
		v.record(e.Unplaced.Unit).unplaced = &e.Unplaced
	case cluster.UnplacedGone:
		v.record(e.Unit).unplaced = nil
		v.tidy(e.Unit)
	case cluster.LeaderChanged:
		v.leader = &e.Leader
	case cluster.LeaderGone:
		v.leader = nil
	case cluster.ProbesChanged:
		v.assign(e.Probes)
	case cluster.ProbesGone:
		v.assign(cluster.Probes{Machine: e.Machine})
	case cluster.DepartedChanged:
		v.departed[e.Departed.Machine] = e.Departed
	case cluster.DepartedGone:
		delete(v.departed, e.Machine)
	case cluster.SuspicionChanged, cluster.SuspicionGone:
	}
}

// Touched is the unit that an event is about, if it is about one.
func Touched(event cluster.Event) (cluster.UnitName, bool) {
	switch e := event.(type) {
	case cluster.UnitChanged:
		return e.Unit.Name, true
	case cluster.UnitGone:
		return e.Name, true
	case cluster.PlacementChanged:
		return e.Placement.Unit, true
	case cluster.PlacementGone:
		return e.Unit, true
	case cluster.StateChanged:
		return e.State.Unit, true
	case cluster.StateGone:
		return e.Unit, true
	case cluster.UnplacedChanged:
		return e.Unplaced.Unit, true
	case cluster.UnplacedGone:
		return e.Unit, true
	case cluster.ContentChanged, cluster.ContentGone, cluster.MachineChanged, cluster.MachineGone,
		cluster.LabelsChanged, cluster.LabelsGone,
		cluster.LeaderChanged, cluster.LeaderGone,
		cluster.ProbesChanged, cluster.ProbesGone, cluster.SuspicionChanged, cluster.SuspicionGone,
		cluster.DepartedChanged, cluster.DepartedGone:
	}
	return "", false
}

// record returns what is kept under name, new where there was nothing.
func (v *View) record(name cluster.UnitName) *record {
	r, known := v.units[name]
	if !known {
		r = &record{}
		v.units[name] = r
		v.names, v.sorted = append(v.names, name), false
	}
	return r
}

// tidy drops a record that has become empty.
func (v *View) tidy(name cluster.UnitName) {
	r := v.units[name]
	if r.unit != nil || r.unplaced != nil || len(r.placements)+len(r.states) > 0 {
		return
	}
	delete(v.units, name)
	if v.sorted {
		at, _ := slices.BinarySearch(v.names, name)
		v.names = slices.Delete(v.names, at, at+1)
	} else {
		// A rare mixture of coming and going between two listings: start over.
		v.names = nil
	}
}

// ordered returns the names of all records in order. The slice is the view's own.
func (v *View) ordered() []cluster.UnitName {
	if !v.sorted {
		if len(v.names) != len(v.units) {
			v.names = make([]cluster.UnitName, 0, len(v.units))
			for name := range v.units {
				v.names = append(v.names, name)
			}
		}
		slices.Sort(v.names)
		v.sorted = true
	}
	return v.names
}

func placedOn(p cluster.Placement) cluster.MachineID { return p.Machine }
func seenOn(s cluster.UnitState) cluster.MachineID   { return s.Machine }

// put replaces or inserts item in list, which is ordered by key.
func put[T any](list []T, item T, key func(T) cluster.MachineID) []T {
	at, found := find(list, key(item), key)
	if found {
		list[at] = item
		return list
	}
	return slices.Insert(list, at, item)
}

// remove takes the item with that key out of list, if it is there.
func remove[T any](list []T, id cluster.MachineID, key func(T) cluster.MachineID) []T {
	at, found := find(list, id, key)
	if !found {
		return list
	}
	return slices.Delete(list, at, at+1)
}

func find[T any](list []T, id cluster.MachineID, key func(T) cluster.MachineID) (int, bool) {
	return slices.BinarySearchFunc(list, id, func(item T, id cluster.MachineID) int {
		return strings.Compare(string(key(item)), string(id))
	})
}
