package converge

import (
	"argosy/core/cluster"
	"argosy/core/unitfile"
)

// Step is one thing to do. The set is closed. Each carries why, for people.
type Step interface{ step() }

type (
	// Fetch gets a text from the store. The unit is planned again with it.
	Fetch struct {
		Unit   cluster.UnitName
		Hash   cluster.Hash
		Reason string
	}
	// Stop notes that the unit is being stopped, ends it and waits until it has ended.
	Stop struct {
		Unit   cluster.UnitName
		Reason string
	}
	// Forget drops the record of the unit's start, and the secrets given for it.
	Forget struct {
		Unit   cluster.UnitName
		Reason string
	}
	// Remove takes away fleet's own file and record of the unit, and its secrets.
	Remove struct {
		Unit   cluster.UnitName
		Reason string
	}
	// Write puts the text on the disk, where systemd finds it.
	Write struct {
		Unit   cluster.UnitName
		Hash   cluster.Hash
		Stale  bool // systemd holds an older text in memory
		Reason string
	}
	// Reload makes systemd read its files again. There is at most one in a plan.
	Reload struct {
		Units  []cluster.UnitName // who needs it; the others go on without
		Reason string
	}
	// Adopt notes that a start which nothing was heard of has taken place.
	Adopt struct {
		Unit   cluster.UnitName
		Reason string
	}
	// Guard notes under which fence the unit runs, or that it has ended by itself.
	Guard struct {
		Unit   cluster.UnitName
		Fence  string // its invocation; empty for a unit that has ended
		Reason string
	}
	// Give gets the unit's secrets from the cluster, as they are now, and puts them
	// where systemd finds them when it starts the unit.
	Give struct {
		Unit    cluster.UnitName
		Secrets []unitfile.Secret
		Reason  string
	}
	// Start starts the unit, once for its generation.
	Start struct {
		Unit       cluster.UnitName
		Generation int64
		Hash       cluster.Hash
		Reason     string
	}
	// Restart ends what an earlier generation started and starts this one.
	Restart struct {
		Unit       cluster.UnitName
		Generation int64
		Hash       cluster.Hash
		Reason     string
	}
)

func (Fetch) step()   {}
func (Stop) step()    {}
func (Forget) step()  {}
func (Remove) step()  {}
func (Write) step()   {}
func (Reload) step()  {}
func (Adopt) step()   {}
func (Guard) step()   {}
func (Give) step()    {}
func (Start) step()   {}
func (Restart) step() {}

// UnitOf is the unit a step is for; empty for Reload, which is for several.
func UnitOf(s Step) cluster.UnitName {
	switch s := s.(type) {
	case Fetch:
		return s.Unit
	case Stop:
		return s.Unit
	case Forget:
		return s.Unit
	case Remove:
		return s.Unit
	case Write:
		return s.Unit
	case Adopt:
		return s.Unit
	case Guard:
		return s.Unit
	case Give:
		return s.Unit
	case Start:
		return s.Unit
	case Restart:
		return s.Unit
	case Reload:
	}
	return ""
}

// stage orders the steps of a plan: what ends comes first, texts are written
// before systemd reads them, and it reads them before anything starts.
func stage(s Step) int {
	switch s.(type) {
	case Fetch:
		return 0
	case Stop:
		return 1
	case Forget, Remove:
		return 2
	case Write:
		return 3
	case Reload:
		return 4
	case Adopt, Guard:
		return 5
	case Give:
		return 6
	case Start, Restart:
		return 7
	}
	return 8
}
