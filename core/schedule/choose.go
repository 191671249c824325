package schedule

import (
	"slices"
	"strings"

	"argosy/core/cluster"
)

// candidates returns the machines that may take u. The set is the picture's own:
// it holds until the next call and may be narrowed only where plain is false.
// Plain says that every live machine will do.
func (p *Picture) candidates(u *unit) (set bitset, plain bool) {
	n := u.needs
	if n.anywhere && u.family == nil && len(u.slots) == 0 && len(u.avoids) == 0 && len(u.avoided) == 0 && len(p.shunned) == 0 {
		return p.machines.live, true
	}
	set = p.eligible(u)
	p.avoid(set, u)
	for _, s := range u.slots {
		set.clear(s.machine.number)
	}
	p.unspoilt(u, set)
	return set, false
}

// pick returns the machine that u is to be placed on and what it has before
// others; nil where none may take it.
func (p *Picture) pick(u *unit) (*machine, best) {
	set, plain := p.candidates(u)
	grouped := false
	if len(p.followers[u.name]) > 0 {
		if plain {
			set = slices.Clone(set)
		}
		grouped = p.suit(u, set)
		plain = false
	}
	fitting := p.machines.lives
	if !plain {
		fitting = set.count()
	}
	number, b := p.choose(u, set, fitting)
	b.grouped = grouped
	if number < 0 {
		return nil, b
	}
	return p.machines.ordered[number], b
}

// eligible returns the live machines that have what u asks for, whatever else
// runs on them.
func (p *Picture) eligible(u *unit) bitset {
	p.scratch = append(p.scratch[:0], p.machines.live...)
	set := p.scratch
	p.shun(set)
	p.takeUnlike(set, u)
	for _, name := range u.needs.MachineOf {
		set.intersect(p.home(name))
	}
	return set
}

// takeUnlike takes out the machines that are not as u asks for.
func (p *Picture) takeUnlike(set bitset, u *unit) {
	for _, want := range u.needs.Metadata {
		set.intersect(p.machines.having(want))
	}
	if least := u.needs.Podman; least != "" {
		set.intersect(p.machines.withPodman(least))
	}
	if id := u.needs.MachineID; id != "" {
		set.intersect(p.called(id))
	}
}

// called returns the machines that a MachineID= means.
func (p *Picture) called(id string) (set bitset) {
	for _, m := range p.machines.named(id) {
		set.set(m.number)
	}
	return set
}

// home returns the machines that a unit is placed on.
func (p *Picture) home(name cluster.UnitName) (set bitset) {
	if u := p.units[name]; u != nil {
		for _, s := range u.slots {
			set.set(s.machine.number)
		}
	}
	return set
}

// avoid takes out the machines where u would meet a unit that it conflicts with,
// or more of its template than it allows, or not find room.
func (p *Picture) avoid(set bitset, u *unit) {
	for _, a := range u.needs.room {
		set.intersect(p.machines.withFree(a))
	}
	if u.family != nil {
		u.family.takeCrowded(set, u)
	}
	for _, pat := range u.avoids {
		pat.meant.subtractFrom(set)
	}
	for _, pat := range u.avoided {
		pat.carried.subtractFrom(set)
	}
}

func named(m *machine, id string) bool { return strings.HasPrefix(string(m.id), id) }

// blocker returns the oldest placement on m that keeps u away, so that a reason
// that names it stays true and the same when others arrive; nil if none does.
func blocker(u *unit, m *machine) *slot {
	var oldest *slot
	for _, s := range m.slots {
		if apart(u, s.unit) && (oldest == nil || compareAge(s, oldest) < 0) {
			oldest = s
		}
	}
	return oldest
}
