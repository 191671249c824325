package schedule

import (
	"maps"
	"slices"
	"time"

	"argosy/core/cluster"
)

// mostRounds bounds how often WhatIf plans. A round brings each chain of units
// that must share a machine, or make way, one step further.
const mostRounds = 1000

// WhatIf returns the changes that would follow if the events happened now, in the
// order in which they would be written, up to where nothing is left to do. What
// is due anyway is left out: it is taken for done before. The events' revisions
// do not matter. The picture stays as it is.
//
// It works on a copy, so that it costs about what learning everything anew does;
// Copy does the same without holding the picture up for so long.
func (p *Picture) WhatIf(now time.Time, events ...cluster.Event) []Change {
	return p.whole().WhatIf(now, events...)
}

// WhatIf is Picture's, once the copy is whole. The copy is spent by it.
func (c *Copy) WhatIf(now time.Time, events ...cluster.Event) []Change {
	r := rehearsal{picture: c.to, now: now, revision: c.to.latest()}
	r.play()
	for _, event := range events {
		r.revision++
		r.picture.Learn(cluster.Stamped(event, r.revision))
	}
	return r.play()
}

// rehearsal is a picture whose every plan comes true.
type rehearsal struct {
	picture  *Picture
	now      time.Time
	revision int64 // of the last write that was made up
}

// play plans until nothing is left to do, and returns all that was planned.
func (r *rehearsal) play() (done []Change) {
	for range mostRounds {
		changes := r.picture.Plan(r.now, 0)
		if len(changes) == 0 {
			next := r.picture.Next()
			if next.IsZero() {
				break
			}
			r.now = next
		}
		done = append(done, changes...)
		for _, change := range changes {
			r.revision++
			r.picture.Learn(MadeKnown(nil, change, r.revision)...)
		}
	}
	return done
}

// remember takes over what another picture knows beside the facts: what it has
// seen of machines and of units that failed.
func (p *Picture) remember(other *Picture) {
	p.now, p.rehearsing = other.now, true
	p.losses, p.returns = nil, nil
	clear(p.answering)
	clear(p.departed)
	clear(p.conducts)
	clear(p.shunned)
	clear(p.failures)
	clear(p.strays)
	maps.Copy(p.answering, other.answering)
	maps.Copy(p.departed, other.departed)
	for _, m := range other.machines.ordered {
		known := p.machine(m.id)
		known.gone, known.seen, known.missed, known.missing = m.gone, m.seen, m.missed, m.missing
		if m.missed {
			p.losses = append(p.losses, known)
		}
	}
	for id, c := range other.conducts {
		p.conducts[id] = &conduct{slices.Clone(c.losses), c.until}
	}
	for m := range other.shunned {
		p.shunned[p.machines.byID[m.id]] = p.conducts[m.id]
	}
	p.since = other.since
	for name, here := range other.strays {
		for id, st := range here {
			*p.stray(spot{id, name}) = *st
		}
	}
	p.silenced, p.straysUntil = slices.Clone(other.silenced), slices.Clone(other.straysUntil)
	for at, f := range other.failures {
		same := *f
		p.failures[at] = &same
	}
	p.failed, p.alarms = slices.Clone(other.failed), slices.Clone(other.alarms)
	for i := range p.alarms { // as many and in the same order: a heap
		a := &p.alarms[i]
		if a.unit != nil {
			a.unit = p.unit(a.unit.name)
		} else {
			a.machine = p.machine(a.machine.id)
		}
	}
	p.storm = other.storm
	p.storm.missing = nil
	for _, m := range other.storm.missing {
		p.storm.missing = append(p.storm.missing, p.machines.byID[m.id])
	}
}

// copies are what the texts of one picture ask for, prepared for another.
type copies map[*needs]*needs

func (c copies) of(known *needs) *needs {
	if known != nil && c[known] == nil {
		c[known] = &needs{Requirements: known.Requirements, fault: known.fault}
	}
	return c[known]
}

// adopt takes in a unit of another picture as the store has it.
func (p *Picture) adopt(other *unit, copied copies) {
	u := p.unit(other.name)
	u.revision, u.desired, u.generation = other.revision, other.desired, other.generation
	if other.needs != nil {
		u.hash = other.hash
		p.setNeeds(u, copied.of(other.needs))
	} else if other.hash != "" {
		p.setHash(u, other.hash)
	}
	p.touch(u)
	for _, s := range other.slots {
		if s.revision > 0 {
			p.Learn(cluster.PlacementChanged{Placement: s.fact()})
			same := u.on(p.machine(s.machine.id))
			same.stated, same.doubtful, same.once = s.stated, s.doubtful, s.once
		}
	}
	if n := other.note; n != nil && n.revision > 0 {
		p.Learn(cluster.UnplacedChanged{Unplaced: cluster.Unplaced{
			Unit: u.name, Revision: n.revision, Generation: n.generation, Reason: n.reason,
		}})
	}
}

// fact is the placement as the store has it.
func (s *slot) fact() cluster.Placement {
	return cluster.Placement{
		Machine: s.machine.id, Unit: s.unit.name, Revision: s.revision,
		Hash: s.hash, Desired: s.desired, Generation: s.generation,
		Reason: s.reason, At: time.Unix(0, s.at), Attempts: s.tried().attempts, Avoid: s.tried().avoid,
	}
}

// latest is the newest revision that any fact in the picture has.
func (p *Picture) latest() (revision int64) {
	for _, m := range p.machines.ordered {
		revision = max(revision, m.revision, m.record.Revision, m.labels.Revision)
	}
	for _, u := range p.units {
		revision = max(revision, u.revision)
		for _, s := range u.slots {
			revision = max(revision, s.revision)
		}
		if u.note != nil {
			revision = max(revision, u.note.revision)
		}
	}
	return revision
}
