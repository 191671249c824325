package schedule

import (
	"fmt"
	"slices"
	"strings"

	"argosy/core/unitfile"
)

// prepare makes what the indexes need of what a unit asks for now, and counts
// what it takes where it is placed.
func (p *Picture) prepare(u *unit) {
	n := u.needs
	if !n.prepared {
		n.prepared = true
		n.room = p.machines.capacity.amounts(n.Reserve)
		n.spread = p.machines.compose(n.Spread)
		n.choosy = choosiness(n)
		n.anywhere = n.MachineID == "" && len(n.Metadata) == 0 && len(n.MachineOf) == 0 &&
			len(n.room) == 0 && n.Podman == "" && len(n.Prefer) == 0 && !n.asks()
	}
	for _, s := range u.slots {
		p.occupy(u, s.machine)
	}
	if n.asks() {
		p.askFamily(u)
	}
}

// unprepare takes that back, before the unit asks for something else.
func (p *Picture) unprepare(u *unit) {
	for _, s := range u.slots {
		p.vacate(u, s.machine)
	}
	if u.needs.asks() {
		p.unaskFamily(u)
	}
}

// hardship says why a placement may not stay for what its machine has to give, or
// nothing. What runs is let be when its machine gives less than it did; what is
// renewed with another text must find what that asks for.
func (p *Picture) hardship(s *slot) string {
	u, m := s.unit, s.machine
	if most := crowded(s); most > 0 {
		return tooMany(u, most)
	}
	if s.outdated() && !m.hasPodman(u.needs.Podman) {
		return noPodman(u)
	}
	lacks, _ := p.outgrown(s)
	return lacks
}

// waitsToGrow says that a placement keeps its text for now, because what must
// give way to the new one has not left yet. Each Plan asks again.
func (p *Picture) waitsToGrow(s *slot) bool {
	_, tight := p.outgrown(s)
	if tight {
		p.cramped[s.unit] = true
	}
	return tight
}

// lacking says of the machines left what they do not have, or have too little of.
func (r *remainder) lacking(u *unit) {
	n := u.needs
	if n.Podman != "" {
		words := "no Podman " + n.Podman + " or newer"
		r.keep(r.p.machines.withPodman(n.Podman), "has "+words, "have "+words)
	}
	if u.family != nil {
		open := slices.Clone(r.machines)
		u.family.takeCrowded(open, u)
		r.keep(open, fmt.Sprintf("runs as many of %s as it may", u.family.template), fmt.Sprintf("run as many of %s as they may", u.family.template))
	}
	for _, a := range n.room {
		r.short(a)
	}
}

// theMost begins what a reason says of the greatest room there was. It changes
// with every placement, and so does not make a reason another one.
const theMost = "(the most is "

// short says on how many machines too little is free, and where the most is.
func (r *remainder) short(a amount) {
	beyond := slices.Clone(r.machines)
	beyond.subtract(r.p.machines.withFree(a))
	r.machines.subtract(beyond)
	count := beyond.count()
	if count == 0 {
		return
	}
	var most *machine
	for number := range beyond.all {
		if m := r.p.machines.ordered[number]; most == nil || m.free(a.kind) > most.free(a.kind) {
			most = m
		}
	}
	verb := "have"
	if count == 1 {
		verb = "has"
	}
	r.parts = append(r.parts, fmt.Sprintf("%d of %d %s less than %s free %s%s, on %s)", count, r.p.machines.lives, verb,
		r.p.words(a), theMost, number(amount{a.kind, max(most.free(a.kind), 0)}), most.title()))
}

// gist is a reason without what changes with every placement.
func gist(reason string) string {
	var out strings.Builder
	for {
		before, after, found := strings.Cut(reason, theMost)
		out.WriteString(before)
		if !found {
			return out.String()
		}
		_, reason, _ = strings.Cut(after, ")")
	}
}

// unwanted is what a machine has that should have none of the values.
func unwanted(want unitfile.Metadata) string {
	want.Not = false
	return want.String()
}
