package schedule

import (
	"maps"
	"slices"
	"time"

	"argosy/core/cluster"
)

// Learn takes in what has changed, in the store's order. What it does not need
// to decide (the leader, who probes whom) it passes over.
func (p *Picture) Learn(events ...cluster.Event) {
	for _, event := range events {
		switch e := event.(type) {
		case cluster.UnitChanged:
			p.unitChanged(e.Unit)
		case cluster.UnitGone:
			p.unitGone(e.Name)
		case cluster.ContentChanged:
			p.contentChanged(e.Hash, e.Text)
		case cluster.ContentGone:
			delete(p.contents, e.Hash) // units that have it keep what they need of it
		case cluster.MachineChanged:
			p.machineChanged(e.Machine)
		case cluster.MachineGone:
			p.machineGone(e.ID)
		case cluster.LabelsChanged:
			p.labelsChanged(e.Labels)
		case cluster.LabelsGone:
			p.labelsGone(e.Machine)
		case cluster.PlacementChanged:
			p.placementChanged(e.Placement)
		case cluster.PlacementGone:
			p.placementGone(e.Machine, e.Unit)
		case cluster.UnplacedChanged:
			p.unplacedChanged(e.Unplaced)
		case cluster.UnplacedGone:
			p.unplacedGone(e.Unit)
		case cluster.StateChanged:
			p.stateChanged(e.State)
			continue
		case cluster.StateGone:
			p.stateGone(spot{e.Machine, e.Unit})
			continue
		case cluster.DepartedChanged:
			p.departed[e.Departed.Machine] = true
		case cluster.DepartedGone:
			delete(p.departed, e.Machine)
		case cluster.LeaderChanged, cluster.LeaderGone,
			cluster.ProbesChanged, cluster.ProbesGone, cluster.SuspicionChanged, cluster.SuspicionGone:
			continue
		}
		p.news = true
	}
}

// Retry makes changes that were not written due again.
func (p *Picture) Retry(changes ...Change) {
	p.news = true
	for _, change := range changes {
		switch c := change.(type) {
		case Place:
			p.retry(c.Placement.Unit, c.Placement.Machine, placing)
			p.retry(c.Placement.Unit, c.From, ending)
			if c.WasUnplaced {
				p.retryNote(c.Placement.Unit)
			}
		case Evict:
			p.retry(c.Unit, c.From, ending)
		case Refuse:
			p.retryNote(c.Unplaced.Unit)
			p.retry(c.Unplaced.Unit, c.From, ending)
		case Absolve:
			p.retryNote(c.Unit)
		}
	}
}

func (p *Picture) retry(name cluster.UnitName, id cluster.MachineID, was pending) {
	u, m := p.units[name], p.machines.byID[id]
	if u == nil {
		return
	}
	if m != nil {
		if s := u.on(m); s != nil && s.pending == was {
			p.undo(s)
		}
	}
	p.touch(u)
	p.touchFollowers(u)
}

func (p *Picture) retryNote(name cluster.UnitName) {
	if u := p.units[name]; u != nil {
		p.undoNote(u)
		p.touch(u)
		p.touchFollowers(u)
	}
}

// undo takes back what was handed out for a slot.
func (p *Picture) undo(s *slot) {
	if s.pending == settled {
		return
	}
	p.settle(s)
	if s.revision == 0 {
		p.removeSlot(s)
	}
}

func (p *Picture) undoNote(u *unit) {
	if u.note == nil || !u.note.pending {
		return
	}
	p.settleNote(u)
	if u.note.revision == 0 {
		u.note = nil
	}
}

// undoAll takes back all that was handed out for a unit, when a guard that its
// changes share is broken.
func (p *Picture) undoAll(u *unit) {
	if u.pending == 0 {
		return
	}
	for at := len(u.slots) - 1; at >= 0; at-- {
		p.undo(u.slots[at])
	}
	p.undoNote(u)
}

// settle ends the waiting for a slot.
func (p *Picture) settle(s *slot) {
	if s.pending != settled {
		if s.pending == holding {
			delete(p.holds, s.unit)
		}
		s.pending, s.moved = settled, nil
		p.arrived(s.unit)
	}
}

func (p *Picture) settleNote(u *unit) {
	if u.note.pending {
		u.note.pending = false
		p.arrived(u)
	}
}

// arrived counts one confirmation. After the last, what was put off is done.
func (p *Picture) arrived(u *unit) {
	if u.pending--; u.pending > 0 {
		return
	}
	if u.again {
		p.touch(u)
	}
	p.touchFollowers(u)
}

func (p *Picture) unitChanged(fact cluster.Unit) {
	u := p.unit(fact.Name)
	if fact.Revision <= u.revision {
		return
	}
	p.undoAll(u)
	u.revision, u.desired, u.generation = fact.Revision, shared(fact.Desired), fact.Generation
	if fact.Hash != u.hash || u.needs == nil {
		p.setHash(u, fact.Hash)
	}
	p.touch(u)
	p.touchFollowers(u)
}

// needsBy is what a text asks for a unit, or nil where it is not known.
func (p *Picture) needsBy(u *unit, hash cluster.Hash) *needs {
	if hash == u.hash {
		return u.needs
	}
	if c := p.contents[hash]; c != nil {
		return c.needsOf(u.name)
	}
	return nil
}

// setHash gives a unit another text, known or still to come.
func (p *Picture) setHash(u *unit, hash cluster.Hash) {
	p.unawait(u)
	u.hash = hash
	c := p.contents[hash]
	if c == nil {
		p.setNeeds(u, nil)
		p.awaiting[hash] = with(p.awaiting[hash], u)
		return
	}
	u.hash = c.hash
	p.setNeeds(u, c.needsOf(u.name))
}

// unawait takes a unit from those whose text is still to come.
func (p *Picture) unawait(u *unit) {
	if outside(p.awaiting[u.hash], u) == nil {
		delete(p.awaiting, u.hash)
	}
}

func (p *Picture) unitGone(name cluster.UnitName) {
	u := p.units[name]
	if u == nil || u.revision == 0 {
		return
	}
	p.undoAll(u)
	u.revision = 0
	p.touch(u)
	p.touchFollowers(u)
}

// contentChanged reads a text once; a hash never gets another text.
func (p *Picture) contentChanged(hash cluster.Hash, text string) {
	if p.contents[hash] != nil {
		return
	}
	c := newContent(hash, text)
	p.contents[hash] = c
	for u := range p.awaiting[hash] {
		u.hash = c.hash
		p.setNeeds(u, c.needsOf(u.name))
		p.touch(u)
	}
	delete(p.awaiting, hash)
}

func (p *Picture) machineChanged(fact cluster.Machine) {
	m := p.machine(fact.ID)
	if fact.Revision <= m.revision {
		return
	}
	p.breakGuards(m)
	known := m.live() && m.name == fact.Name && maps.Equal(m.record.Metadata, fact.Metadata) && m.gives(fact)
	fact.Metadata = maps.Clone(fact.Metadata)
	m.name, m.record = fact.Name, fact
	if known {
		m.revision = fact.Revision // another boot or lease moves nothing
		return
	}
	if m.live() {
		p.machines.leave(m)
	} else {
		p.breakMoves(m)
		m.gone, m.seen = time.Time{}, false
		p.returns = append(p.returns, m)
	}
	m.revision, m.metadata = fact.Revision, m.labels.Over(fact.Metadata)
	p.machines.enter(m)
	p.machineTouched(m)
}

func (p *Picture) machineGone(id cluster.MachineID) {
	m := p.machines.byID[id]
	if m == nil || !m.live() {
		return
	}
	p.breakGuards(m)
	p.machines.leave(m)
	m.revision = 0
	p.missed(m, true)
	p.loseStrays(m)
	p.machineTouched(m)
}

// breakGuards takes back what was on its way to a machine whose record or labels
// are others now.
func (p *Picture) breakGuards(m *machine) {
	for at := len(m.slots) - 1; at >= 0; at-- {
		s := m.slots[at]
		if s.pending != placing {
			continue
		}
		u := s.unit
		if u.needs != nil && u.needs.Global {
			p.undo(s)
		} else {
			p.undoAll(u)
		}
		p.touch(u)
	}
}

// breakMoves takes back what was to move from a machine that was gone and is back.
func (p *Picture) breakMoves(m *machine) {
	for _, u := range m.moves {
		if slices.ContainsFunc(u.slots, func(s *slot) bool { return s.pending == placing && s.moved == m }) {
			p.undoAll(u)
			p.touch(u)
		}
	}
	m.moves = nil
}

// machineTouched has Plan look at all that a machine's coming, going or changing
// may concern: what is on it, what waits, and what runs everywhere.
func (p *Picture) machineTouched(m *machine) {
	for _, s := range m.slots {
		p.touch(s.unit)
		p.touchFollowers(s.unit)
	}
	p.touchAll(p.waiting)
	p.touchAll(p.globals)
}

func (p *Picture) placementChanged(fact cluster.Placement) {
	u, m := p.unit(fact.Unit), p.machine(fact.Machine)
	s := u.on(m)
	if s == nil {
		s = p.addSlot(u, m)
	} else if fact.Revision <= s.revision {
		return
	}
	if !m.live() {
		p.missed(m, false)
	}
	if u.hash == "" { // it is destroyed, or told of later: until then this is what it takes there
		p.setHash(u, fact.Hash)
	}
	if s.revision == 0 {
		p.found(s)
	}
	s.revision, s.hash, s.desired, s.generation = fact.Revision, fact.Hash, shared(fact.Desired), fact.Generation
	s.at, s.reason = fact.At.UnixNano(), fact.Reason
	s.once = s.once || p.needsBy(u, fact.Hash).fenced() // the machine may not have heard of the newest
	s.tries = nil
	if fact.Attempts > 0 {
		s.tries = &tries{fact.Attempts, slices.Clone(fact.Avoid)}
	}
	if s.hash == u.hash {
		s.hash = u.hash // the same letters, and one string in memory
	}
	if s.awaits(fact) {
		p.settle(s)
		return
	}
	p.touch(u)
	p.touchFollowers(u)
}

func (p *Picture) placementGone(id cluster.MachineID, name cluster.UnitName) {
	u, m := p.units[name], p.machines.byID[id]
	if u == nil || m == nil {
		return
	}
	s := u.on(m)
	if s == nil || s.revision == 0 {
		return
	}
	if s.pending != ending || !u.wanted() {
		p.touch(u)
	}
	p.straying(s)
	if s.pending == placing {
		s.revision = 0 // what is on its way there still is
	} else {
		p.settle(s)
		p.removeSlot(s)
	}
	p.touchFollowers(u)
}

func (p *Picture) unplacedChanged(fact cluster.Unplaced) {
	u := p.unit(fact.Unit)
	if u.note == nil {
		u.note = &note{}
	}
	if fact.Revision <= u.note.revision {
		return
	}
	p.touch(u)
	u.note.revision, u.note.generation, u.note.reason = fact.Revision, fact.Generation, fact.Reason
	p.settleNote(u)
}

func (p *Picture) unplacedGone(name cluster.UnitName) {
	u := p.units[name]
	if u == nil || u.note == nil || u.note.revision == 0 {
		return
	}
	if !u.note.pending || !u.wanted() {
		p.touch(u)
	}
	p.settleNote(u)
	u.note = nil
}
