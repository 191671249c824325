package schedule

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"argosy/core/cluster"
)

// Why explains where a unit is, or why it is on no machine, and what each machine
// that is up is to it. It reports false for a unit that is not known. What it says
// comes of the checks that Plan makes, at the facts that are known now; on a
// picture that nobody plans from it is as good.
func (p *Picture) Why(name cluster.UnitName) (Explanation, bool) {
	u := p.units[name]
	if u == nil || u.revision == 0 && len(u.slots) == 0 {
		return Explanation{}, false
	}
	e := Explanation{Unit: name, Summary: fmt.Sprintf("%s %s", name, p.summary(u))}
	if u.needs == nil || u.needs.fault != nil || u.template {
		return e, true
	}
	set, _ := p.candidates(u)
	set = slices.Clone(set) // the checks below may use what it is made in
	for number := range p.machines.live.all {
		e.Machines = append(e.Machines, p.verdict(u, p.machines.ordered[number], set))
	}
	return e, true
}

// summary is what is said of a unit behind its name.
func (p *Picture) summary(u *unit) string {
	switch {
	case u.revision == 0:
		return "was destroyed and is leaving " + places(u.slots)
	case u.template:
		return "is a template; only its instances run"
	case !u.wanted() && len(u.slots) > 0:
		return "is inactive and is leaving " + places(u.slots)
	case !u.wanted():
		return "is inactive: it is wanted on no machine"
	case u.needs == nil:
		return "is not decided yet: its text is still to come"
	}
	if h := p.holds[u]; h != nil {
		return fmt.Sprintf("is on its way to %s, which %s must leave first", h.slot.machine.title(), list(h.leaves))
	}
	up := slices.DeleteFunc(slices.Clone(u.slots), func(s *slot) bool { return !s.machine.live() })
	switch {
	case len(up) > 0 && u.needs.Global:
		return fmt.Sprintf("is global and is on %d of %d machines", len(up), p.machines.lives)
	case len(up) > 0:
		slices.SortFunc(up, seniority)
		return whereabouts(up[0])
	case !u.needs.Global && p.awayWith(u) != nil:
		return "is on " + p.awayWith(u).title() + ", which " + outOfTouchWords
	case !u.needs.Global && len(u.slots) == 0 && p.delayed(u) != nil:
		return "is on no machine yet: " + p.delayed(u).why
	case !u.needs.Global && p.delayed(u) != nil:
		return "stays where it was for now: " + p.delayed(u).why
	case u.note != nil && u.note.revision > 0:
		return "is on no machine: " + strings.TrimPrefix(u.note.reason, nowhere)
	}
	return "is not decided yet"
}

// whereabouts says where a unit is, since when and why there.
func whereabouts(s *slot) string {
	if s.revision == 0 {
		return "is on its way to " + s.machine.title()
	}
	since := time.Unix(0, s.at).UTC().Format(time.DateTime + " MST")
	return fmt.Sprintf("is on %s since %s: %s", s.machine.title(), since, s.why())
}

// why is the reason of a placement as the store has it.
func (s *slot) why() string {
	if s.reason == "" {
		return "no reason was kept"
	}
	return s.reason
}

// verdict says what a machine is to u; fitting are the machines that could take it.
func (p *Picture) verdict(u *unit, m *machine, fitting bitset) Verdict {
	v := Verdict{Machine: m.id, Name: m.title()}
	s := u.on(m)
	switch {
	case s == nil && fitting.has(m.number):
		v.Fits, v.Reason = true, p.whyElsewhere(u, m)
	case s == nil:
		v.Reason = p.against(u, m)
	case s.pending == holding:
		v.Fits, v.Reason = true, "is held for it; what it replaces must leave first"
	case s.pending == ending:
		v.Here, v.Reason = true, "it is leaving"
	default:
		v.Here, v.Reason = s.revision > 0, p.objection(s)
		if v.Fits = v.Reason == ""; v.Fits && v.Here {
			v.Reason = "runs it: " + s.why()
		} else if v.Fits {
			v.Reason = "it is on its way here"
		}
	}
	return v
}

// whyElsewhere says why u is not on a machine that could take it.
func (p *Picture) whyElsewhere(u *unit, m *machine) string {
	at := slices.IndexFunc(u.slots, func(s *slot) bool { return s.machine.live() })
	if at < 0 || u.needs.Global {
		return "would fit"
	}
	home := u.slots[at].machine
	if here, there := len(m.slots), len(home.slots)-1; here > there {
		return fmt.Sprintf("would fit, but is more loaded (%d placements; %s has %d beside it)", here, home.title(), there)
	}
	return "would fit, but nothing moves without need"
}

func places(slots []*slot) string {
	names := make([]string, len(slots))
	for i, s := range slots {
		names[i] = s.machine.title()
	}
	return strings.Join(names, ", ")
}
