package schedule

import (
	"fmt"
	"time"

	"argosy/core/cluster"
)

// Judge says whether the kernel of a machine answers. While it does though the
// machine's record is gone, its agent alone is out of touch: what is placed there
// runs on, and so stays placed there, and nothing new comes. One that does not
// answer, or that nobody has judged, is lost with its record.
//
// The last word stands, whatever becomes of the record; also Forget leaves it.
func (p *Picture) Judge(id cluster.MachineID, answers bool) {
	if p.answering[id] == answers {
		return
	}
	if answers {
		p.answering[id] = true
	} else {
		delete(p.answering, id)
	}
	if m := p.machines.byID[id]; m != nil && !m.live() {
		p.news = true
		p.machineTouched(m)
	}
}

// outOfTouch says that a machine's record is gone and its kernel answers.
func (p *Picture) outOfTouch(m *machine) bool {
	return !m.live() && p.answering[m.id] && !p.departed[m.id]
}

// whyGone says what has become of a machine without a record.
func (p *Picture) whyGone(m *machine) string {
	if p.departed[m.id] {
		return m.title() + " has left"
	}
	return m.title() + " was lost"
}

// awayWith is the machine out of touch that a unit is on and stays on, or nil.
func (p *Picture) awayWith(u *unit) *machine {
	for _, s := range u.slots {
		if p.staysAway(s) {
			return s.machine
		}
	}
	return nil
}

// staysAway says that a placement stays on a machine out of touch. One that is
// fenced does not: its fence has stopped it there, or will.
func (p *Picture) staysAway(s *slot) bool {
	u := s.unit
	return p.outOfTouch(s.machine) && u.needs != nil && !u.fenced() && p.absentPeer(u, s.machine) == ""
}

// outOfTouchWords follow the machine's name.
const outOfTouchWords = "is out of touch: its agent does not answer, its kernel does"

// missed has the time noted at which a machine was first known to be gone.
func (p *Picture) missed(m *machine, seen bool) {
	if !m.missed {
		m.missed = true
		p.losses = append(p.losses, m)
	}
	m.seen = m.seen || seen
}

// meetLosses notes since when machines are gone that have gone since the last
// look. A machine of which only placements are known, as a new leader finds it,
// counts from here: it may have lived until now.
func (p *Picture) meetLosses() {
	for _, m := range p.losses {
		m.missed = false
		if m.live() || !m.gone.IsZero() {
			continue
		}
		m.gone = p.now
		if m.seen && !p.answering[m.id] && !p.departed[m.id] {
			p.noteLoss(m)
		}
		if !p.departed[m.id] { // else it has stopped its units, and nobody need wonder
			p.storm.lose(m, p.now)
		}
		for _, s := range m.slots {
			p.touch(s.unit)
		}
	}
	p.losses = p.losses[:0]
}

// delay is why a unit that must move does not yet.
type delay struct {
	why   string
	until time.Time
	tell  bool // in the store: it lasts
}

// delayed says why a unit may be placed nowhere else yet, or nil: some machine of
// its placements is gone, and what runs there may run on for some time, or all may
// turn out to be an error.
func (p *Picture) delayed(u *unit) *delay {
	for _, s := range u.slots {
		if s.machine.live() {
			continue
		}
		if p.storm.holds(s.machine) {
			return p.storm.delay(s.machine)
		}
	}
	for _, s := range u.slots {
		if until := p.fencedUntil(s); !until.IsZero() {
			return &delay{fmt.Sprintf("%s; its fence stops the unit there until %s, and then it may run elsewhere",
				p.whyGone(s.machine), clock(until)), until, true}
		}
	}
	return p.mayRun(u)
}

// fencedUntil is when a placement on a machine that is gone has surely ended, if
// its unit is to run once at most and that is still to come; else zero.
func (p *Picture) fencedUntil(s *slot) time.Time {
	m := s.machine
	if m.live() || !s.unit.fenced() || s.revision == 0 {
		return time.Time{}
	}
	until := m.gone.Add(cluster.FenceHold)
	if !p.now.Before(until) {
		return time.Time{}
	}
	p.wakeAll(m, until)
	return until
}

// fenced says that the unit is to run on one machine at most.
func (u *unit) fenced() bool { return u.needs.fenced() }

// fenced says the same of what a text asks for; not where it is not known.
func (n *needs) fenced() bool { return n != nil && n.Fenced && !n.Global }
