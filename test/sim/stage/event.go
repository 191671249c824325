package stage

import (
	"container/heap"
	"time"
)

// event is something that happens at a time.
type event struct {
	at     time.Duration // true time since the start
	order  uint64
	happen func()
	listed bool // it stands in the queue
	index  int  // in it

	// Of a process's own events, which wait while it is paused and end with it:
	on    *Process
	meant time.Duration // by the process's steady clock
}

// schedule has an event happen.
func (s *Stage) schedule(e *event) {
	s.asked++
	e.order = s.asked
	heap.Push(&s.events, e)
}

// cancel has an event not happen, and says whether it would have.
func (s *Stage) cancel(e *event) bool {
	if !e.listed {
		return e.on.letGo(e)
	}
	heap.Remove(&s.events, e.index)
	return true
}

// happen has an event happen that has been taken out of the queue.
func (s *Stage) happen(e *event) {
	s.now = max(s.now, e.at)
	switch {
	case e.on == nil:
		e.happen()
	case e.on.dead:
	case e.on.paused:
		e.on.late = append(e.on.late, e)
	default:
		e.happen()
	}
}

// events is the queue, a heap in the order of time and then of asking.
type events []*event

func (q *events) pop() *event { return heap.Pop(q).(*event) }

// retime has the events of processes that go by a clock happen when it says.
func (q *events) retime(c *Clock) {
	for _, e := range *q {
		if e.on != nil && e.on.clock == c {
			e.at = c.trueTime(e.meant)
		}
	}
	heap.Init(q)
}

func (q events) Len() int { return len(q) }

func (q events) Less(i, j int) bool {
	if q[i].at != q[j].at {
		return q[i].at < q[j].at
	}
	return q[i].order < q[j].order
}

func (q events) Swap(i, j int) {
	q[i], q[j] = q[j], q[i]
	q[i].index, q[j].index = i, j
}

func (q *events) Push(x any) {
	e := x.(*event)
	e.index, e.listed = len(*q), true
	*q = append(*q, e)
}

func (q *events) Pop() any {
	last := len(*q) - 1
	e := (*q)[last]
	(*q)[last] = nil
	*q = (*q)[:last]
	e.listed = false
	return e
}
