package api

import "argosy/core/cluster"

// A machine that has no record is out of touch while the leader has it probed: see
// core/detect, which has nobody probed that is lost or has left.

// probed is what those who probe a machine know of it.
type probed struct {
	name, ip string
	by       int // so many
}

// assign takes in whom a machine probes.
func (v *View) assign(p cluster.Probes) {
	for _, target := range v.probes[p.Machine].Targets {
		was := v.probed[target.Machine]
		if was.by--; was.by == 0 {
			delete(v.probed, target.Machine)
		} else {
			v.probed[target.Machine] = was
		}
	}
	delete(v.probes, p.Machine)
	if len(p.Targets) > 0 {
		v.probes[p.Machine] = p
	}
	for _, target := range p.Targets {
		v.probed[target.Machine] = probed{target.Name, target.Address, v.probed[target.Machine].by + 1}
	}
}

// outOfTouch says whether a machine's agent is not heard of while its kernel answers.
func (v *View) outOfTouch(id cluster.MachineID) bool {
	_, there := v.machines[id]
	_, left := v.departed[id]
	return !there && !left && v.probed[id].by > 0
}

// OutOfTouch is what is shown of a machine whose agent is not heard of while its kernel
// answers, if it is such a one.
func (v *View) OutOfTouch(id cluster.MachineID) (Machine, bool) {
	if !v.outOfTouch(id) {
		return Machine{}, false
	}
	return v.Shown(id), true
}

// concerned is the machines whose being probed an event may change.
func (v *View) concerned(event cluster.Event) []cluster.MachineID {
	var prober cluster.MachineID
	var now []cluster.Target
	switch e := event.(type) {
	case cluster.ProbesChanged:
		prober, now = e.Probes.Machine, e.Probes.Targets
	case cluster.ProbesGone:
		prober = e.Machine
	default:
		return nil
	}
	var ids []cluster.MachineID
	for _, targets := range [][]cluster.Target{v.probes[prober].Targets, now} {
		for _, target := range targets {
			ids = append(ids, target.Machine)
		}
	}
	return ids
}

// takeTouch puts into a small view whether a machine was probed, and had left.
func (s *Snapshot) takeTouch(small *View, id cluster.MachineID) {
	if p, there := then(s.probed, s.view.probed, id); there {
		small.probed[id] = p
	}
	if d, left := then(s.departed, s.view.departed, id); left {
		small.departed[id] = d
	}
}
