package laws

import (
	"cmp"
	"fmt"
	"slices"

	"argosy/core/cluster"
)

// The checks that a placement must pass, by walking everything. What others on
// the machine ask for counts against a unit only where both the text that is
// placed there and the one that is wanted of them ask for it: between the two the
// leader may believe either.

// against says why a unit that is not on the machine may not come to it; empty
// where it may.
func (p *picture) against(at Place) string {
	if !p.lives(at.Machine) {
		return "the machine is not there"
	}
	return cmp.Or(p.elsewhere(at), p.conflict(at), p.crowd(at, p.both), p.short(at, least))
}

// elsewhere says why the machine is not one that the unit asks for.
func (p *picture) elsewhere(at Place) string {
	w := p.wish(at.Unit)
	if w.Machine != "" && string(at.Machine[:8]) != w.Machine {
		return "another machine is asked for"
	}
	for key, value := range w.Metadata {
		if has := p.metadata(at.Machine, key); has != value {
			return fmt.Sprintf("%s is %q, not %q", key, has, value)
		}
	}
	for key, value := range w.Unlike {
		if p.metadata(at.Machine, key) == value {
			return fmt.Sprintf("%s is %q", key, value)
		}
	}
	for _, peer := range w.With {
		if _, there := p.placement(Place{at.Machine, peer}); !there {
			return string(peer) + " is not there"
		}
	}
	return ""
}

// both says whether both texts of a unit on a machine, the one placed and the
// one wanted, have a property; for a unit that is gone the placed one tells.
func (p *picture) both(at Place, has func(Wish) bool) bool {
	placement, _ := p.placement(at)
	unit, there := p.units[at.Unit]
	return has(p.texts[placement.Hash]) && (!there || has(p.texts[unit.Hash]))
}

// either says whether one of the two has it.
func (p *picture) either(at Place, has func(Wish) bool) bool {
	placement, _ := p.placement(at)
	return has(p.texts[placement.Hash]) || has(p.wish(at.Unit))
}

// conflict names a unit on the machine that does not bear this one, or that this
// one does not bear.
func (p *picture) conflict(at Place) string {
	w := p.wish(at.Unit)
	for _, other := range p.beside(at) {
		if w.avoids(other) {
			return "it avoids " + string(other)
		}
		if p.wanted(other) && p.both(Place{at.Machine, other}, func(w Wish) bool { return w.avoids(at.Unit) }) {
			return string(other) + " avoids it"
		}
	}
	return ""
}

// crowd says whether the unit is one too many of its template. asks says what others
// there ask for.
func (p *picture) crowd(at Place, asks func(Place, func(Wish) bool) bool) string {
	of, n := template(at.Unit), 1
	if of == "" {
		return ""
	}
	var others []cluster.UnitName
	for _, other := range p.beside(at) {
		if template(other) == of {
			n, others = n+1, append(others, other)
		}
	}
	if most := p.wish(at.Unit).Most; most > 0 && n > most {
		return fmt.Sprintf("it is one of %d of its template", n)
	}
	for _, other := range others {
		if asks(Place{at.Machine, other}, func(w Wish) bool { return w.Most > 0 && n > w.Most }) {
			return fmt.Sprintf("%s does not bear %d of its template", other, n)
		}
	}
	return ""
}

// short adds up what is reserved on the machine. Where another unit's text has
// changed and its placement has not yet, of says which of the two amounts counts.
func (p *picture) short(at Place, of func(was, is int64) int64) string {
	w, has := p.wish(at.Unit), p.machines[at.Machine]
	memory, gpus := w.Memory, w.GPUs
	for _, other := range p.beside(at) {
		placement, _ := p.placement(Place{at.Machine, other})
		was, is := p.texts[placement.Hash], p.texts[placement.Hash]
		if u, there := p.units[other]; there {
			is = p.texts[u.Hash]
		}
		memory, gpus = memory+of(was.Memory, is.Memory), gpus+of(was.GPUs, is.GPUs)
	}
	switch {
	case w.Memory > 0 && memory<<30 > has.Memory:
		return fmt.Sprintf("it has %d GiB for %d", has.Memory>>30, memory)
	case w.GPUs > 0 && gpus > has.GPUs:
		return fmt.Sprintf("it has %d gpus for %d", has.GPUs, gpus)
	}
	return ""
}

func least(was, is int64) int64 { return min(was, is) }
func most(was, is int64) int64  { return max(was, is) }

// mayEnd says what allows a placement to end; empty where nothing does.
func (p *picture) mayEnd(at Place) string {
	placement, _ := p.placement(at)
	switch u := p.units[at.Unit]; {
	case !p.wanted(at.Unit):
		return "it is not wanted"
	case !p.lives(at.Machine):
		return "the machine is not there"
	case p.wish(at.Unit).Global:
	case len(p.where(at.Unit)) > 1:
		return "it is on more than one machine"
	case placement.Hash != u.Hash && p.short(at, most) != "":
		return "its new text needs more room"
	}
	return cmp.Or(p.elsewhere(at), p.rivals(at), p.crowd(at, p.either), p.replaced(at.Unit))
}

// rivals is conflict without the care for what the leader may believe.
func (p *picture) rivals(at Place) string {
	w := p.wish(at.Unit)
	for _, other := range p.beside(at) {
		if w.avoids(other) || p.wish(other).avoids(at.Unit) {
			return "it is beside " + string(other)
		}
	}
	return ""
}

// replaced says which unit wants a unit's place.
func (p *picture) replaced(unit cluster.UnitName) string {
	for other := range p.replacers {
		if p.wanted(other) && meansAny(p.wish(other).Replaces, unit) {
			return string(other) + " replaces it"
		}
	}
	return ""
}

// explained says whether a wanted unit that is on no machine is there rightly:
// nobody may take it, and a reason says so.
func (p *picture) explained(unit cluster.UnitName) (wrong string) {
	refusal, told := p.refusals[unit]
	switch {
	case !told:
		return "it is nowhere and nothing says why"
	case refusal.Generation != p.units[unit].Generation:
		return fmt.Sprintf("what is said of it is of generation %d, not %d", refusal.Generation, p.units[unit].Generation)
	}
	var ids []cluster.MachineID
	for id := range p.machines {
		if p.against(Place{id, unit}) == "" {
			ids = append(ids, id)
		}
	}
	if len(ids) > 0 {
		return fmt.Sprintf("it could be on %s: %s", slices.Min(ids).Short(), refusal.Reason)
	}
	return ""
}
