package schedule_test

import (
	"cmp"
	"slices"

	"argosy/core/cluster"
)

// The naive judge on Replaces=.

// replaces says whether one unit's text replaces another.
func (j judge) replaces(unit, other cluster.UnitName) bool {
	return unit != other && matchesAny(j.wish(unit).replaces, other)
}

// makesWay says whether unit may have to leave a machine that it may be on: one
// that is nowhere replaces it, and all that is in its way there.
func (j judge) makesWay(unit cluster.UnitName, on cluster.MachineID) bool {
	for by := range j.units {
		if !j.wanted(by) || !j.replaces(by, unit) || j.stays(by) || j.lacking(by, on) != "" {
			continue
		}
		others := j.inTheWay(by, on)
		if !slices.ContainsFunc(others, func(other cluster.UnitName) bool { return !j.replaces(by, other) }) &&
			j.roomWithout(by, on, others) {
			return j.yields(unit)
		}
	}
	return false
}

// holding says whether a unit that replaces others is still to find a place: then
// a machine may be held for it, which the facts do not tell.
func (j judge) holding() bool {
	for unit := range j.units {
		if j.wanted(unit) && len(j.wish(unit).replaces) > 0 && !j.stays(unit) {
			return true
		}
	}
	return false
}

// stays says whether a unit is where it may stay.
func (j judge) stays(unit cluster.UnitName) bool {
	return slices.ContainsFunc(j.on(unit, true), func(on cluster.MachineID) bool { return j.mustGo(unit, on) == "" })
}

// roomWithout says whether a machine has room for a unit once others have left.
func (j judge) roomWithout(unit cluster.UnitName, on cluster.MachineID, others []cluster.UnitName) bool {
	stay := func(at place) bool { return !slices.Contains(others, at.unit) }
	return cmp.Or(j.noPodman(unit, on), j.tooMany(unit, on, stay), j.short(unit, on, stay)) == ""
}

// yields says whether a unit is of those that are moved for another's sake.
func (j judge) yields(unit cluster.UnitName) bool {
	if j.wish(unit).global || j.wish(unit).fenced || len(j.wish(unit).peers) > 0 {
		return false
	}
	for other := range j.units {
		if j.wanted(other) && slices.Contains(j.wish(other).peers, string(unit)) {
			return false
		}
	}
	return true
}

// inTheWay lists what on a machine must not be beside the unit.
func (j judge) inTheWay(unit cluster.UnitName, on cluster.MachineID) (others []cluster.UnitName) {
	for at := range j.placements {
		if at.machine == on && at.unit != unit && (j.avoids(unit, at.unit) || j.wanted(at.unit) && j.avoids(at.unit, unit)) {
			others = append(others, at.unit)
		}
	}
	return others
}

// takesPlace names the unit whose place another could take, which alone is in its
// way on a machine and could be elsewhere; "" where it is not so simple.
func (j judge) takesPlace(unit cluster.UnitName, on cluster.MachineID) cluster.UnitName {
	others := j.inTheWay(unit, on)
	if len(others) != 1 || j.lacking(unit, on) != "" || !j.replaces(unit, others[0]) || !j.yields(others[0]) || !j.roomWithout(unit, on, others) {
		return ""
	}
	for id := range j.machines {
		if id != on && j.objection(others[0], id) == "" {
			return others[0]
		}
	}
	return ""
}
