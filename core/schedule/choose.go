package schedule

import "strings"

// candidates returns the machines that may take u. The set is the picture's own:
// it holds until the next call and may be narrowed only where plain is false.
// Plain says that every live machine will do.
func (p *Picture) candidates(u *unit) (set bitset, plain bool) {
	n := u.needs
	if len(u.slots) == 0 && len(u.avoids) == 0 && len(u.avoided) == 0 &&
		n.MachineID == "" && len(n.Metadata) == 0 && len(n.MachineOf) == 0 {
		return p.machines.live, true
	}
	set = p.eligible(u)
	p.avoid(set, u)
	for _, s := range u.slots {
		set.clear(s.machine.number)
	}
	return set, false
}

// eligible returns the live machines that have what u asks for, whatever else
// runs on them.
func (p *Picture) eligible(u *unit) bitset {
	p.scratch = append(p.scratch[:0], p.machines.live...)
	set := p.scratch
	p.machines.having(set, u.needs.Metadata)
	if id := u.needs.MachineID; id != "" {
		var one bitset
		for _, m := range p.machines.named(id) {
			one.set(m.number)
		}
		set.intersect(one)
	}
	for _, name := range u.needs.MachineOf {
		var there bitset
		if peer := p.units[name]; peer != nil {
			for _, s := range peer.slots {
				there.set(s.machine.number)
			}
		}
		set.intersect(there)
	}
	return set
}

// avoid takes out the machines where u would meet a unit that it conflicts with.
func (p *Picture) avoid(set bitset, u *unit) {
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
