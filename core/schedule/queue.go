package schedule

import (
	"cmp"
	"slices"
)

// queue holds the units that Plan must look at, those of the highest priority
// first, and of one priority the choosiest. A unit is in one queue at most, and there
// in one lane.
type queue struct {
	late  bool    // those over the allowance wait in it
	lanes []*lane // of falling priority
}

// lane is the units of one priority. What comes in is sorted at once, since news
// often comes in order, into runs that grow by merging, so that a few newcomers do
// not cost a walk over a long queue.
type lane struct {
	priority int
	late     bool // its queue's
	fresh    []*unit
	runs     [][]*unit // each sorted and not empty, each longer than the next

	touched int // how often units of it were touched since those at rest were dropped
	left    int // how many units were left then
}

func (q *queue) add(u *unit) {
	l := q.lane(u.priority())
	l.touched++
	if u.queued != l {
		u.queued = l
		l.fresh = append(l.fresh, u)
	}
}

// lane returns the lane of a priority, made where there is none.
func (q *queue) lane(priority int) *lane {
	if len(q.lanes) > 0 && q.lanes[0].priority == priority {
		return q.lanes[0]
	}
	at, found := slices.BinarySearchFunc(q.lanes, priority, func(l *lane, priority int) int { return cmp.Compare(priority, l.priority) })
	if !found {
		q.lanes = slices.Insert(q.lanes, at, &lane{priority: priority, late: q.late})
	}
	return q.lanes[at]
}

func (q *queue) empty() bool { return len(q.lanes) == 0 }

// take returns the next unit, or nil. What comes in meanwhile with the same
// priority follows after all that is in order already.
func (q *queue) take() *unit {
	for len(q.lanes) > 0 {
		if u := q.lanes[0].take(); u != nil {
			return u
		}
		q.lanes = slices.Delete(q.lanes, 0, 1)
	}
	return nil
}

func (l *lane) order() {
	if len(l.fresh) == 0 {
		return
	}
	run := l.fresh
	l.fresh = nil
	slices.SortFunc(run, byTurn)
	for len(l.runs) > 0 && len(l.runs[len(l.runs)-1]) <= 2*len(run) {
		run = merge(l.runs[len(l.runs)-1], run)
		l.runs = l.runs[:len(l.runs)-1]
	}
	l.runs = append(l.runs, run)
}

func merge(a, b []*unit) []*unit {
	merged := make([]*unit, 0, len(a)+len(b))
	for len(a) > 0 && len(b) > 0 {
		if byTurn(b[0], a[0]) < 0 {
			merged, b = append(merged, b[0]), b[1:]
		} else {
			merged, a = append(merged, a[0]), a[1:]
		}
	}
	return append(append(merged, a...), b...)
}

func (l *lane) take() *unit {
	for {
		if len(l.runs) == 0 {
			if l.order(); len(l.runs) == 0 {
				return nil
			}
		}
		first := 0
		for i := range l.runs {
			if byTurn(l.runs[i][0], l.runs[first][0]) < 0 {
				first = i
			}
		}
		u := l.runs[first][0]
		l.runs[first][0] = nil
		if l.runs[first] = l.runs[first][1:]; len(l.runs[first]) == 0 {
			l.runs = slices.Delete(l.runs, first, first+1)
		}
		if u.queued == l { // else it was looked at out of turn, or waits elsewhere
			u.queued = nil
			return u
		}
	}
}

func byName(a, b *unit) int { return cmp.Compare(a.name, b.name) }

// priority is how much before others a unit comes.
func (u *unit) priority() int {
	if u.needs == nil {
		return 0
	}
	return u.needs.Priority
}

// byTurn puts those first that fewest machines may suit, and else goes by name.
func byTurn(a, b *unit) int { return cmp.Or(cmp.Compare(b.choosy(), a.choosy()), byName(a, b)) }

func (u *unit) choosy() int {
	if u.needs == nil || !u.wanted() {
		return 0
	}
	return u.needs.choosy
}

// choosiness guesses how few machines may suit a unit, by what it asks for: who
// comes last finds what the others have left. The weights were found by trying
// (TestQuality). A unit that follows another has no choice, and its room was
// thought of when the other chose.
func choosiness(n *needs) int {
	words := 2*len(n.Metadata) + 4*len(n.Reserve.Other) - len(n.MachineOf)
	if n.MachineID != "" {
		words += 8
	}
	if n.MaxPerMachine > 0 {
		words++
	}
	const word = 64 // GiB of memory
	return word*words + int(n.Reserve.MemoryBytes>>30)
}
