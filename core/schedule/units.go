package schedule

import (
	"cmp"
	"slices"

	"argosy/core/cluster"
	"argosy/core/unitfile"
)

// unit is one unit as the leader sees it. It is kept after the unit has gone for
// as long as a placement or a refusal of it is in the store.
type unit struct {
	name       cluster.UnitName
	revision   int64 // 0 while there is no such unit
	hash       cluster.Hash
	desired    cluster.Desired
	generation int64

	needs   *needs     // nil while the text is not known
	avoids  []*pattern // the globs that it carries
	avoided []*pattern // the globs, of whatever unit, that mean its name
	family  *family    // the instances of its template, where somebody asks; nil for most units

	slots []*slot  // its placements, by machine id; one for most units
	only  [1]*slot // where slots are while there is no second one
	note  *note    // why it is on no machine; nil for most units

	queued   *lane // where it waits to be looked at; nil where it does not
	pending  int32 // how many of its slots and its note wait for the store
	template bool
	again    bool // something happened while it was pending: look at it again after
	waiting  bool // could not be placed, or not everywhere: see Picture.wait
}

// needs is what a text asks for; units with the same text share one where its
// [X-Fleet] section does not hang on the unit's name.
type needs struct {
	unitfile.Requirements
	fault error // the text asks for something that cannot be read

	// Made by Picture.prepare of what stands above.
	prepared bool
	anywhere bool     // any machine will do, and none is better than another
	choosy   int      // see choosiness
	room     []amount // Reserve by kind
	spread   []string // the labels of Spread
	line     *line    // of those that wait for the same room; nil until one does
}

// wanted says whether the unit should be on a machine.
func (u *unit) wanted() bool {
	return u.revision > 0 && u.desired != cluster.Inactive && !u.template
}

// empty says that nothing is left to remember.
func (u *unit) empty() bool { return u.revision == 0 && len(u.slots) == 0 && u.note == nil }

// placed says whether the unit is on a machine that is up, or on its way there.
func (u *unit) placed() bool {
	return slices.ContainsFunc(u.slots, func(s *slot) bool { return s.machine.live() })
}

// on returns the unit's slot on a machine, or nil.
func (u *unit) on(m *machine) *slot {
	if len(u.slots) == 1 { // most units; the machine's id need not be fetched
		if s := u.slots[0]; s.machine == m {
			return s
		}
		return nil
	}
	if at, found := u.find(m); found {
		return u.slots[at]
	}
	return nil
}

func (u *unit) find(m *machine) (int, bool) {
	return slices.BinarySearchFunc(u.slots, m.id, func(s *slot, id cluster.MachineID) int {
		return cmp.Compare(s.machine.id, id)
	})
}

// slot is a placement: one unit on one machine.
type slot struct {
	unit     *unit
	machine  *machine
	index    int32    // in machine.slots
	moved    *machine // that the placement on its way takes the unit off, and that must be gone still; nil for most
	stated   bool     // its machine says something of the unit; while revision is not 0
	doubtful bool     // it did when the machine was lost, and has not since
	once     bool     // what was placed, now or before, is to run once at most
	pending  pending

	revision   int64 // 0 until the store has it
	hash       cluster.Hash
	desired    cluster.Desired
	generation int64
	at         int64  // At of the placement that the store has, in Unix nanoseconds
	reason     string // of the same
	decided    int64  // At of the placement that is on its way
	tries      *tries // where the unit has failed before in this generation; nil for most
}

// pending is what was handed out for a slot and is not confirmed yet.
type pending uint8

const (
	settled pending = iota
	placing         // it is being written, new or renewed
	ending          // it is being taken away
	holding         // it is to be written once what is in the way has left: see hold
)

// awaits says whether a placement is the one that is on its way, and not what
// somebody else wrote in the same place meanwhile.
func (s *slot) awaits(fact cluster.Placement) bool {
	return s.pending == placing && s.decided == fact.At.UnixNano()
}

// shared is the same word as one string in memory for all: what is compared with it
// a million times is then not fetched from everywhere.
func shared(desired cluster.Desired) cluster.Desired {
	switch desired {
	case cluster.Inactive:
		return cluster.Inactive
	case cluster.Loaded:
		return cluster.Loaded
	case cluster.Launched:
		return cluster.Launched
	}
	return desired // of a later version
}

// stale says that the placement does not say what its unit does now.
func (s *slot) stale() bool {
	u := s.unit
	return s.hash != u.hash || s.desired != u.desired || s.generation != u.generation
}

// seniority orders the placements of which only one may stay, as the package's
// comment states.
func seniority(a, b *slot) int {
	return cmp.Or(
		compareBool(a.machine.live(), b.machine.live()),
		compareBool(!a.stale(), !b.stale()),
		compareAge(a, b),
	)
}

// compareAge puts the oldest first; one that is not in the store yet is the youngest.
func compareAge(a, b *slot) int {
	return cmp.Or(
		compareBool(a.revision > 0, b.revision > 0),
		cmp.Compare(a.revision, b.revision),
		cmp.Compare(a.unit.name, b.unit.name),
		cmp.Compare(a.machine.id, b.machine.id),
	)
}

// compareBool puts true first.
func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return -1
	}
	return 1
}

// note is an Unplaced record in the store, or one on its way there.
type note struct {
	revision   int64 // 0 until the store has it
	generation int64
	reason     string
	pending    bool
}

// content is what is kept of one unit text.
type content struct {
	hash   cluster.Hash   // one string for all units and placements that have it
	fleet  *unitfile.File // its [X-Fleet] section and what it reserves by its limits
	shared *needs         // for all units with this text and such a name; nil where they hang on the name
	like   nameKind
	// metadata is what the last unit asked for, which most share even where the
	// rest hangs on the name.
	metadata []unitfile.Metadata
}

// nameKind is what of a unit's name matters to every text: what limits it and
// which Podman it needs hang on its type, some words are for instances alone.
type nameKind struct {
	suffix   string
	instance bool
}

func kindOf(name cluster.UnitName) nameKind { return nameKind{name.Suffix(), name.Instance() != ""} }

func newContent(hash cluster.Hash, text string) *content {
	unit, err := unitfile.ReadBundle(text)
	var file *unitfile.File
	if err == nil {
		file, err = unit.Parse("unit file")
	}
	if err != nil {
		return &content{hash: hash, shared: &needs{fault: err}}
	}
	return &content{hash: hash, fleet: file.Placing()}
}

// needsOf reads what the text asks for a unit of this name.
func (c *content) needsOf(name cluster.UnitName) *needs {
	if c.shared != nil && (c.fleet == nil || c.like == kindOf(name)) {
		return c.shared
	}
	required, err := c.fleet.Requirements(name)
	if slices.EqualFunc(required.Metadata, c.metadata, sameMetadata) {
		required.Metadata = c.metadata
	}
	c.metadata = required.Metadata
	n := &needs{Requirements: required, fault: err}
	if !c.fleet.DependsOnName() {
		c.shared, c.like = n, kindOf(name)
	}
	return n
}

func sameMetadata(a, b unitfile.Metadata) bool {
	return a.Key == b.Key && a.Not == b.Not && slices.Equal(a.Values, b.Values)
}
