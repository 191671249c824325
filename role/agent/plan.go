package agent

import (
	"context"
	"maps"
	"slices"
	"time"

	"argosy/core/cluster"
	"argosy/core/converge"
)

// unit is the entry as core/converge is told of it.
func (d *desk) unit(name cluster.UnitName, e *entry) converge.Unit {
	u := converge.Unit{Name: name, Want: e.want, HasFile: e.hasFile, File: e.file, Record: e.record, ByItself: e.byItself,
		Status: d.seen[name], Leftover: e.leftover, Given: e.given, Asked: e.adrift}
	if d.departure != nil {
		u.Want = nil // whatever the leader still places here goes with the lease
	}
	if u.Want != nil {
		_, u.HasText = d.known[u.Want.Hash]
		u.Secrets = d.asks(name, e)
	}
	u.Status.NeedReload = u.Status.NeedReload || e.stale
	u.Fence = d.fence(name, e)
	return u
}

// plan decides what must be done for the units that something was learnt of,
// and has it done. Nothing is before the placements were read once: a machine
// that has just booted does not know what it may run. Nothing is while another
// machine may be the one that they are meant for.
func (d *desk) plan(ctx context.Context) {
	read := d.systemdRead && (d.placementsRead && d.admitted || d.departure != nil)
	if !read || d.batchBusy || len(d.dirty) == 0 {
		return
	}
	now := d.on.Now()
	var units []converge.Unit
	for _, name := range slices.Sorted(maps.Keys(d.dirty)) {
		e, there := d.units[name]
		if there && e.interrupt == nil && !e.retryAt.After(now) {
			units = append(units, d.unit(name, e))
		}
	}
	clear(d.dirty)
	steps := converge.Plan(d.config.Machine.BootID, units)
	b := d.batch(ctx, steps)
	for _, u := range units {
		if _, busy := b.chains[u.Name]; !busy && !d.waitsForText(d.units[u.Name]) {
			d.settled(u)
		}
	}
	if len(b.chains) > 0 {
		d.batchBusy = true
		d.tasks.Go(func() { d.do(ctx, b) })
	}
}

// batch sorts steps into one chain a unit. Texts are asked for on the way.
func (d *desk) batch(ctx context.Context, steps []converge.Step) batch {
	b := batch{chains: map[cluster.UnitName]*chain{}}
	chainOf := func(name cluster.UnitName) *chain {
		if b.chains[name] == nil {
			b.chains[name] = d.begin(ctx, name)
		}
		return b.chains[name]
	}
	for _, step := range steps {
		switch step := step.(type) {
		case converge.Fetch:
			d.fetch(ctx, step.Hash)
			continue
		case converge.Reload:
			b.reload = &step
			for _, name := range step.Units {
				chainOf(name) // it may have no other step
			}
			continue
		}
		c := chainOf(converge.UnitOf(step))
		c.steps = append(c.steps, step)
		if _, is := step.(converge.Stop); is && d.units[c.unit].want == nil && d.departure == nil {
			d.reunited.end(c.unit, d.on.Now())
		}
		switch step := step.(type) {
		case converge.Write:
			c.text = d.known[step.Hash]
		case converge.Start, converge.Restart:
			d.starts(c.unit)
		}
	}
	return b
}

// begin makes a chain of what is known of the unit, which is the chain's until
// its result comes back.
func (d *desk) begin(ctx context.Context, name cluster.UnitName) *chain {
	e := d.units[name]
	c := &chain{unit: name, status: d.seen[name], hasFile: e.hasFile, file: e.file, record: e.record,
		stale: e.stale, leftover: e.leftover, given: e.given}
	c.ctx, e.interrupt = d.on.WithCancel(ctx)
	d.board.look(name)
	return c
}

// settled: nothing is left to be done for the unit.
func (d *desk) settled(u converge.Unit) {
	e := d.units[u.Name]
	d.clear(u.Name, e)
	d.board.look(u.Name)
	if !u.Ours() && e.want == nil {
		delete(d.units, u.Name)
		if !u.Status.InMemory {
			delete(d.seen, u.Name)
		}
	}
}

func (d *desk) waitsForText(e *entry) bool {
	return d.departure == nil && e.want != nil && d.asked[e.want.Hash] && !(e.hasFile && e.file == e.want.Hash)
}

// working says whether what the unit's placement asks is still being done.
func (d *desk) working(name cluster.UnitName, e *entry) bool {
	return e.interrupt != nil || e.problem == "" && (d.dirty[name] || d.waitsForText(e) || e.failures > 0)
}

func (r result) learn(d *desk) {
	e := d.units[r.unit]
	e.interrupt()
	e.interrupt = nil
	e.started(r.anew)
	e.adrift = r.interrupted && r.anew
	e.downSince = time.Time{} // it may have run meanwhile
	e.hasFile, e.file, e.record, e.stale, e.leftover, e.given = r.hasFile, r.file, r.record, r.stale, r.leftover, r.given
	if r.status.Unit == r.unit {
		d.learnStatus(r.status)
	}
	switch {
	case r.interrupted:
	case r.err != nil:
		d.fail(r.unit, e, r.err)
	default:
		d.clear(r.unit, e)
	}
	d.mark(r.unit)
}
