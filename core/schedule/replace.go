package schedule

import (
	"cmp"
	"fmt"
	"slices"

	"argosy/core/cluster"
)

// A unit with Replaces= shares no machine with the units that its globs mean, as
// with Conflicts=, and beyond that takes the place of one of them:
//
//   - When it is started it goes where such units run and can all go elsewhere,
//     to the machine where the fewest must; else where none runs; else it is
//     refused. When it must move, it prefers a machine where none runs, so that a
//     failover moves no more than it must.
//   - What it replaces is moved, never ended, and only to where it passes every
//     check as things are: it displaces nobody in turn. A unit that shares its
//     machine with others (MachineOf=, from either side), is global or under way, or
//     is to run once at most, stays, and the machine is no choice.
//   - First the others are moved, and the machine is held: nothing else comes
//     there that would be in the way. When the store says that they have left, the
//     unit is placed. Should one of them stay after all, the unit looks anew.
//   - Once placed it moves nobody. So of two that replace each other the one
//     started last gets the machine, and both stay where they are.
//
// A leader that is new begins anew, and may move another of several that a glob means.

// hold is a machine kept for a unit while what the unit replaces leaves it. Its
// slot counts in all indexes, as if the unit were on its way there.
type hold struct {
	slot   *slot
	leaves []cluster.UnitName
}

// release ends the hold for a unit that is being decided, and returns it. Those
// that the slot kept away are touched by the caller, if it does not come back.
func (p *Picture) release(u *unit) *hold {
	h := p.holds[u]
	if h == nil {
		return nil
	}
	delete(p.holds, u)
	h.slot.pending = settled
	u.pending--
	if h.slot.revision == 0 { // else somebody has placed the unit there
		p.takeSlot(h.slot)
	}
	p.touchFollowers(u)
	return h
}

// takeOver goes on with the machine that was held for u: it is placed there when
// nothing is in the way any more, and else waits while that leaves.
func (p *Picture) takeOver(u *unit, was *hold, from *slot, why string) bool {
	m := was.slot.machine
	if set, _ := p.candidates(u); set.has(m.number) {
		p.place(u, m, from, why+"takes the place of "+list(was.leaves)+", which it replaces")
		return true
	}
	return p.makeWay(u, m, was.leaves)
}

// displace holds a machine for u where units run that it replaces and that can
// go elsewhere, and says whether there is one.
func (p *Picture) displace(u *unit) bool {
	if len(u.needs.Replaces) == 0 {
		return false
	}
	if u.pending > 0 { // by its own evictions
		u.again = true
		return true
	}
	return slices.ContainsFunc(p.replacing(u), func(m *machine) bool { return p.makeWay(u, m, nil) })
}

// replacing returns the machines where units run that u replaces, the one with
// the fewest of them first.
func (p *Picture) replacing(u *unit) []*machine {
	counts := map[*machine]int32{}
	for _, pat := range u.avoids {
		for m, count := range pat.meant.counts {
			if m.live() {
				counts[m] += count
			}
		}
	}
	found := make([]*machine, 0, len(counts))
	for m := range counts {
		found = append(found, m)
	}
	slices.SortFunc(found, func(a, b *machine) int {
		return cmp.Or(cmp.Compare(counts[a], counts[b]), cmp.Compare(len(a.slots), len(b.slots)), cmp.Compare(a.number, b.number))
	})
	return found
}

// makeWay moves off m what u replaces, all or nothing, and holds m for u. It says
// whether anything is on its way off m now and nothing else is in u's way.
func (p *Picture) makeWay(u *unit, m *machine, leaves []cluster.UnitName) bool {
	if !p.suits(u.needs, m) || p.absentPeer(u, m) != "" {
		return false
	}
	held := len(leaves) > 0 // else what is on its way off for another reason may stay after all
	var moving, leaving []*slot
	for _, s := range m.slots {
		switch {
		case !apart(u, s.unit):
			continue
		case s.pending == ending && (held || means(u, s.unit)):
		case p.movable(u, s):
			moving = append(moving, s)
		default:
			return false
		}
		leaving = append(leaving, s)
		if !slices.Contains(leaves, s.unit.name) {
			leaves = append(leaves, s.unit.name)
		}
	}
	if len(leaving) == 0 || !p.roomWithout(u, m, leaving) {
		return false
	}
	slices.Sort(leaves)
	slices.SortFunc(moving, func(a, b *slot) int { return byName(a.unit, b.unit) })
	place := p.addSlot(u, m)
	if !p.moveAll(moving, fmt.Sprintf("makes way on %s for %s, which replaces it; ", m.title(), u.name)) {
		p.takeSlot(place)
		return false
	}
	place.pending = holding
	u.pending++
	p.holds[u] = &hold{slot: place, leaves: leaves}
	p.wait(u)
	return true
}

// roomWithout says whether u finds room on m once others have left.
func (p *Picture) roomWithout(u *unit, m *machine, leaving []*slot) bool {
	for _, a := range u.needs.room {
		free := m.free(a.kind)
		for _, s := range leaving {
			free += s.unit.takes(a.kind)
		}
		if free < a.n {
			return false
		}
	}
	if u.family == nil {
		return true
	}
	count, most := 0, u.needs.most()
	for _, s := range m.slots {
		if s.unit != u && s.unit.family == u.family && !slices.Contains(leaving, s) {
			count++
			if s.unit.needs != nil {
				most = min(most, s.unit.needs.most())
			}
		}
	}
	return count < most
}

// movable says whether a placement may have to go elsewhere because u replaces it.
func (p *Picture) movable(u *unit, s *slot) bool {
	v := s.unit
	return s.pending == settled && v.pending == 0 && len(v.slots) == 1 && v.wanted() &&
		v.needs != nil && v.needs.fault == nil && !v.needs.Global && len(v.needs.MachineOf) == 0 &&
		!v.fenced() && !p.followed(v) && means(u, v)
}

// followed says whether a unit that is wanted must share v's machine.
func (p *Picture) followed(v *unit) bool {
	for follower := range p.followers[v.name] {
		if follower.wanted() {
			return true
		}
	}
	return false
}

// means says whether one of the globs that a carries means b.
func means(a, b *unit) bool {
	return slices.ContainsFunc(a.avoids, func(pat *pattern) bool { return slices.Contains(b.avoided, pat) })
}

// moveAll hands out moves of all the placements, or of none where one of them has
// nowhere to go beside the others.
func (p *Picture) moveAll(moving []*slot, why string) bool {
	targets := make([]*slot, len(moving))
	reasons := make([]string, len(moving))
	for i, s := range moving {
		m, best := p.pick(s.unit)
		if m == nil {
			for _, target := range targets[:i] {
				p.takeSlot(target)
			}
			return false
		}
		targets[i], reasons[i] = p.addSlot(s.unit, m), why+p.whyHere(s.unit, m, best)
	}
	for i, s := range moving {
		p.place(s.unit, targets[i].machine, s, reasons[i])
	}
	return true
}

// unmoved says on which of the machines left u could be, if only what it replaces
// there could go elsewhere.
func (r *remainder) unmoved(u *unit) {
	if len(u.needs.Replaces) == 0 {
		return
	}
	var found bitset
	for number := range r.machines.all {
		if m := r.p.machines.ordered[number]; r.p.onlyReplaced(u, m) {
			found.set(number)
		}
	}
	r.say(found, "runs a unit that it replaces and that cannot go elsewhere", "run a unit that it replaces and that cannot go elsewhere", func(m *machine) string {
		return fmt.Sprintf("%s on %s", blocker(u, m).unit.name, m.title())
	})
	r.machines.subtract(found)
}

// onlyReplaced says whether nothing but what u replaces keeps it off a machine.
func (p *Picture) onlyReplaced(u *unit, m *machine) bool {
	var replaced []*slot
	for _, s := range m.slots {
		if apart(u, s.unit) {
			if !means(u, s.unit) {
				return false
			}
			replaced = append(replaced, s)
		}
	}
	return len(replaced) > 0 && m.hasPodman(u.needs.Podman) && p.roomWithout(u, m, replaced)
}
