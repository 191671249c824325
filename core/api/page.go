package api

import (
	"cmp"
	"slices"

	"argosy/core/cluster"
)

// Pages of lists. A page continues behind a key, so that rows which come and go
// between two pages neither hide others nor show them twice.

// UnitPage is a part of the list of units, by name.
type UnitPage struct {
	Freshness
	Units []Unit // with their texts
	More  bool   // there are units behind the last one
}

// StateKey is a row of the list of states.
type StateKey struct {
	Unit    cluster.UnitName
	Machine cluster.MachineID
}

// StatePage is a part of the list of states, by unit and machine id.
type StatePage struct {
	Freshness
	States []State
	More   bool // there are states behind the last one
}

// UnitPage lists at most most units behind after, with their texts where they
// are known, and says whether there are more.
func (v *View) UnitPage(after cluster.UnitName, most int) (rows []Unit, more bool) {
	for _, name := range v.from(after) {
		if name == after || v.units[name].unit == nil {
			continue
		}
		if len(rows) == most {
			return rows, true
		}
		row := v.Unit(name)
		if content, known := v.Content(row.Hash); known {
			row.Carry(content)
		}
		rows = append(rows, row)
	}
	return rows, false
}

// StatePage lists at most most states behind after of the unit and the machine
// in only, either of which may be empty for any, and says whether there are more.
func (v *View) StatePage(only, after StateKey, most int) (rows []State, more bool) {
	for _, name := range v.from(max(only.Unit, after.Unit)) {
		if cmp.Or(only.Unit, name) != name {
			break
		}
		for _, s := range v.units[name].states {
			passed := name == after.Unit && s.Machine <= after.Machine
			if passed || cmp.Or(only.Machine, s.Machine) != s.Machine {
				continue
			}
			if len(rows) == most {
				return rows, true
			}
			rows = append(rows, stateRow(s, v.machines[s.Machine]))
		}
	}
	return rows, false
}

// from returns the names of all records that do not come before name.
func (v *View) from(name cluster.UnitName) []cluster.UnitName {
	names := v.ordered()
	at, _ := slices.BinarySearch(names, name)
	return names[at:]
}
