package schedule

import "slices"

// A unit is at rest when decide would leave it and all others as they are. Most of
// what a standby is told brings units to rest, and it never plans. To put a million
// of them in order when it takes the lead would take seconds, so that they are
// dropped as they come, and before those that came last are put in order.

// dropResting drops the units at rest of those that Plan must look at, once half as
// many have been touched as were left the last time: each touch costs two looks.
func (p *Picture) dropResting() {
	for _, l := range p.due.lanes {
		if 2*l.touched <= l.left {
			continue
		}
		l.fresh = p.dropFrom(l, l.fresh)
		l.left, l.touched = len(l.fresh), 0
		for i, run := range l.runs {
			l.runs[i] = p.dropFrom(l, run)
			l.left += len(l.runs[i])
		}
		l.runs = slices.DeleteFunc(l.runs, func(run []*unit) bool { return len(run) == 0 })
	}
}

// orderDue makes runs of what has come in and is not at rest.
func (p *Picture) orderDue() {
	for _, l := range p.due.lanes {
		l.fresh = p.dropFrom(l, l.fresh)
		l.order()
	}
}

func (p *Picture) dropFrom(l *lane, units []*unit) []*unit {
	kept := units[:0]
	for _, u := range units {
		switch {
		case u.queued != l: // it was looked at out of turn, or waits elsewhere
		case p.atRest(u):
			u.queued = nil
		default:
			kept = append(kept, u)
		}
	}
	clear(units[len(kept):])
	return kept
}

// atRest may say no of a unit that is: then it is decided. What may hang on others
// that are still to be decided is left to that.
func (p *Picture) atRest(u *unit) bool {
	if len(u.slots) != 1 || u.note != nil || u.pending > 0 || u.again || u.waiting || !u.wanted() {
		return false
	}
	n, s := u.needs, u.slots[0]
	if n == nil || n.fault != nil || n.Global || len(n.MachineOf) > 0 || s.stale() {
		return false
	}
	if u.family != nil && u.family.counts[s.machine] > 1 {
		return false
	}
	if len(p.failures) > 0 && p.failures[spot{s.machine.id, u.name}] != nil || len(p.cramped) > 0 && p.cramped[u] {
		return false
	}
	return !p.conflicted(s) && p.objection(s) == ""
}
