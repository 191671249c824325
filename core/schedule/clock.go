package schedule

import (
	"container/heap"
	"time"
)

// Observe tells the time: what was learned before was known by now. Plan does so
// itself; a standby that is told as well knows, when it takes the lead, since when
// machines are gone.
func (p *Picture) Observe(now time.Time) {
	p.now = now
	if p.since.IsZero() {
		p.since = now
	}
	p.meetLosses()
	p.meetReturns()
	p.meetFailures()
	p.meetStrays()
	p.weigh()
	for len(p.alarms) > 0 && !p.alarms[0].at.After(now) {
		a := heap.Pop(&p.alarms).(alarm)
		switch {
		case a.machine != nil && p.machines.byID[a.machine.id] == a.machine:
			a.machine.alarm = time.Time{}
			p.machineTouched(a.machine)
		case a.unit != nil && p.units[a.unit.name] == a.unit: // else it has gone meanwhile
			p.touch(a.unit)
		}
	}
	p.dropResting()
}

// Next returns when there is something to plan though nothing is learned until
// then: some delay ends. It is zero where nothing waits for the time. An alarm may
// come early, for a plan that is empty; none comes late.
func (p *Picture) Next() time.Time {
	next := p.storm.end()
	if len(p.alarms) > 0 {
		next = earlier(next, p.alarms[0].at)
	}
	if !p.late.empty() {
		next = earlier(next, p.now.Add(breath))
	}
	return next
}

// earlier is the first of two times of which zero is none.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// alarm has a unit, or all that a machine concerns, looked at again at a time.
type alarm struct {
	at      time.Time
	unit    *unit
	machine *machine
}

// wake has Plan look at a unit at a time.
func (p *Picture) wake(u *unit, at time.Time) { heap.Push(&p.alarms, alarm{at: at, unit: u}) }

// wakeAll has Plan look at what a machine concerns at a time.
func (p *Picture) wakeAll(m *machine, at time.Time) {
	if !m.alarm.Equal(at) {
		m.alarm = at
		heap.Push(&p.alarms, alarm{at: at, machine: m})
	}
}

// alarms are a heap, the first to come on top.
type alarms []alarm

func (a alarms) Len() int           { return len(a) }
func (a alarms) Less(i, j int) bool { return a[i].at.Before(a[j].at) }
func (a alarms) Swap(i, j int)      { a[i], a[j] = a[j], a[i] }
func (a *alarms) Push(x any)        { *a = append(*a, x.(alarm)) }
func (a *alarms) Pop() any {
	last := (*a)[len(*a)-1]
	*a = (*a)[:len(*a)-1]
	return last
}

// clock is a time as reasons have it.
func clock(t time.Time) string { return t.UTC().Format("15:04:05 MST") }
