package schedule

import (
	"cmp"
	"slices"
)

// queue holds the units that Plan must look at, the choosiest first. What
// comes in is sorted at once, since news often comes in order, into runs that
// grow by merging, so that a few newcomers do not cost a walk over a long queue.
type queue struct {
	fresh []*unit
	runs  [][]*unit // each sorted and not empty, each longer than the next
}

func (q *queue) add(u *unit) {
	if !u.queued {
		u.queued = true
		q.fresh = append(q.fresh, u)
	}
}

// order makes a run of what has come in.
func (q *queue) order() {
	if len(q.fresh) == 0 {
		return
	}
	run := q.fresh
	q.fresh = nil
	slices.SortFunc(run, byTurn)
	for len(q.runs) > 0 && len(q.runs[len(q.runs)-1]) <= 2*len(run) {
		run = merge(q.runs[len(q.runs)-1], run)
		q.runs = q.runs[:len(q.runs)-1]
	}
	q.runs = append(q.runs, run)
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

// take returns the next unit, or nil. What comes in meanwhile follows after all
// that is in order already.
func (q *queue) take() *unit {
	for {
		if len(q.runs) == 0 {
			if q.order(); len(q.runs) == 0 {
				return nil
			}
		}
		first := 0
		for i := range q.runs {
			if byTurn(q.runs[i][0], q.runs[first][0]) < 0 {
				first = i
			}
		}
		u := q.runs[first][0]
		q.runs[first][0] = nil
		if q.runs[first] = q.runs[first][1:]; len(q.runs[first]) == 0 {
			q.runs = slices.Delete(q.runs, first, first+1)
		}
		if u.queued { // else it was looked at out of turn
			return u
		}
	}
}

func byName(a, b *unit) int { return cmp.Compare(a.name, b.name) }

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
