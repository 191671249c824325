package laws

import (
	"maps"
	"slices"

	"argosy/core/cluster"
)

// once is what law 2 is judged by.
type once struct {
	// since is the generation from which on a unit was to run once at most, without
	// one between that was not. What an earlier generation runs counts for nothing.
	since   map[cluster.UnitName]int64
	tokens  map[cluster.UnitName]lastToken
	stalled map[cluster.MachineID]int // more than 0: it stands still, or has just gone on
	lives   map[cluster.MachineID]int // of its fence
}

// lastToken is the highest fencing token that a unit was started with.
type lastToken struct {
	token   int64
	machine cluster.MachineID
}

func newOnce() once {
	return once{
		since: map[cluster.UnitName]int64{}, tokens: map[cluster.UnitName]lastToken{},
		stalled: map[cluster.MachineID]int{}, lives: map[cluster.MachineID]int{},
	}
}

// noteOnce notes from which generation on a unit that was written is to run once at most.
func (l *Laws) noteOnce(unit cluster.UnitName) {
	u, there := l.store.units[unit]
	switch _, was := l.once.since[unit]; {
	case !there || was && l.store.wish(unit).Fenced:
	case was:
		delete(l.once.since, unit)
	case l.store.wish(unit).Fenced:
		l.once.since[unit] = u.Generation
	}
}

// counts says whether a process is one of those of which there may be one.
func (l *Laws) counts(unit cluster.UnitName, p process) bool {
	since, is := l.once.since[unit]
	return is && p.fenced && p.generation >= since
}

// twice checks law 2 for what runs on one machine.
func (l *Laws) twice(at Place) {
	if runs := l.running[at.Unit]; !l.counts(at.Unit, runs[at.Machine]) || l.once.stalled[at.Machine] > 0 {
		return
	}
	for _, other := range l.Running(at.Unit) {
		if other != at.Machine && l.counts(at.Unit, l.running[at.Unit][other]) && l.once.stalled[other] == 0 {
			l.breaks(AtMost, "%s runs on %s while it runs on %s", at.Unit, at.Machine.Short(), other.Short())
		}
	}
}

// token checks that each start elsewhere finds a higher token than all before it.
func (l *Laws) token(e Started) {
	if e.Generation == 0 || !l.counts(e.Place.Unit, l.running[e.Place.Unit][e.Place.Machine]) {
		return
	}
	last := l.once.tokens[e.Place.Unit]
	if e.Token < last.token || e.Token == last.token && e.Place.Machine != last.machine {
		l.breaks(AtMost, "%s was started with the token %d, after %s was with %d", e.Place, e.Token, last.machine.Short(), last.token)
	}
	l.once.tokens[e.Place.Unit] = lastToken{max(e.Token, last.token), e.Place.Machine}
}

// recovered has what runs on a machine count again that stood still.
func (l *Laws) recovered(id cluster.MachineID) {
	if l.once.stalled[id]--; l.once.stalled[id] > 0 {
		return
	}
	for _, unit := range slices.Sorted(maps.Keys(l.running)) {
		if _, runs := l.running[unit][id]; runs {
			l.twice(Place{id, unit})
		}
	}
}
