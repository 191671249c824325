package schedule

import (
	"cmp"
	"slices"
)

// queue holds the units that Plan must look at, in the order of their names. What
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
	slices.SortFunc(run, byName)
	for len(q.runs) > 0 && len(q.runs[len(q.runs)-1]) <= 2*len(run) {
		run = merge(q.runs[len(q.runs)-1], run)
		q.runs = q.runs[:len(q.runs)-1]
	}
	q.runs = append(q.runs, run)
}

func merge(a, b []*unit) []*unit {
	merged := make([]*unit, 0, len(a)+len(b))
	for len(a) > 0 && len(b) > 0 {
		if byName(b[0], a[0]) < 0 {
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
			if byName(q.runs[i][0], q.runs[first][0]) < 0 {
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
