package schedule

import (
	"fmt"
	"slices"
	"time"

	"argosy/core/cluster"
)

// systemd restarts a unit as its Restart= says, and gives up after StartLimitBurst=
// tries. Then the machine may be what is wrong, so that the unit is tried elsewhere,
// and after a few machines the unit: it stays where it failed last until an operator
// acts. A unit that asks for no restarts is never moved for its failures, nor is one
// that shares its machine with others, who would have to move along.
const (
	// restartPatience is for how long a failed unit is left alone: a service that it
	// needs on the same machine, or whoever works there, may bring it back.
	restartPatience = 10 * time.Second
	// restartBudget is on how many machines a unit may fail in one generation.
	restartBudget = 3
	// restartForgiven is how long a placement must have lasted for its failure to be
	// the first again.
	restartForgiven = time.Hour
)

// spot is a unit on a machine by their names: states may come before both.
type spot struct {
	machine cluster.MachineID
	unit    cluster.UnitName
}

// failure is what systemd says of a unit that it has given up on.
type failure struct {
	generation int64
	result     string
	since      time.Time // when it was first known; zero until the next look
}

// tries is where a unit has failed in the generation of its placement.
type tries struct {
	attempts int
	avoid    []cluster.MachineID
}

// stateChanged keeps the states of units that have failed, and passes over others.
func (p *Picture) stateChanged(fact cluster.UnitState) {
	at := spot{fact.Machine, fact.Unit}
	if fact.Active != "failed" || fact.Phase != cluster.Settled {
		p.stateGone(at)
		return
	}
	if f := p.failures[at]; f != nil && f.generation == fact.Generation {
		return
	}
	p.failures[at] = &failure{generation: fact.Generation, result: fact.Result}
	p.failed = append(p.failed, at)
}

func (p *Picture) stateGone(at spot) {
	if len(p.failures) > 0 {
		delete(p.failures, at)
	}
}

// meetFailures notes since when the units are failed that have failed since the
// last look.
func (p *Picture) meetFailures() {
	for _, at := range p.failed {
		f, u := p.failures[at], p.units[at.unit]
		if f == nil || !f.since.IsZero() {
			continue
		}
		f.since = p.now
		if u != nil {
			p.wake(u, p.now.Add(restartPatience))
		}
	}
	p.failed = p.failed[:0]
}

// spent returns the failure for which a placement should end: systemd has given
// up there, and has been given time. It is nil where the unit may stay.
func (p *Picture) spent(s *slot) *failure {
	u := s.unit
	if len(p.failures) == 0 || s.pending != settled || u.desired != cluster.Launched || s.stale() {
		return nil
	}
	f := p.failures[spot{s.machine.id, u.name}]
	switch {
	case f == nil || f.since.IsZero() || f.generation != s.generation || !u.needs.Restart.Covers(f.result):
		return nil
	case p.now.Before(f.since.Add(restartPatience)):
		p.wake(u, f.since.Add(restartPatience))
		return nil
	case s.tried().attempts >= restartBudget || len(u.needs.MachineOf) > 0 || p.followed(u):
		return nil
	}
	return f
}

// tried is where the unit has failed before, in what counts still.
func (s *slot) tried() tries {
	if s.tries == nil {
		return tries{}
	}
	return *s.tries
}

// retire moves a unit to a machine where it has not failed yet, or lets it be where
// it is for good once it has failed on as many as it may. It says whether it did
// either: where no other machine can take the unit it stays until one can.
func (p *Picture) retire(s *slot, f *failure) bool {
	u, was := s.unit, s.tried()
	if p.now.Sub(time.Unix(0, s.at)) >= restartForgiven {
		was = tries{}
	}
	now, known := was, slices.Contains(was.avoid, s.machine.id)
	if !known {
		now = tries{was.attempts + 1, append(slices.Clone(was.avoid), s.machine.id)}
	}
	said := fmt.Sprintf("failed on %s in spite of its restarts (%s)", s.machine.title(), f.result)
	if now.attempts >= restartBudget {
		p.placeTried(u, s.machine, nil, fmt.Sprintf("%s, on as many machines as it may, %d: it stays there until it is started anew or changed",
			said, restartBudget), &now)
		return true
	}
	m, best := p.pick(u)
	switch {
	case m != nil && !slices.Contains(now.avoid, m.id):
		if p.mayMove(u) {
			p.placeTried(u, m, s, said+"; "+p.whyHere(u, m, best), &now)
		}
	case known:
		p.wait(u)
		return false
	default:
		p.placeTried(u, s.machine, nil, said+"; it stays there: no machine that it has not failed on can take it", &now)
		u.again = true
	}
	return true
}

// hasFailedOn says whether systemd has given the unit up on a machine before.
func (u *unit) hasFailedOn(m *machine) bool {
	return slices.ContainsFunc(u.slots, func(s *slot) bool {
		return s.generation == u.generation && slices.Contains(s.tried().avoid, m.id)
	})
}

// unspoilt narrows a set to the machines where u has not failed, if any is left.
func (p *Picture) unspoilt(u *unit, set bitset) {
	for _, s := range u.slots {
		if s.tries == nil || s.generation != u.generation {
			continue
		}
		rest := slices.Clone(set)
		for _, id := range s.tries.avoid {
			if m := p.machines.byID[id]; m != nil {
				rest.clear(m.number)
			}
		}
		if rest.beyond(nil) {
			copy(set, rest)
		}
	}
}
