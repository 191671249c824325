package schedule

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"argosy/core/cluster"
)

// stray is what systemd may still run of a unit on a machine that it is not placed
// on any more. It matters where the unit is to run once at most: a machine that was
// cut off goes on with what it was told before. It writes a state before it starts
// such a unit, and takes it away when the unit has ended; where the state goes with
// the machine's lease instead, the fence ends the unit.
type stray struct {
	stated bool      // the state is there
	lost   bool      // the machine was gone meanwhile
	until  time.Time // when the fence has surely ended the unit; zero while that is not known
}

// sighted notes that a machine says something of a unit.
func (p *Picture) sighted(at spot) {
	if s := p.stored(at); s != nil {
		s.stated, s.doubtful = true, false
		return
	}
	p.stray(at).stated = true
}

// unsighted notes that a machine says nothing of a unit any more.
func (p *Picture) unsighted(at spot) {
	if s := p.stored(at); s != nil {
		s.stated = false
	} else if p.strays[at.unit][at.machine] != nil {
		p.strays[at.unit][at.machine].stated = false
		p.silenced = append(p.silenced, at)
	}
}

// stored is the slot of a placement that the store has, or nil.
func (p *Picture) stored(at spot) *slot {
	u, m := p.units[at.unit], p.machines.byID[at.machine]
	if u == nil || m == nil {
		return nil
	}
	if s := u.on(m); s != nil && s.revision > 0 {
		return s
	}
	return nil
}

func (p *Picture) stray(at spot) *stray {
	here := p.strays[at.unit]
	if here == nil {
		here = map[cluster.MachineID]*stray{}
		p.strays[at.unit] = here
	}
	if here[at.machine] == nil {
		here[at.machine] = &stray{}
	}
	return here[at.machine]
}

// straying notes that a placement has ended in the store. What the unit asks for by
// now does not matter: it may ask otherwise again before the fence has ended what was
// placed.
func (p *Picture) straying(s *slot) {
	at := spot{s.machine.id, s.unit.name}
	switch {
	case s.stated:
		p.stray(at).stated = true
	case s.once && (s.doubtful || !s.machine.live()):
		p.stray(at).lost = true
		p.silenced = append(p.silenced, at)
	}
	s.stated, s.doubtful = false, false
}

// found notes that a placement is in the store: what its machine says of the unit
// is of it.
func (p *Picture) found(s *slot) {
	here := p.strays[s.unit.name]
	if st := here[s.machine.id]; st != nil {
		s.stated = st.stated
		p.unstray(spot{s.machine.id, s.unit.name})
	}
}

func (p *Picture) unstray(at spot) {
	delete(p.strays[at.unit], at.machine)
	if len(p.strays[at.unit]) == 0 {
		delete(p.strays, at.unit)
	}
}

// loseStrays notes that a machine's record is gone: its silence means nothing from
// here on.
func (p *Picture) loseStrays(m *machine) {
	for _, s := range m.slots {
		s.doubtful = s.doubtful || s.stated
	}
	for name, here := range p.strays {
		if st := here[m.id]; st != nil && !st.lost {
			st.lost = true
			p.silenced = append(p.silenced, spot{m.id, name})
		}
	}
}

// meetStrays settles what has become of strays since the last look.
func (p *Picture) meetStrays() {
	for _, at := range p.silenced {
		st, m, u := p.strays[at.unit][at.machine], p.machines.byID[at.machine], p.units[at.unit]
		if st == nil {
			continue
		}
		switch {
		case st.lost || m == nil || !m.live():
			if st.until.IsZero() {
				st.until = p.now
				if m != nil && !m.live() && !m.gone.IsZero() {
					st.until = m.gone
				}
				st.until = st.until.Add(cluster.FenceHold)
				p.straysUntil = append(p.straysUntil, at)
			}
		case !st.stated:
			p.unstray(at)
		}
		if u != nil {
			p.touch(u)
		}
	}
	p.silenced = p.silenced[:0]
	p.straysUntil = slices.DeleteFunc(p.straysUntil, func(at spot) bool {
		st := p.strays[at.unit][at.machine]
		over := st == nil || !p.now.Before(st.until)
		if over && st != nil {
			p.unstray(at)
		}
		return over
	})
}

// mayRun says where a unit that is to run once at most may still run, or that this
// is not known; nil where it surely does not run. A leader that has just read
// everything does not know what one before it ended on machines that are gone. It is
// not written down: who waits for the unit to start goes on waiting.
func (p *Picture) mayRun(u *unit) *delay {
	if !u.fenced() {
		return nil
	}
	if here := p.strays[u.name]; len(here) > 0 {
		at := slices.Min(slices.Collect(maps.Keys(here))) // all must end; one is named
		return p.astray(u, at, here[at])
	}
	until := p.since.Add(cluster.FenceHold)
	if len(u.slots) > 0 || !p.now.Before(until) {
		return nil
	}
	p.wake(u, until)
	return &delay{fmt.Sprintf("it is to run once at most, and the leader is new: where it may have run before it has ended by %s", clock(until)), until, false}
}

// astray says of one machine that a unit may still run there.
func (p *Picture) astray(u *unit, at cluster.MachineID, st *stray) *delay {
	name := at.Short()
	if m := p.machines.byID[at]; m != nil {
		name = m.title()
	}
	if st.until.IsZero() {
		return &delay{fmt.Sprintf("%s has not said yet that the unit has ended there, and it is to run once at most", name), time.Time{}, false}
	}
	p.wake(u, st.until)
	return &delay{fmt.Sprintf("%s was lost while it ended the unit; its fence has ended it at %s, and then it may run elsewhere", name, clock(st.until)), st.until, false}
}
