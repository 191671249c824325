package schedule

import (
	"cmp"
	"slices"
	"time"

	"argosy/core/cluster"
)

// plan is what a Plan under way has decided so far.
type plan struct {
	now     time.Time
	limit   int
	changes []Change
	last    cluster.UnitName
	jumped  bool    // a unit came out of turn: sort at the end
	fresh   []fresh // what may be thought over: see revise
}

func (pl *plan) full() bool { return pl.limit > 0 && len(pl.changes) >= pl.limit }

// Plan returns what must change now, sorted by unit, and treats it as pending.
// About limit changes come at once, the rest with the next call; 0 is no limit.
// The changes of one unit stay together, unless it is global. An empty plan says
// that nothing is left to do until something is learned, or until Next.
//
// A unit may have several changes in one plan: a global one, or one that is on
// machines where it should not be. No two changes write the same key.
func (p *Picture) Plan(now time.Time, limit int) []Change {
	p.plan = plan{now: now, limit: limit}
	p.Observe(now)
	p.allow()
	if p.news {
		p.touchAll(p.stuck)
		p.news = false
	}
	p.touchAll(p.cramped)
	p.orderDue()
	for !p.plan.full() {
		u := p.next()
		if u == nil {
			break
		}
		p.decide(u)
	}
	changes := p.plan.changes
	if p.plan.jumped {
		slices.SortStableFunc(changes, func(a, b Change) int {
			return cmp.Compare(unitOf(a), unitOf(b))
		})
	}
	p.plan = plan{}
	return changes
}

// next returns the unit to look at: of those that are due and those that wait for
// what has come free, the one of the highest priority.
func (p *Picture) next() *unit {
	if len(p.openedLines) > 0 && (p.due.empty() || p.openedLines[0].priority > p.due.lanes[0].priority) {
		if u := p.nextWaiting(); u != nil {
			return u
		}
	}
	if u := p.due.take(); u != nil {
		return u
	}
	return p.nextWaiting()
}

func unitOf(change Change) cluster.UnitName {
	switch c := change.(type) {
	case Place:
		return c.Placement.Unit
	case Evict:
		return c.Unit
	case Refuse:
		return c.Unplaced.Unit
	case Absolve:
		return c.Unit
	}
	panic("a change that schedule does not know")
}

func (p *Picture) emit(u *unit, change Change) {
	if u.name < p.plan.last {
		p.plan.jumped = true
	}
	p.plan.last = u.name
	p.plan.changes = append(p.plan.changes, change)
}

// place hands out a placement of u on m: a new one, or what stands there anew.
// Where u has failed before goes with it.
func (p *Picture) place(u *unit, m *machine, from *slot, reason string) {
	before := u.on(m)
	if from != nil {
		before = from
	}
	var t *tries
	if before != nil && before.generation == u.generation {
		t = before.tries
	}
	p.placeTried(u, m, from, reason, t)
}

func (p *Picture) placeTried(u *unit, m *machine, from *slot, reason string, t *tries) {
	s := u.on(m)
	if s == nil {
		s = p.addSlot(u, m)
	}
	s.pending, s.decided = placing, p.plan.now.UnixNano()
	u.pending++
	change := Place{
		Placement: cluster.Placement{
			Machine: m.id, Unit: u.name,
			Hash: u.hash, Desired: u.desired, Generation: u.generation,
			Reason: reason, At: p.plan.now,
		},
		UnitRevision:    u.revision,
		MachineRevision: m.revision,
		LabelsRevision:  m.labels.Revision,
	}
	if t != nil {
		change.Placement.Attempts, change.Placement.Avoid = t.attempts, slices.Clone(t.avoid)
	}
	if from != nil {
		change.From = from.machine.id
		if change.FromGone = !from.machine.live(); change.FromGone {
			s.moved = from.machine
			from.machine.moves = append(from.machine.moves, u)
		}
		p.end(from)
	} else if len(u.slots) == 1 && s.revision == 0 && len(u.needs.Spread) == 0 {
		p.plan.fresh = append(p.plan.fresh, fresh{s, len(p.plan.changes)})
	}
	if u.note != nil && u.note.revision > 0 && !u.needs.Global {
		change.WasUnplaced = true
		p.await(u)
	}
	p.emit(u, change)
}

// evict hands out the end of a placement.
func (p *Picture) evict(s *slot, reason string) {
	p.end(s)
	p.emit(s.unit, Evict{Unit: s.unit.name, From: s.machine.id, Reason: reason, UnitRevision: s.unit.revision})
}

// refuse hands out why u is on no machine, unless that is what the store says
// already. A placement that may not stay ends with it.
func (p *Picture) refuse(u *unit, from *slot, reason string) {
	p.wait(u)
	if u.note != nil && gist(u.note.reason) == gist(reason) && u.note.generation == u.generation && from == nil {
		return
	}
	if u.note != nil && u.note.pending {
		u.again = true
		return
	}
	change := Refuse{
		Unplaced:     cluster.Unplaced{Unit: u.name, Generation: u.generation, Reason: reason, At: p.plan.now},
		UnitRevision: u.revision,
	}
	if from != nil {
		change.From = from.machine.id
		p.end(from)
	}
	if u.note == nil {
		u.note = &note{}
	}
	p.await(u)
	p.emit(u, change)
}

// absolve hands out the end of a refusal that no longer holds.
func (p *Picture) absolve(u *unit) {
	switch {
	case u.note == nil:
	case u.note.pending:
		u.again = true
	default:
		p.await(u)
		p.emit(u, Absolve{Unit: u.name, Revision: u.note.revision})
	}
}

func (p *Picture) end(s *slot) {
	s.pending = ending
	s.unit.pending++
}

func (p *Picture) await(u *unit) {
	u.note.pending = true
	u.pending++
}
