package schedule

import (
	"fmt"

	"argosy/core/cluster"
)

// against says why m, where u is not, cannot take it, in the words that follow the
// machine's name. It is empty where m can; those machines are the candidates,
// which are found without looking at each.
func (p *Picture) against(u *unit, m *machine) string {
	if lacking := p.lacking(u, m); lacking != "" {
		return lacking
	}
	if scarce := p.scarce(u, m); scarce != "" {
		return scarce
	}
	if s := blocker(u, m); s != nil {
		return "runs " + rival(u, s.unit)
	}
	return ""
}

// rival names a unit that u must not be beside, and says why.
func rival(u, other *unit) string {
	switch {
	case len(u.needs.Replaces) > 0 && means(u, other):
		return fmt.Sprintf("%s, which it replaces", other.name)
	case other.needs != nil && len(other.needs.Replaces) > 0 && means(other, u):
		return fmt.Sprintf("%s, which replaces it", other.name)
	}
	return fmt.Sprintf("%s, which conflicts", other.name)
}

// lacking says what u asks of a machine, whatever else runs there, that m does not
// offer: what m does, or does not do, in the words that follow its name. It is
// empty where nothing is lacking. The machines where it is are those of eligible,
// which finds them without looking at each.
func (p *Picture) lacking(u *unit, m *machine) string {
	if lacking := m.lacks(u.needs.Metadata); lacking != "" {
		return lacking
	}
	if id := u.needs.MachineID; id != "" && !named(m, id) {
		return "is not machine " + id
	}
	if peer := p.absentPeer(u, m); peer != "" {
		return "does not run " + string(peer)
	}
	return ""
}

// absentPeer names a unit that u must be with and that is not on m.
func (p *Picture) absentPeer(u *unit, m *machine) cluster.UnitName {
	for _, name := range u.needs.MachineOf {
		if peer := p.units[name]; peer == nil || peer.on(m) == nil {
			return name
		}
	}
	return ""
}
