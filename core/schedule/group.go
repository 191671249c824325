package schedule

import "slices"

// suit narrows the machines for u to those that suit the units that must be where
// it is (MachineOf=) as well, in their sum, and says whether there is such a
// machine. Only those count that are nowhere yet.
func (p *Picture) suit(u *unit, set bitset) bool {
	group := p.group(u)
	if len(group) == 1 {
		return false
	}
	all := slices.Clone(set)
	asked := map[int]int64{}
	for _, member := range group {
		if member != u {
			p.takeUnlike(all, member)
			p.avoid(all, member)
		}
		for _, a := range member.needs.room {
			asked[a.kind] += a.n
		}
	}
	for number := range all.all {
		for kind, n := range asked {
			if p.machines.ordered[number].free(kind) < n {
				all.clear(number)
			}
		}
	}
	if !all.beyond(nil) {
		return false
	}
	copy(set, all)
	return true
}

// group returns a unit, and those that must be where it or another of them is and
// are nowhere yet.
func (p *Picture) group(u *unit) []*unit {
	group, in := []*unit{u}, map[*unit]bool{u: true}
	for i := 0; i < len(group); i++ {
		for follower := range p.followers[group[i].name] {
			if follower.wanted() && len(follower.slots) == 0 && !in[follower] {
				in[follower] = true
				group = append(group, follower)
			}
		}
	}
	return group
}
