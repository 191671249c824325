package api

import (
	"maps"
	"slices"

	"argosy/core/cluster"
	"argosy/core/schedule"
)

// Why answers GET units/NAME/why.
type Why struct {
	Freshness
	schedule.Explanation
}

// Consequence is what a change does to a unit on its way.
type Consequence struct {
	Unit   cluster.UnitName  `json:"unit"`
	From   cluster.MachineID `json:"from,omitempty"` // empty: it was on none
	To     cluster.MachineID `json:"to,omitempty"`   // empty: no machine may run it
	Reason string            `json:"reason"`         // for people
}

// Consequences are what a scheduler's changes come to for each unit, by its name:
// where it is now and where it is after all of them. A unit that ends up where it
// is, under whatever other reason, is left out. now is how the units are that
// Moved names.
func Consequences(changes []schedule.Change, now []Unit) []Consequence {
	ways := map[cluster.UnitName]*way{}
	for _, unit := range now {
		w := &way{}
		for _, on := range unit.On {
			if on.Placed != nil {
				w.before = append(w.before, on.Machine)
			}
		}
		w.after = slices.Clone(w.before)
		ways[unit.Name] = w
	}
	at := func(name cluster.UnitName) *way {
		if ways[name] == nil { // it came this moment
			ways[name] = &way{}
		}
		return ways[name]
	}
	for _, change := range changes {
		switch c := change.(type) {
		case schedule.Place:
			at(c.Placement.Unit).step(c.From, c.Placement.Machine, c.Placement.Reason)
		case schedule.Evict:
			at(c.Unit).step(c.From, "", c.Reason)
		case schedule.Refuse:
			at(c.Unplaced.Unit).step(c.From, "", c.Unplaced.Reason)
		case schedule.Absolve: // says nothing of where a unit is
		}
	}
	found := []Consequence{}
	for _, name := range slices.Sorted(maps.Keys(ways)) {
		found = append(found, ways[name].end(name)...)
	}
	return found
}

// way is a unit's way over several changes.
type way struct {
	before, after []cluster.MachineID
	reason        string // of the last step
}

func (w *way) step(from, to cluster.MachineID, reason string) {
	w.reason = reason
	w.after = slices.DeleteFunc(w.after, func(id cluster.MachineID) bool { return id == from })
	if to != "" && !slices.Contains(w.after, to) {
		w.after = append(w.after, to)
	}
}

// end tells what has come of the way: moves first, as far as there is something
// left for something gone.
func (w *way) end(name cluster.UnitName) []Consequence {
	without := func(all, others []cluster.MachineID) []cluster.MachineID {
		left := slices.DeleteFunc(slices.Clone(all), func(id cluster.MachineID) bool { return slices.Contains(others, id) })
		slices.Sort(left)
		return left
	}
	gone, come := without(w.before, w.after), without(w.after, w.before)
	var found []Consequence
	for i := range max(len(gone), len(come)) {
		c := Consequence{Unit: name, Reason: w.reason}
		if i < len(gone) {
			c.From = gone[i]
		}
		if i < len(come) {
			c.To = come[i]
		}
		found = append(found, c)
	}
	return found
}

// Moved names the units that changes are about, each once, in order.
func Moved(changes []schedule.Change) []cluster.UnitName {
	var names []cluster.UnitName
	for _, change := range changes {
		switch c := change.(type) {
		case schedule.Place:
			names = append(names, c.Placement.Unit)
		case schedule.Evict:
			names = append(names, c.Unit)
		case schedule.Refuse:
			names = append(names, c.Unplaced.Unit)
		case schedule.Absolve: // moves nothing
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}
