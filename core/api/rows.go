package api

import (
	"cmp"
	"maps"
	"slices"

	"argosy/core/cluster"
	"argosy/core/unitfile"
)

// Machines lists the machines that are there or only out of touch, by id, and with
// away also those of which only labels are known.
func (v *View) Machines(away bool) []Machine {
	ids := slices.AppendSeq(make([]cluster.MachineID, 0, len(v.machines)), maps.Keys(v.machines))
	for id := range v.probed {
		if v.outOfTouch(id) {
			ids = append(ids, id)
		}
	}
	if away {
		for id := range v.labels {
			if _, there := v.machines[id]; !there && !v.outOfTouch(id) {
				ids = append(ids, id)
			}
		}
	}
	slices.Sort(ids)
	rows := make([]Machine, len(ids))
	for i, id := range ids {
		rows[i] = v.Shown(id)
	}
	return rows
}

// Shown tells all about a machine. One that is not there is away, whether or not
// there are labels of it.
func (v *View) Shown(id cluster.MachineID) Machine {
	m, there := v.machines[id]
	row := Machine{
		ID: id, Name: m.Name, IP: m.Address, API: m.API, Member: m.Member, BootID: m.BootID,
		Metadata: m.Metadata, Capacity: m.Capacity, Versions: m.Versions, Since: m.Since, Note: m.Note, Away: !there,
	}
	if v.outOfTouch(id) {
		row.Name, row.IP, row.Away, row.OutOfTouch = v.probed[id].name, v.probed[id].ip, false, true
	}
	if labels, said := v.labels[id]; said {
		row.Metadata, row.Labels, row.Configured = labels.Over(m.Metadata), labels.Set, m.Metadata
	}
	return row
}

// Machine looks a machine up, as it says of itself.
func (v *View) Machine(id cluster.MachineID) (cluster.Machine, bool) {
	m, there := v.machines[id]
	return m, there
}

// Units lists the units of the cluster by name. Where only is not nil, it lists
// those of them that are there, in the order asked for.
func (v *View) Units(only []cluster.UnitName) []Unit {
	if only == nil {
		only = v.ordered()
	}
	rows := make([]Unit, 0, len(only))
	for _, name := range only {
		if r, there := v.units[name]; there && r.unit != nil {
			rows = append(rows, v.Unit(name))
		}
	}
	return rows
}

// UnitNames lists the names of the cluster's units in order.
func (v *View) UnitNames() []cluster.UnitName {
	names := make([]cluster.UnitName, 0, len(v.units))
	for _, name := range v.ordered() {
		if v.units[name].unit != nil {
			names = append(names, name)
		}
	}
	return names
}

// Known looks a unit up as it is stored.
func (v *View) Known(name cluster.UnitName) (cluster.Unit, bool) {
	if r, there := v.units[name]; there && r.unit != nil {
		return *r.unit, true
	}
	return cluster.Unit{}, false
}

// Content is what is stored under a hash, if it is known.
func (v *View) Content(hash cluster.Hash) (string, bool) {
	c, known := v.contents[hash]
	return c.text, known
}

// Reading is what is known of the text of a hash; empty where the text is not known.
func (v *View) Reading(hash cluster.Hash) Reading { return v.contents[hash].reading }

// Unit tells all about one unit. What is not in the cluster is told too: as
// gone, or as not yet let go of by its machines.
func (v *View) Unit(name cluster.UnitName) Unit {
	row := Unit{Name: name}
	r, there := v.units[name]
	if !there {
		row.Outcome = OutcomeGone
		return row
	}
	s := situation{unit: r.unit, unplaced: r.unplaced, on: v.presences(r)}
	if u := r.unit; u != nil {
		reading := v.Reading(u.Hash)
		row.Global, row.Description = reading.Global, unitfile.Describe(reading.Description, name)
		row.Revision, row.Generation, row.By, row.At = u.Revision, u.Generation, u.By, u.At
		row.Hash, row.Desired = u.Hash, u.Desired
	}
	if !row.Global {
		row.Current = current(s)
	}
	row.On = s.on
	row.Outcome, row.Reason = judge(s)
	return row
}

// presences joins what is wanted and what is seen of a unit, by machine id. It
// copies: the view goes on changing while an answer is written.
func (v *View) presences(r *record) []Presence {
	joined := make([]Presence, 0, max(len(r.placements), len(r.states)))
	for _, placed := range r.placements {
		joined = append(joined, Presence{Machine: placed.Machine, Placed: &placed})
	}
	for _, state := range r.states {
		at, found := find(joined, state.Machine, func(p Presence) cluster.MachineID { return p.Machine })
		if !found {
			joined = slices.Insert(joined, at, Presence{Machine: state.Machine})
		}
		joined[at].State = &state
	}
	for i := range joined {
		m := v.machines[joined[i].Machine]
		joined[i].Name, joined[i].IP = m.Name, m.Address
		if id := joined[i].Machine; v.outOfTouch(id) {
			joined[i].IP = v.probed[id].ip // and no name: it is not there
		}
	}
	return joined
}

// States lists what systemd says of each unit on each machine, by unit and
// machine id. An empty machine stands for all of them.
func (v *View) States(machine cluster.MachineID) []State {
	rows := []State{}
	for _, name := range v.ordered() {
		rows = v.statesOf(rows, name, v.units[name], machine)
	}
	return rows
}

// statesOf adds to rows the states of one unit on a machine, or on all of them, and what
// is placed on machines that are out of touch: its states went with their leases.
func (v *View) statesOf(rows []State, name cluster.UnitName, r *record, machine cluster.MachineID) []State {
	before := len(rows)
	for _, s := range r.states {
		if cmp.Or(machine, s.Machine) == s.Machine {
			rows = append(rows, stateRow(s, v.machines[s.Machine]))
		}
	}
	for _, p := range r.placements {
		if cmp.Or(machine, p.Machine) != p.Machine || !v.outOfTouch(p.Machine) {
			continue
		}
		at, seen := find(rows[before:], p.Machine, func(s State) cluster.MachineID { return s.Machine })
		if !seen {
			rows = slices.Insert(rows, before+at, State{
				Unit: name, Machine: p.Machine, IP: v.probed[p.Machine].ip,
				Active: "unknown", Sub: "out-of-touch", Phase: cluster.Settled, OutOfTouch: true,
			})
		}
	}
	return rows
}

func stateRow(s cluster.UnitState, on cluster.Machine) State {
	return State{
		Unit: s.Unit, Machine: s.Machine, IP: on.Address, Hash: s.Hash,
		Load: s.Load, Active: s.Active, Sub: s.Sub, Result: s.Result, Phase: s.Phase, Problem: s.Problem, Note: s.Note,
	}
}
