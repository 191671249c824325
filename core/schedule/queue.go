package schedule

import (
	"cmp"
	"slices"
)

// queue holds the units that Plan must look at, in the order of their names. It
// sorts what has come in since the last look at once: news often comes in order.
type queue struct {
	sorted []*unit // from next on
	next   int
	fresh  []*unit
}

func (q *queue) add(u *unit) {
	if !u.queued {
		u.queued = true
		q.fresh = append(q.fresh, u)
	}
}

// order merges what has come in into what was left.
func (q *queue) order() {
	if len(q.fresh) == 0 {
		return
	}
	slices.SortFunc(q.fresh, byName)
	left := q.sorted[q.next:]
	if len(left) == 0 {
		q.sorted, q.fresh = q.fresh, q.sorted[:0]
		q.next = 0
		return
	}
	merged := make([]*unit, 0, len(left)+len(q.fresh))
	fresh := q.fresh
	for len(left) > 0 && len(fresh) > 0 {
		if byName(fresh[0], left[0]) < 0 {
			merged, fresh = append(merged, fresh[0]), fresh[1:]
		} else {
			merged, left = append(merged, left[0]), left[1:]
		}
	}
	q.sorted = append(append(merged, left...), fresh...)
	q.next, q.fresh = 0, q.fresh[:0]
}

// take returns the next unit, or nil.
func (q *queue) take() *unit {
	for {
		if q.next == len(q.sorted) {
			if q.order(); q.next == len(q.sorted) {
				return nil
			}
		}
		u := q.sorted[q.next]
		q.sorted[q.next] = nil
		q.next++
		if u.queued { // else it was looked at out of turn
			return u
		}
	}
}

func byName(a, b *unit) int { return cmp.Compare(a.name, b.name) }
