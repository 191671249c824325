package schedule

import (
	"fmt"
	"strings"

	"argosy/core/cluster"
)

// namesShown is how many machines a reason names before it only counts them.
const namesShown = 3

// whyHere says why a unit was put where it was.
func (p *Picture) whyHere(u *unit, fitting int) string {
	switch {
	case len(u.needs.MachineOf) > 0:
		return "the machine of " + list(u.needs.MachineOf)
	case u.needs.MachineID != "":
		return "the machine that it asks for"
	case fitting == 1:
		return "the only machine that fits"
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

// whyNowhere says what each group of machines lacks. Its words hang on the facts
// alone, so that they stay the same while these do.
func (p *Picture) whyNowhere(u *unit) string {
	const nowhere = "no machine can take it: "
	if p.machines.lives == 0 {
		return nowhere + "no machine is up"
	}
	if id := u.needs.MachineID; id != "" && !p.namesLive(id) {
		return nowhere + fmt.Sprintf("machine %s, which it asks for, is not up", id)
	}
	for _, name := range u.needs.MachineOf {
		if trouble := p.peerTrouble(name); trouble != "" {
			return nowhere + fmt.Sprintf("%s, whose machine it must share, %s", name, trouble)
		}
	}
	groups := map[obstacle]*group{}
	var order []obstacle
	for number := range p.machines.live.all {
		what, who := p.obstacle(u, p.machines.ordered[number])
		if groups[what] == nil {
			groups[what] = &group{}
			order = append(order, what)
		}
		groups[what].add(who)
	}
	if len(order) > namesShown {
		order = order[:namesShown]
	}
	parts := make([]string, 0, len(order))
	for _, what := range order {
		parts = append(parts, groups[what].words(what, p.machines.lives))
	}
	return nowhere + strings.Join(parts, "; ")
}

// obstacle is what a machine has against a unit, said of one machine and of several.
type obstacle struct{ one, many string }

// obstacle says what keeps u off m, and how to name m in that.
func (p *Picture) obstacle(u *unit, m *machine) (what obstacle, who string) {
	lacks := m.lacks(u.needs.Metadata)
	switch {
	case lacks != "":
		return obstacle{"lacks " + lacks, "lack " + lacks}, m.title()
	case u.needs.MachineID != "" && !named(m, u.needs.MachineID):
		return obstacle{"is another than it asks for", "are others than it asks for"}, m.title()
	}
	if peer := p.absentPeer(u, m); peer != "" {
		words := fmt.Sprintf("not run %s, whose machine it must share", peer)
		return obstacle{"does " + words, "do " + words}, m.title()
	}
	what = obstacle{"already runs a unit that conflicts", "already run a unit that conflicts"}
	if s := blocker(u, m); s != nil {
		return what, fmt.Sprintf("%s on %s", s.unit.name, m.title())
	}
	return what, m.title()
}

// group counts machines and names the first few.
type group struct {
	count int
	names []string
}

func (g *group) add(name string) {
	if g.count++; len(g.names) < namesShown {
		g.names = append(g.names, name)
	}
}

func (g *group) words(what obstacle, of int) string {
	names := strings.Join(g.names, ", ")
	if more := g.count - len(g.names); more > 0 {
		names += fmt.Sprintf(" and %d more", more)
	}
	words := what.many
	if g.count == 1 {
		words = what.one
	}
	return fmt.Sprintf("%d of %d %s (%s)", g.count, of, words, names)
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
	for _, s := range peer.slots {
		if s.machine.live() {
			return ""
		}
	}
	return "is on no machine"
}

func (p *Picture) namesLive(id string) bool {
	for _, m := range p.machines.named(id) {
		if m.live() {
			return true
		}
	}
	return false
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
