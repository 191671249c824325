package api

import (
	"strings"

	"argosy/core/cluster"
)

// Beginning asks for what is called so in its beginning, at most Most of it: what
// a shell offers to someone who types is no more than a page. Most is 0 for all.
type Beginning struct {
	Prefix string
	Most   int
}

// UnitsBeginning lists the units whose names begin so, by name.
func (v *View) UnitsBeginning(b Beginning) []Unit {
	rows := []Unit{}
	for _, name := range v.from(cluster.UnitName(b.Prefix)) {
		if !strings.HasPrefix(string(name), b.Prefix) || b.Most > 0 && len(rows) == b.Most {
			break
		}
		if v.units[name].unit != nil {
			rows = append(rows, v.Unit(name))
		}
	}
	return rows
}

// MachinesBeginning lists the machines whose hostname or id begins so, by id.
func (v *View) MachinesBeginning(b Beginning) []Machine {
	rows := []Machine{}
	for _, m := range v.Machines(false) {
		if b.Most > 0 && len(rows) == b.Most {
			break
		}
		if strings.HasPrefix(m.Name, b.Prefix) || strings.HasPrefix(string(m.ID), b.Prefix) {
			rows = append(rows, m)
		}
	}
	return rows
}
