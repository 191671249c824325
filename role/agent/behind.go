package agent

import (
	"argosy/core/cluster"
	"argosy/core/converge"
)

// behind is what is known of the fence under which a unit runs or ran, beside what
// the record of its start says. systemd tells of the fence's last life alone: one that
// has fallen may stand again, for another unit, before this one is looked at.
type behind struct {
	before string // the unit's invocation before its last start
	stood  string // the fence that stood while it was seen running, since that start
	over   string // the fence under which it ran, when that one's time was over
}

// inherit goes on from what a life of fleetd before has told the fence. Where that
// time is over, what was not seen running then was ended by the fence since.
func (d *desk) inherit() error {
	if d.config.Fence == nil {
		return nil
	}
	until, err := d.config.Fence.Until()
	if err != nil {
		return err
	}
	d.fenced.extended(until)
	if !d.fenced.over(d.config.Fence.Now()) {
		return nil
	}
	for _, e := range d.units {
		if e.record != nil && e.record.Fence == converge.Awaited {
			e.behind.over = converge.Awaited
		}
	}
	return nil
}

// lapse notes that the time of the fence is over under which the unit runs or ran.
// Of one that was not seen running since its start nobody knows which that is.
func (e *entry) lapse() {
	switch {
	case e.past != nil || e.record != nil && e.record.Fence == converge.Awaited:
		if e.behind.stood != "" {
			e.behind.over = e.behind.stood
		}
	case e.record != nil:
		e.behind.over = e.record.Fence
	}
}

// starts begins to look under which fence a unit runs that is about to be started.
func (d *desk) starts(name cluster.UnitName) {
	e := d.units[name]
	past := e.behind
	e.past, e.behind = &past, behind{before: d.seen[name].Invocation}
}

// started is the end of that: where the start did not come about, nothing has changed.
func (e *entry) started(anew bool) {
	if e.past != nil && !anew {
		e.behind = *e.past
	}
	e.past = nil
}

// lookBehind notes which fence stands while a unit is seen running. Its record says
// it later, when its job has ended: by then another may stand.
func (d *desk) lookBehind(name cluster.UnitName) {
	e, unit, fence := d.units[name], d.seen[name], d.seen[converge.FenceUnit]
	if unit.Runs() && unit.Invocation != e.behind.before && fence.Active == "active" {
		e.behind.stood = fence.Invocation
	}
}

// lapse says that the time of the fence that stood until now is over.
type lapse struct{}

func (lapse) learn(d *desk) {
	for name, e := range d.units {
		if d.fenced.has(name) {
			e.lapse()
			d.mark(name)
		}
	}
}
