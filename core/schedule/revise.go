package schedule

// A unit for which no room is left may still find some where another one stands
// that this very plan has placed and nobody has seen yet: that one goes elsewhere,
// if there is such a place, and nothing has moved.

// revisions bounds how many placements are thought over for one unit.
const revisions = 16

// fresh is a first placement of a unit that the plan under way has decided.
type fresh struct {
	slot   *slot
	change int // among the plan's changes
}

// revise places u where a unit that was placed in the same plan makes way, and
// says whether there is such a place.
func (p *Picture) revise(u *unit) bool {
	if u.needs.anywhere {
		return false
	}
	placed := p.plan.fresh
	for i := len(placed) - 1; i >= max(0, len(placed)-revisions); i-- {
		if p.exchange(u, &placed[i]) {
			return true
		}
	}
	return false
}

// exchange has f's unit make way for u. Where it cannot, all is as it was.
func (p *Picture) exchange(u *unit, f *fresh) bool {
	was, other := f.slot, f.slot.unit
	p.takeSlot(was)
	m, best := p.pick(u)
	if m != nil {
		held := p.addSlot(u, m)
		to, why := p.pick(other)
		p.takeSlot(held)
		if to != nil {
			p.redirect(f, to, p.whyHere(other, to, why))
			p.place(u, m, nil, p.whyHere(u, m, best))
			p.freed(was)
			return true
		}
	}
	p.restand(f, was.machine)
	return false
}

// redirect changes where a placement that is not handed out goes.
func (p *Picture) redirect(f *fresh, to *machine, reason string) {
	p.restand(f, to)
	change := p.plan.changes[f.change].(Place)
	change.Placement.Machine, change.Placement.Reason = to.id, reason
	change.MachineRevision, change.LabelsRevision = to.revision, to.labels.Revision
	p.plan.changes[f.change] = change
}

// restand has the unit of a placement that was taken away stand on a machine again.
func (p *Picture) restand(f *fresh, m *machine) {
	was := f.slot
	f.slot = p.addSlot(was.unit, m)
	f.slot.pending, f.slot.decided = was.pending, was.decided
}
