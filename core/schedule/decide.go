package schedule

import (
	"fmt"
	"slices"

	"argosy/core/cluster"
)

// decide looks at one unit and hands out what must change for it.
func (p *Picture) decide(u *unit) {
	u.queued = nil
	if u.pending > 0 && p.holds[u] == nil && !p.isGlobal(u) {
		u.again = true
		return
	}
	u.again = false
	p.unwait(u)
	was := p.release(u)
	delete(p.cramped, u)
	switch {
	case u.empty():
		p.drop(u)
	case !u.wanted():
		p.withdraw(u)
	case u.needs == nil: // the text is on its way
	case u.needs.fault != nil:
		p.decideUnreadable(u)
	case u.needs.Global:
		p.decideGlobal(u)
	default:
		p.decideSingle(u, was)
	}
	if was != nil && u.on(was.slot.machine) == nil {
		p.freed(was.slot)
	}
}

func (p *Picture) isGlobal(u *unit) bool { return u.needs != nil && u.needs.Global }

// withdraw ends what is left of a unit that should be nowhere.
func (p *Picture) withdraw(u *unit) {
	reason := fmt.Sprintf("%s is no longer wanted on a machine", u.name)
	if u.revision == 0 {
		reason = fmt.Sprintf("%s was destroyed", u.name)
	}
	for _, s := range u.slots {
		switch {
		case s.pending != settled:
			u.again = true
		case p.fencedUntil(s).IsZero(): // else one that is made anew must wait for it
			p.evict(s, reason)
		}
	}
	p.absolve(u)
}

// decideUnreadable leaves alone what runs and says why nothing else will.
func (p *Picture) decideUnreadable(u *unit) {
	if u.placed() {
		p.absolve(u)
		return
	}
	p.refuse(u, nil, "its text asks for something that cannot be read: "+short(u.needs.fault.Error()))
}

// decideSingle keeps one unit on one machine, if possible on that which was held
// for it.
func (p *Picture) decideSingle(u *unit, was *hold) {
	if !p.peersSettled(u) {
		return // each peer's arrival touches its followers
	}
	slots := slices.Clone(u.slots)
	slices.SortFunc(slots, seniority)
	objections := make([]string, len(slots))
	for i, s := range slots {
		p.gather(s)
		if objections[i] = p.objection(s); objections[i] != "" {
			continue
		}
		if f := p.spent(s); f != nil && len(slots) == 1 && p.retire(s, f) {
			return
		}
		p.keep(u, s, slots)
		return
	}
	if d := p.delayed(u); d != nil {
		p.putOff(u, d, slots, objections)
		return
	}
	if u.fenced() && u.placed() {
		p.endFirst(u, slots, objections)
		return
	}
	// The most senior placement gives way to the new one, the others just end.
	var from *slot
	why := ""
	for i, s := range slots {
		if i == 0 {
			from, why = s, objections[i]+"; "
			continue
		}
		p.evict(s, objections[i])
	}
	if was != nil && p.takeOver(u, was, from, why) || from == nil && p.displace(u) {
		return
	}
	m, best := p.pick(u)
	if m == nil {
		if from != nil && p.displace(u) || len(u.slots) == 0 && p.revise(u) {
			return
		}
		if from != nil && !from.machine.live() {
			from = nil // should the machine come back, nothing has happened
		}
		p.refuse(u, from, p.whyNowhere(u))
		return
	}
	if from != nil && !from.machine.live() && !p.mayMove(u) {
		return
	}
	p.place(u, m, from, why+p.whyHere(u, m, best))
}

// endFirst ends the placements of a unit that is to run once at most. It is placed
// anew once the machines have said that it runs there no more.
func (p *Picture) endFirst(u *unit, slots []*slot, objections []string) {
	for i, s := range slots {
		p.evict(s, objections[i])
	}
	u.again = true
}

// putOff leaves a unit for now on a machine that is gone; what is on one that is
// there and may not be ends.
func (p *Picture) putOff(u *unit, d *delay, slots []*slot, objections []string) {
	for i, s := range slots {
		if s.machine.live() {
			p.evict(s, objections[i])
		}
	}
	if d.tell && (u.note == nil || u.note.generation != u.generation) {
		p.refuse(u, nil, d.why)
	}
}

// keep holds a unit where it is: it renews the placement where the unit has
// changed and ends all others.
func (p *Picture) keep(u *unit, stay *slot, slots []*slot) {
	for _, s := range slots {
		if s != stay && p.fencedUntil(s).IsZero() {
			p.evict(s, p.whyOther(s, stay))
		}
	}
	if !stay.machine.live() { // nothing can be changed there
		p.absolve(u)
		return
	}
	p.touchRivals(stay)
	p.touchCrowd(stay)
	if p.waitsToGrow(stay) {
		p.absolve(u)
		return
	}
	switch {
	case !stay.stale():
		p.absolve(u)
	case u.desired == cluster.Launched && u.fenced() && (len(u.slots) > 1 || p.mayRun(u) != nil):
		u.again = true // it is told to run as it should here once it runs nowhere else
		p.absolve(u)
	default:
		p.place(u, stay.machine, nil, whyRenewed(stay))
	}
}

// decideGlobal keeps one of u on each machine that its metadata allows.
func (p *Picture) decideGlobal(u *unit) {
	fits := slices.Clone(p.eligible(u))
	open := slices.Clone(fits)
	p.avoid(open, u)
	for _, s := range slices.Clone(u.slots) {
		if p.plan.full() {
			p.touch(u)
			return
		}
		fits.clear(s.machine.number)
		open.clear(s.machine.number)
		p.gather(s)
		switch objection := p.objection(s); {
		case s.pending != settled:
			u.again = true
		case !s.machine.live(): // should it come back, nothing has happened
		case objection != "":
			p.evict(s, objection)
			u.again = true // what keeps it away may be gone by then
		default:
			p.touchRivals(s)
			if !p.waitsToGrow(s) && s.stale() {
				p.place(u, s.machine, nil, whyRenewed(s))
			}
		}
	}
	for number := range open.all {
		if p.plan.full() {
			p.touch(u)
			return
		}
		fits.clear(number)
		p.place(u, p.machines.ordered[number], nil, "runs on every machine that fits")
	}
	if !u.placed() {
		p.refuse(u, nil, p.whyNowhere(u))
		return
	}
	if fits.count() > 0 {
		p.wait(u) // for what it conflicts with there to end
	}
	p.absolve(u)
}

// peersSettled decides the peers of u first and says whether each is where the
// store says it is: a follower leans on nothing that is still on its way.
func (p *Picture) peersSettled(u *unit) bool {
	for _, name := range u.needs.MachineOf {
		if peer := p.units[name]; peer != nil {
			if peer.queued != nil {
				p.decide(peer)
			}
			if peer.pending > 0 || peer.queued != nil && peer.queued.late {
				return false
			}
		}
	}
	return true
}

// objection says why a placement may not stay, or nothing.
func (p *Picture) objection(s *slot) string {
	u, m := s.unit, s.machine
	if !m.live() {
		if p.staysAway(s) {
			return ""
		}
		return p.whyGone(m)
	}
	why := p.lacking(u, m)
	if why == "" {
		if senior := p.seniorConflict(s); senior != nil {
			why = "runs " + rival(u, senior.unit)
		} else {
			why = p.hardship(s)
		}
	}
	if why == "" {
		return ""
	}
	return fmt.Sprintf("%s no longer fits: it %s", m.title(), why)
}

// seniorConflict returns the first placement on the same machine that conflicts
// with s and may stay rather than s. The tallies answer most calls.
func (p *Picture) seniorConflict(s *slot) *slot {
	if !p.conflicted(s) {
		return nil
	}
	var first *slot
	for other := range conflicting(s) {
		if other.pending == ending || !other.unit.wanted() || seniority(other, s) > 0 {
			continue
		}
		if first == nil || other.unit.name < first.unit.name {
			first = other
		}
	}
	return first
}

// gather decides first what a placement might have to give way to and what is on more
// machines than it is to be: that keeps one of its placements, and nothing need give
// way to the others.
func (p *Picture) gather(s *slot) {
	first := func(other *slot) {
		if u := other.unit; u.queued != nil && len(u.slots) > 1 && !p.isGlobal(u) {
			p.decide(u)
		}
	}
	if p.conflicted(s) {
		for other := range conflicting(s) {
			first(other)
		}
	}
	if crowded(s) > 0 {
		for other := range siblings(s) {
			first(other)
		}
	}
}

// touchRivals has Plan look at what conflicts with a placement that stays: it
// must give way, and may have been looked at last when that was not so yet.
func (p *Picture) touchRivals(s *slot) {
	if !p.conflicted(s) {
		return
	}
	for other := range conflicting(s) {
		if other.pending != ending {
			p.touch(other.unit)
		}
	}
}

// conflicted says whether any other placement on the machine conflicts with s.
func (p *Picture) conflicted(s *slot) bool {
	u, m := s.unit, s.machine
	for _, pat := range u.avoids {
		others := pat.meant.counts[m]
		if slices.Contains(u.avoided, pat) {
			others-- // it means u itself
		}
		if others > 0 {
			return true
		}
	}
	for _, pat := range u.avoided {
		others := pat.carried.counts[m]
		if slices.Contains(u.avoids, pat) {
			others--
		}
		if others > 0 {
			return true
		}
	}
	return false
}

// conflicting yields the placements beside s that conflict with it, whichever of
// the two says so.
func conflicting(s *slot) func(yield func(*slot) bool) {
	return func(yield func(*slot) bool) {
		for _, other := range s.machine.slots {
			if other != s && apart(s.unit, other.unit) && !yield(other) {
				return
			}
		}
	}
}

// apart says whether two units may not share a machine.
func apart(a, b *unit) bool {
	return a != b && (means(a, b) || means(b, a))
}
