package schedule

import "argosy/core/cluster"

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
func (p *Picture) outOfTouch(m *machine) bool { return !m.live() && p.answering[m.id] }

// awayWith is the machine out of touch that a unit is on, or nil.
func (p *Picture) awayWith(u *unit) *machine {
	for _, s := range u.slots {
		if p.outOfTouch(s.machine) {
			return s.machine
		}
	}
	return nil
}

// outOfTouchWords follow the machine's name.
const outOfTouchWords = "is out of touch: its agent does not answer, its kernel does"
