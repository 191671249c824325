package laws

import (
	"time"

	"argosy/core/cluster"
)

// reach is whether those who probe a machine can hear of its kernel.
type reach struct {
	up, stalled, cut bool
	since            time.Time // that they can; zero where that was so from the first
}

// remembered is how long a machine may be taken for lost that was silent before: its
// probers' words stand in a store that may have no quorum meanwhile, and longer where
// they cannot take them back.
const remembered = time.Minute

func (r reach) answers() bool { return r.up && !r.stalled && !r.cut }

// reached notes what has become of a machine's kernel, or of the way to it.
func (l *Laws) reached(id cluster.MachineID, at time.Time, change func(*reach)) {
	r, known := l.reach[id]
	before := r.answers()
	change(&r)
	if known && !before {
		r.since = at
	}
	l.reach[id] = r
}

// loses checks law 6 of a machine whose record a leader ends: its kernel must have
// been silent lately.
func (l *Laws) loses(t Transaction, w Write) {
	if w.Key.Kind != Machines || w.Fact != nil || t.By.Role != Engine {
		return
	}
	r := l.reach[w.Key.Machine]
	switch {
	case !r.answers():
	case r.since.IsZero():
		l.breaks(Needless, "%s was taken for lost, and its kernel has always answered", w.Key.Machine.Short())
	case t.At.Sub(r.since) > remembered:
		l.breaks(Needless, "%s was taken for lost, and its kernel has answered for %s", w.Key.Machine.Short(), t.At.Sub(r.since))
	}
}
