package schedule

import (
	"fmt"

	"argosy/core/cluster"
)

// The reasons of all checks of a unit against a machine, in the words that follow
// the machine's name: "lacks region=eu". They are given one machine at a time; the
// machines that pass are found without looking at each, see candidates.

// against says why m, where u is not, cannot take it, or nothing where it can.
func (p *Picture) against(u *unit, m *machine) string {
	if lacking := p.lacking(u, m); lacking != "" {
		return lacking
	}
	if flapping := p.flapping(m); flapping != "" {
		return flapping
	}
	if !m.hasPodman(u.needs.Podman) {
		return noPodman(u)
	}
	if s := blocker(u, m); s != nil {
		return "runs " + rival(u, s.unit)
	}
	if u.family != nil && u.family.full(u, m) {
		return tooMany(u, int(u.family.counts[m]))
	}
	if u.hasFailedOn(m) {
		return "has failed to run it"
	}
	for _, a := range u.needs.room {
		if free := m.free(a.kind); free < a.n {
			return p.tooLittle(a, free)
		}
	}
	return ""
}

// lacking says what u asks of a machine, whatever else runs there, that m does not
// offer, or nothing. A placement for which something is lacking may not stay.
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

func noPodman(u *unit) string { return "has no Podman " + u.needs.Podman + " or newer" }

func tooMany(u *unit, most int) string {
	return fmt.Sprintf("runs as many of %s as it may, %d", u.family.template, most)
}

func (p *Picture) tooLittle(a amount, left int64) string {
	return fmt.Sprintf("has %s left for it, not %s", number(amount{a.kind, max(left, 0)}), p.words(a))
}
