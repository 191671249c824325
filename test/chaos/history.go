// Package chaos checks the laws from outside, on real machines: faults are drawn
// from a seed, operators' requests too, and what the units' own processes say in
// the machines' journals is held against both. It shares no code with what it
// checks. The machines are in its tests, with the build tag machines.
package chaos

import (
	"fmt"
	"path"
	"slices"
	"time"
)

// Time is since the host booted. All machines share the host's kernel, so that
// it is the same clock for every process of every machine, whatever happens to
// their wall clocks.
type Time = time.Duration

// Span is a length of time; a zero To is one that has not ended.
type Span struct{ From, To Time }

// History is all that is known of one round.
type History struct {
	From     Time // of the round: nothing before it counts
	Machines []Machine
	Units    []Unit
	Faults   []Fault
	Requests []Request
	Runs     []Run // sorted by From
}

// Machine is a machine of the cluster.
type Machine struct {
	Name   string
	Member bool // of the store
}

// Unit is what the checker must know of a unit's text. It is the same in all of
// the text's versions.
type Unit struct {
	Name          string
	Once          bool   // its process ends by itself
	Global        bool   // one on every machine
	Fenced        bool   // OnPartition=stop
	Conflicts     string // a pattern, or nothing
	MachineOf     string // a unit's name, or nothing
	MaxPerMachine int    // of its template; 0 for any number
	Calm          bool   // no operator touches it once it is started
}

// Run is one process of a unit, by its own words.
type Run struct {
	Unit    string
	Machine string
	Version int   // of the unit's text
	Token   int64 // its fencing token; 0 where it has none
	Span          // To is when it said that it stops, or when its machine ended
}

// Open says whether the process still runs.
func (r Run) Open() bool { return r.To == 0 }

// at says whether the process ran at a time.
func (r Run) at(t Time) bool { return r.From <= t && (r.Open() || t < r.To) }

// Request is what an operator asked for.
type Request struct {
	Unit    string
	Wanted  Wanted
	Span            // sent, answered
	Outcome Outcome // what the operator was told
	Says    string  // the error, where there is one
}

// Wanted is what a request asks of a unit.
type Wanted struct {
	Desired string // inactive, loaded or launched; "" for a unit that is destroyed
	Version int    // of the text; 0 for a unit that is destroyed
}

func (w Wanted) String() string {
	if w.Desired == "" {
		return "destroyed"
	}
	return fmt.Sprintf("%s, version %d", w.Desired, w.Version)
}

// Outcome is how a request ended.
type Outcome string

const (
	Acknowledged Outcome = "acknowledged"
	Refused      Outcome = "refused" // nothing was stored
	// Unknown is a request without an answer: it may take effect at any time after
	// it was sent, or never.
	Unknown Outcome = "unknown"
)

// unit finds what is known of a unit; a name that is not listed has no words.
func (h *History) unit(name string) Unit {
	if i := slices.IndexFunc(h.Units, func(u Unit) bool { return u.Name == name }); i >= 0 {
		return h.Units[i]
	}
	return Unit{Name: name}
}

// runs are those of one unit, in order.
func (h *History) runs(unit string) []Run {
	return slices.DeleteFunc(slices.Clone(h.Runs), func(r Run) bool { return r.Unit != unit })
}

// conflict says whether two units may not share a machine: a pattern of either
// holds for both.
func conflict(a, b Unit) bool {
	matches := func(pattern, name string) bool {
		ok, err := path.Match(pattern, name)
		return err == nil && ok
	}
	return a.Name != b.Name && (matches(a.Conflicts, b.Name) || matches(b.Conflicts, a.Name))
}
