package laws

import (
	"maps"
	"slices"

	"argosy/core/cluster"
)

// picture is the store as its transactions make it, without any index but by
// unit and by machine.
type picture struct {
	revision   int64
	foreign    int64 // the last revision that anybody but an engine wrote of what placements hang on
	lead       Lead
	texts      map[cluster.Hash]Wish
	units      map[cluster.UnitName]Unit
	machines   map[cluster.MachineID]Machine
	labels     map[cluster.MachineID]Label
	placements map[cluster.UnitName]map[cluster.MachineID]placed
	on         map[cluster.MachineID]map[cluster.UnitName]bool
	refusals   map[cluster.UnitName]Refusal
	states     map[Place]State
	replacers  map[cluster.UnitName]bool // units whose text has Replaces
}

// placed is a placement, since when it stands unbroken, and its last write.
type placed struct {
	Placement
	since    int64
	revision int64
}

func newPicture() picture {
	return picture{
		texts: map[cluster.Hash]Wish{}, units: map[cluster.UnitName]Unit{},
		machines: map[cluster.MachineID]Machine{}, labels: map[cluster.MachineID]Label{},
		placements: map[cluster.UnitName]map[cluster.MachineID]placed{},
		on:         map[cluster.MachineID]map[cluster.UnitName]bool{},
		refusals:   map[cluster.UnitName]Refusal{}, states: map[Place]State{}, replacers: map[cluster.UnitName]bool{},
	}
}

// apply takes one write in.
func (p *picture) apply(w Write, revision int64) {
	p.revision = revision
	switch w.Key.Kind {
	case Contents:
		put(p.texts, cluster.Hash(w.Key.Name), w.Fact, func(f any) Wish { return f.(Text).Wish })
	case Units:
		put(p.units, w.Key.unit(), w.Fact, func(f any) Unit { return f.(Unit) })
	case Machines:
		put(p.machines, w.Key.Machine, w.Fact, func(f any) Machine { return f.(Machine) })
	case Labels:
		put(p.labels, w.Key.Machine, w.Fact, func(f any) Label { return f.(Label) })
	case Placements:
		p.applyPlacement(w, revision)
	case States:
		put(p.states, Place{w.Key.Machine, w.Key.unit()}, w.Fact, func(f any) State { return f.(State) })
	case Unplaced:
		put(p.refusals, w.Key.unit(), w.Fact, func(f any) Refusal { return f.(Refusal) })
	case Leader:
		p.lead = Lead{}
		if w.Fact != nil {
			p.lead = w.Fact.(Lead)
		}
	}
}

func put[K comparable, V any](facts map[K]V, key K, fact any, as func(any) V) {
	if fact == nil {
		delete(facts, key)
	} else {
		facts[key] = as(fact)
	}
}

func (p *picture) applyPlacement(w Write, revision int64) {
	unit, machine := w.Key.unit(), w.Key.Machine
	if w.Fact == nil {
		delete(p.placements[unit], machine)
		delete(p.on[machine], unit)
		return
	}
	if p.placements[unit] == nil {
		p.placements[unit] = map[cluster.MachineID]placed{}
	}
	if p.on[machine] == nil {
		p.on[machine] = map[cluster.UnitName]bool{}
	}
	was, stands := p.placements[unit][machine]
	since := revision
	if stands {
		since = was.since
	}
	p.placements[unit][machine] = placed{w.Fact.(Placement), since, revision}
	p.on[machine][unit] = true
}

// placement is what stands of a unit on a machine.
func (p *picture) placement(at Place) (placed, bool) {
	found, there := p.placements[at.Unit][at.Machine]
	return found, there
}

// beside are the units on a machine but for one, in order.
func (p *picture) beside(at Place) []cluster.UnitName {
	var others []cluster.UnitName
	for unit := range p.on[at.Machine] {
		if unit != at.Unit {
			others = append(others, unit)
		}
	}
	slices.Sort(others)
	return others
}

// lives says whether a machine's record is there.
func (p *picture) lives(id cluster.MachineID) bool {
	_, there := p.machines[id]
	return there
}

// where are the machines that hold a placement of a unit and are there.
func (p *picture) where(unit cluster.UnitName) []cluster.MachineID {
	var found []cluster.MachineID
	for _, id := range slices.Sorted(maps.Keys(p.placements[unit])) {
		if p.lives(id) {
			found = append(found, id)
		}
	}
	return found
}

// wanted says whether a unit should be on a machine.
func (p *picture) wanted(unit cluster.UnitName) bool {
	u, there := p.units[unit]
	return there && u.Wanted != Inactive
}

// wish is what a unit asks for by its text as operators want it now.
func (p *picture) wish(unit cluster.UnitName) Wish { return p.texts[p.units[unit].Hash] }

// metadata is one value of a machine's metadata, labels over its own.
func (p *picture) metadata(id cluster.MachineID, key string) string {
	if value, labelled := p.labels[id].Set[key]; labelled {
		return value
	}
	return p.machines[id].Metadata[key]
}
