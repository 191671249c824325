// Package schedule decides which machine runs which unit. It keeps an indexed
// picture of the cluster and answers what must change now; it writes nothing
// and knows no clock.
//
// The picture is made of facts, told in the store's order, and of what Plan has
// handed out and the store has not confirmed yet. The changes of one Plan do not
// lean on each other: whichever of them lose their guard, those that are written
// still pass every check (law 5). That is why a unit on its way to a machine
// already counts there, why one on its way off a machine still counts there,
// and why a unit that follows another (MachineOf) waits until the other has
// arrived in the store.
//
// A unit that is not global ends on one machine. When one that was cut off comes
// back, its units are where the store says: those placed elsewhere meanwhile stay
// there, and the machine stops its copies; those that nobody could take are still
// its own. Where the store itself says two machines (two leaders, or a unit that
// was global), one placement stays and the others end with a reason that names it.
// It is, of those that may be where they are: first one on a machine that is up,
// then one that says what its unit does now, then the oldest, then the one on the
// machine with the lowest id.
package schedule

import "argosy/core/cluster"

// Change is one decision of the leader. The set is closed; each carries what it
// was decided from, so that the store refuses it when that is no longer so.
type Change interface{ change() }

// Place puts a unit on a machine, or renews what stands there (a new text, a
// new generation, another desired state).
type Place struct {
	Placement cluster.Placement // Placement.Reason is shown to the user as it is
	// From is the machine whose placement of this unit ends in the same
	// transaction; empty where there was none, or for a renewal in place.
	From cluster.MachineID
	// FromGone says that the record of From must be gone still: should the machine
	// have come back meanwhile, the unit stays there (law 6).
	FromGone        bool
	UnitRevision    int64 // of the unit decided from
	MachineRevision int64 // of the machine decided for
	LabelsRevision  int64 // of that machine's labels; 0 where it has none
	WasUnplaced     bool  // unplaced/<unit> is there and ends with this
}

// Evict ends a placement without another in its stead: the unit is no longer
// wanted, or not there.
type Evict struct {
	Unit   cluster.UnitName
	From   cluster.MachineID
	Reason string
	// UnitRevision is that of the unit decided from; 0 where it is gone.
	UnitRevision int64
}

// Refuse records why a unit that should run is on no machine. Where the unit
// still has a placement on a machine that may no longer run it, From names that
// machine and the placement ends. A placement on a lost machine stays: should
// the machine come back before another can take the unit, nothing has happened.
type Refuse struct {
	Unplaced     cluster.Unplaced // Unplaced.Reason is shown to the user as it is
	From         cluster.MachineID
	UnitRevision int64
}

// Absolve takes back a Refuse that no longer holds: the unit is wanted on no
// machine, or it is on one that has come back, or it is global and runs.
type Absolve struct {
	Unit     cluster.UnitName
	Revision int64 // of the unplaced/<unit> that ends
}

func (Place) change()   {}
func (Evict) change()   {}
func (Refuse) change()  {}
func (Absolve) change() {}

// Moves says that the placement takes the place of one on another machine.
func (c Place) Moves() bool { return c.From != "" && c.From != c.Placement.Machine }

// MadeKnown adds to events what a change makes known that is written at a revision.
func MadeKnown(events []cluster.Event, change Change, revision int64) []cluster.Event {
	switch c := change.(type) {
	case Place:
		if c.Moves() {
			events = append(events, cluster.PlacementGone{Machine: c.From, Unit: c.Placement.Unit})
		}
		if c.WasUnplaced {
			events = append(events, cluster.UnplacedGone{Unit: c.Placement.Unit})
		}
		c.Placement.Revision = revision
		return append(events, cluster.PlacementChanged{Placement: c.Placement})
	case Evict:
		return append(events, cluster.PlacementGone{Machine: c.From, Unit: c.Unit})
	case Refuse:
		if c.From != "" {
			events = append(events, cluster.PlacementGone{Machine: c.From, Unit: c.Unplaced.Unit})
		}
		c.Unplaced.Revision = revision
		return append(events, cluster.UnplacedChanged{Unplaced: c.Unplaced})
	case Absolve:
		return append(events, cluster.UnplacedGone{Unit: c.Unit})
	default:
		return events
	}
}
