package schedule

import (
	"argosy/core/cluster"
)

// Copy is another picture of the same facts, without what was handed out and is
// not confirmed. It is made step by step, so that whoever owns the picture need not
// stand still meanwhile: what the picture learns between two steps, the copy learns
// too. A unit that was not copied yet is then overtaken by its own copying, and one
// that was is as it is in the picture. A whole copy shares nothing with its picture
// that either of them writes to, and may be used beside it.
type Copy struct {
	from, to *Picture
	needs    copies
	last     cluster.UnitName // up to which units are copied
}

// Copy begins a copy of all but the units.
func (p *Picture) Copy() *Copy {
	copied := &Copy{from: p, to: New(), needs: copies{}}
	c := copied.to
	c.rehearsing = true
	for hash, known := range p.contents {
		text := *known
		text.shared = copied.needs.of(known.shared)
		c.contents[hash] = &text
	}
	for _, m := range p.machines.ordered {
		c.machine(m.id)
		if m.record.ID != "" {
			c.Learn(cluster.MachineChanged{Machine: m.record})
		}
		if !m.live() {
			c.machineGone(m.id)
		}
		if m.labels.Revision > 0 {
			c.Learn(cluster.LabelsChanged{Labels: m.labels})
		}
	}
	return copied
}

// whole is a copy made at once.
func (p *Picture) whole() *Copy {
	c := p.Copy()
	for !c.Step(len(p.units) + 1) {
	}
	return c
}

// Step copies some more units, and says whether the copy is whole.
func (c *Copy) Step(units int) (whole bool) {
	for u := range c.from.byName.after(string(c.last)) {
		if units == 0 {
			return false
		}
		units--
		c.to.adopt(u, c.needs)
		c.last = u.name
	}
	c.to.remember(c.from)
	return true
}

// Learn is told what the picture learns before the copy is whole.
func (c *Copy) Learn(events ...cluster.Event) {
	c.to.Learn(events...)
}
