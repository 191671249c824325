package laws

import "argosy/core/cluster"

// writers is the table of ARCHITECTURE.md: who may write a fact, and who may end
// it; a leader ends what a lost machine has said. Of a machine's own facts the
// agent, which the detector counts as, must be that machine's.
var writers = map[Kind]struct {
	write, end []Role
	own        bool
}{
	Contents:   {write: []Role{API}, end: []Role{Engine}},
	Unused:     {write: []Role{Engine}, end: []Role{API, Engine}},
	Units:      {write: []Role{API}, end: []Role{API}},
	Machines:   {write: []Role{Agent}, end: []Role{Agent, Engine, Expiry}, own: true},
	Labels:     {write: []Role{API}, end: []Role{API}},
	Placements: {write: []Role{Engine}, end: []Role{Engine}},
	States:     {write: []Role{Agent}, end: []Role{Agent, Engine, Expiry}, own: true},
	Probes:     {write: []Role{Engine}, end: []Role{Engine}},
	Suspects:   {write: []Role{Agent}, end: []Role{Agent, Engine, Expiry}, own: true},
	Departed:   {write: []Role{Agent}, end: []Role{Agent}, own: true},
	Unplaced:   {write: []Role{Engine}, end: []Role{Engine}},
	Leader:     {write: []Role{Engine}, end: []Role{Engine}},
}

// perUnit are the facts of which an idle cluster writes none.
var perUnit = map[Kind]bool{Units: true, Placements: true, States: true, Unplaced: true, Leader: true, Probes: true, Suspects: true}

// transaction takes a revision in: first what it may not do as things were, then
// what may not be as things are.
func (l *Laws) transaction(t Transaction) {
	for _, w := range t.Writes {
		l.writer(t.By, w)
		if l.quiet && perUnit[w.Key.Kind] {
			l.breaks(NoHerd, "nothing changes, and %s wrote %s", t.By, w)
		}
		l.leads(t, w)
		l.ends(t, w)
		l.loses(t, w)
		l.grows(t, w)
	}
	fresh := l.apply(t)
	for _, at := range fresh {
		if why := l.store.against(at); why != "" {
			l.breaks(Checked, "%s, placed at revision %d: %s", at, t.Revision, why)
		}
	}
	for _, w := range t.Writes {
		l.complete(w)
	}
}

func (l *Laws) writer(by Writer, w Write) {
	rule := writers[w.Key.Kind]
	may := rule.write
	if w.Fact == nil {
		may = rule.end
	}
	for _, role := range may {
		if role == by.Role && (!rule.own || role != Agent || w.Key.Machine == by.Machine) {
			return
		}
	}
	l.breaks(OneWriter, "%s wrote %s", by, w)
}

// leads checks law 3.
func (l *Laws) leads(t Transaction, w Write) {
	lead := l.store.lead
	if t.By.Role == Engine && w.Key.Kind != Leader && (lead.Run != t.By.Run || lead.Machine != t.By.Machine) {
		l.breaks(OneLeader, "%s wrote %s at revision %d, where %s %s leads", t.By, w.Key, t.Revision, lead.Machine.Short(), lead.Run)
	}
}

// ends checks law 6 of the placements that a transaction ends. Where somebody
// else wrote something between what the leader knew and this, it may have had a
// reason that is gone.
func (l *Laws) ends(t Transaction, w Write) {
	if w.Key.Kind != Placements || w.Fact != nil || t.By.Role != Engine {
		return
	}
	at := Place{w.Key.Machine, w.Key.unit()}
	if _, stands := l.store.placement(at); stands && l.store.foreign <= t.By.Known && l.store.mayEnd(at) == "" {
		l.breaks(Needless, "%s ended at revision %d, decided at %d, though it may stay", at, t.Revision, t.By.Known)
	}
}

// grows checks that a unit's generation grows by one with each write, so that what
// was acknowledged is never overwritten unseen, and that a unit which is made anew
// repeats none.
func (l *Laws) grows(t Transaction, w Write) {
	if w.Key.Kind != Units {
		return
	}
	unit := w.Key.unit()
	is, stays := w.Fact.(Unit)
	was, stood := l.store.units[unit]
	switch {
	case !stays:
		l.destroyed[unit] = t.Revision
	case stood && is.Generation != was.Generation+1:
		l.breaks(NotLost, "%s went from generation %d to %d at revision %d", unit, was.Generation, is.Generation, t.Revision)
	case l.used[unit][is.Generation]:
		l.breaks(NotLost, "%s is made anew as generation %d, which it was before", unit, is.Generation)
	}
	if l.used[unit] == nil {
		l.used[unit] = map[int64]bool{}
	}
	if stays {
		l.used[unit][is.Generation] = true
	}
}

// apply takes the writes in and returns the placements that are new.
func (l *Laws) apply(t Transaction) (fresh []Place) {
	concerned := map[cluster.MachineID]bool{}
	for _, w := range t.Writes {
		at := Place{w.Key.Machine, w.Key.unit()}
		switch w.Key.Kind {
		case Placements:
			if _, stood := l.store.placement(at); !stood && w.Fact != nil {
				fresh = append(fresh, at)
			}
			l.left[at] = t.Revision
			concerned[at.Machine] = true
		case Probes:
			concerned[at.Machine] = true
		case Units, Labels, Machines:
			l.store.foreign = t.Revision
		}
		l.store.apply(w, t.Revision)
	}
	for _, w := range t.Writes {
		if w.Key.Kind == Units {
			l.noteReplacer(w.Key.unit())
			l.noteOnce(w.Key.unit())
		}
	}
	l.store.revision = t.Revision
	for id := range concerned {
		l.concerns[id] = append(l.concerns[id], t.Revision)
	}
	return fresh
}

func (l *Laws) noteReplacer(unit cluster.UnitName) {
	if len(l.store.wish(unit).Replaces) > 0 {
		l.store.replacers[unit] = true
	} else {
		delete(l.store.replacers, unit)
	}
}

// complete checks that a decision says why (law 7), that it is of what is wanted
// (law 3), and that no text that is in use is gone (law 8).
func (l *Laws) complete(w Write) {
	unit := w.Key.unit()
	switch fact := w.Fact.(type) {
	case Placement:
		u := l.store.units[unit]
		if fact.Reason == "" {
			l.breaks(Explained, "%s has no reason", w.Key)
		}
		if fact.Hash != u.Hash || fact.Generation != u.Generation || fact.Wanted != u.Wanted {
			l.breaks(OneLeader, "%s was decided from another unit than is there: %+v, not %+v", w.Key, fact, u)
		}
	case Refusal:
		if fact.Reason == "" {
			l.breaks(Explained, "%s has no reason", w.Key)
		}
	case Unit:
		if _, known := l.store.texts[fact.Hash]; !known {
			l.breaks(NotLost, "%s stands for the text %.7s, which is not there", w.Key, fact.Hash)
		}
	case nil:
		if w.Key.Kind == Contents {
			l.inUse(cluster.Hash(w.Key.Name))
		}
	}
}

// inUse checks that nothing stands for a text that has ended.
func (l *Laws) inUse(hash cluster.Hash) {
	for unit, u := range l.store.units {
		if u.Hash == hash {
			l.breaks(NotLost, "the text %.7s has ended, and %s stands for it", hash, unit)
		}
	}
	for unit, places := range l.store.placements {
		for _, placement := range places {
			if placement.Hash == hash {
				l.breaks(NotLost, "the text %.7s has ended, and a placement of %s stands for it", hash, unit)
			}
		}
	}
}
