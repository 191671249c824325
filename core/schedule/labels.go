package schedule

import (
	"maps"

	"argosy/core/cluster"
)

// labelsChanged takes in what operators say of a machine, also of one that was
// never seen: it is known by it when it comes.
func (p *Picture) labelsChanged(fact cluster.Labels) {
	m := p.machine(fact.Machine)
	if fact.Revision <= m.labels.Revision {
		return
	}
	fact.Set = maps.Clone(fact.Set)
	p.relabel(m, fact)
}

func (p *Picture) labelsGone(id cluster.MachineID) {
	if m := p.machines.byID[id]; m != nil && m.labels.Revision > 0 {
		p.relabel(m, cluster.Labels{})
	}
}

// relabel gives a machine other labels. What is on its way there was decided
// from those before and loses its guard; what runs there moves only where the
// new ones forbid it.
func (p *Picture) relabel(m *machine, labels cluster.Labels) {
	p.breakGuards(m)
	m.labels = labels
	metadata := labels.Over(m.record.Metadata)
	if !m.live() || maps.Equal(m.metadata, metadata) {
		return
	}
	p.machines.leave(m)
	m.metadata = metadata
	p.machines.enter(m)
	p.machineTouched(m)
}
