package schedule

import (
	"fmt"
	"slices"
	"strings"

	"argosy/core/cluster"
)

// namesShown is how many machines a reason names before it only counts them.
const namesShown = 3

// whyHere says why a unit was put where it was.
func (p *Picture) whyHere(u *unit, m *machine, b best) string {
	fitting := b.fitting
	switch {
	case len(u.needs.MachineOf) > 0:
		return "the machine of " + list(u.needs.MachineOf)
	case u.needs.MachineID != "":
		return "the machine that it asks for"
	case b.grouped && fitting == 1:
		return "the only machine that fits with what must be there too"
	case fitting == 1:
		return "the only machine that fits"
	}
	if why := b.why(m); why != "" {
		return why
	}
	if b.grouped {
		return fmt.Sprintf("least loaded of %d machines that fit with what must be there too", fitting)
	}
	if p.leastOf.count != fitting {
		p.leastOf.count = fitting
		p.leastOf.words = fmt.Sprintf("least loaded of %d machines that fit", fitting)
	}
	return p.leastOf.words
}

// leastOf keeps the words that a million units in a row share.
type leastOf struct {
	count int
	words string
}

// whyRenewed says what of a placement that stays has changed.
func whyRenewed(s *slot) string {
	u := s.unit
	switch {
	case s.hash != u.hash:
		return "stays where it is; its text has changed"
	case s.desired != u.desired:
		return fmt.Sprintf("stays where it is; it is now wanted %s", u.desired)
	}
	return "stays where it is; it was asked for again"
}

// whyOther says why, of two placements of a unit, the other stays, in the order of
// seniority.
func (p *Picture) whyOther(s, stay *slot) string {
	title := stay.machine.title()
	if objection := p.objection(s); objection != "" {
		return fmt.Sprintf("%s; the copy on %s stays", objection, title)
	}
	as := "the older"
	switch {
	case s.stale() && !stay.stale():
		as = "the one that is up to date"
	case s.revision == stay.revision:
		as = "the one on the machine with the lower id"
	}
	return fmt.Sprintf("it runs on more than one machine; the copy on %s stays, as %s", title, as)
}

// nowhere begins every reason that whyNowhere gives.
const nowhere = "no machine can take it: "

// whyNowhere says what each group of machines lacks. Its words hang on the facts
// alone, so that they stay the same while these do.
func (p *Picture) whyNowhere(u *unit) string {
	if p.machines.lives == 0 {
		return nowhere + "no machine is up"
	}
	if id := u.needs.MachineID; id != "" && p.called(id).firstIn(p.machines.live) < 0 {
		return nowhere + fmt.Sprintf("machine %s, which it asks for, is not up", id)
	}
	for _, name := range u.needs.MachineOf {
		if trouble := p.peerTrouble(name); trouble != "" {
			return nowhere + fmt.Sprintf("%s, whose machine it must share, %s", name, trouble)
		}
	}
	left := remainder{p: p, machines: slices.Clone(p.machines.live)}
	for _, want := range u.needs.Metadata {
		if want.Not {
			left.keep(p.machines.having(want), "has "+unwanted(want), "have "+unwanted(want))
		} else {
			left.keep(p.machines.having(want), "lacks "+want.String(), "lack "+want.String())
		}
	}
	for _, name := range u.needs.MachineOf {
		words := fmt.Sprintf("not run %s, whose machine it must share", name)
		left.keep(p.home(name), "does "+words, "do "+words)
	}
	if id := u.needs.MachineID; id != "" {
		left.keep(p.called(id), "is another than it asks for", "are others than it asks for")
	}
	left.unsteady()
	left.unmoved(u)
	left.lacking(u)
	left.conflicting(u)
	return nowhere + strings.Join(left.parts, "; ")
}

// remainder is the machines that nothing has been said about yet, and what has
// been said of the others.
type remainder struct {
	p        *Picture
	machines bitset
	parts    []string
}

// keep says of the machines beyond a set what keeps the unit off them.
func (r *remainder) keep(set bitset, one, many string) {
	beyond := slices.Clone(r.machines)
	beyond.subtract(set)
	r.machines.intersect(set)
	r.say(beyond, one, many, (*machine).title)
}

// conflicting says of all machines left which unit is in the way.
func (r *remainder) conflicting(u *unit) {
	r.say(r.machines, "already runs a unit that conflicts", "already run a unit that conflicts", func(m *machine) string {
		if s := blocker(u, m); s != nil {
			return fmt.Sprintf("%s on %s", s.unit.name, m.title())
		}
		return m.title()
	})
}

// say counts machines and names the first few.
func (r *remainder) say(set bitset, one, many string, name func(*machine) string) {
	count := set.count()
	if count == 0 {
		return
	}
	var names []string
	for number := range set.all {
		if names = append(names, name(r.p.machines.ordered[number])); len(names) == namesShown {
			break
		}
	}
	words, named := many, strings.Join(names, ", ")
	if count == 1 {
		words = one
	}
	if more := count - len(names); more > 0 {
		named += fmt.Sprintf(" and %d more", more)
	}
	r.parts = append(r.parts, fmt.Sprintf("%d of %d %s (%s)", count, r.p.machines.lives, words, named))
}

// peerTrouble says why a unit is no help in finding a machine, or nothing.
func (p *Picture) peerTrouble(name cluster.UnitName) string {
	peer := p.units[name]
	switch {
	case peer == nil || peer.revision == 0:
		return "is not known"
	case !peer.wanted():
		return "is not wanted on a machine"
	}
	if peer.placed() {
		return ""
	}
	if p.awayWith(peer) != nil { // a new leader does not know its name
		return "is on a machine that " + outOfTouchWords
	}
	return "is on no machine"
}

func list(names []cluster.UnitName) string {
	words := make([]string, len(names))
	for i, name := range names {
		words[i] = string(name)
	}
	return strings.Join(words, " and ")
}

// short bounds what a fault may add to a reason.
func short(text string) string {
	const most = 300
	text = strings.ReplaceAll(text, "\n", "; ")
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "") + "..."
}
