// Package laws checks what happens in a simulated cluster against the laws of
// ARCHITECTURE.md, event by event. It shares no code with the product: its facts,
// its picture of the store and its judge of requirements are its own, small and
// slow. It believes only what it is told of the world: what the store has taken
// in and from whom, and what really runs where.
package laws

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"

	"argosy/core/cluster"
)

// Law is one of the rules that are checked.
type Law string

const (
	Outlive   Law = "law 1: workloads outlive the control plane"
	AtMost    Law = "law 2: at most once where asked"
	OneLeader Law = "law 3: one leader writes placements"
	NoHerd    Law = "law 4: no herd, no idle writes"
	Checked   Law = "law 5: every placement passes every check"
	Needless  Law = "law 6: nothing moves needlessly"
	Explained Law = "law 7: every decision can be explained"
	NotLost   Law = "law 8: nothing acknowledged is lost"
	OneWriter Law = "one writer: each fact has one"
	Found     Law = "found: a lost machine is known to be lost"
	Once      Law = "once: a unit is started once for each placement, generation and boot"
)

// Broken is a law that was broken, and how.
type Broken struct {
	Law  Law
	What string
}

func (b Broken) String() string { return fmt.Sprintf("%s: %s", b.Law, b.What) }

// Laws watches one cluster. It is not for several goroutines.
type Laws struct {
	store    picture
	broken   []Broken
	running  map[cluster.UnitName]map[cluster.MachineID]process
	kernels  map[cluster.MachineID]string // the boots of machines whose kernels run
	leaving  map[cluster.MachineID]int64  // the revision at which a machine was last asked to leave
	asked    map[Place]int64              // the generation that a job last started
	spent    map[Place]int64              // the generation that ended by itself last
	starts   map[start]int
	left     map[Place]int64 // when a placement was last other than before, by revision
	told     map[cluster.MachineID]int64
	concerns map[cluster.MachineID][]int64 // revisions that concern a machine and that it was not told of
	// destroyed is when a unit was last taken away, and used the generations that
	// it ever had.
	destroyed map[cluster.UnitName]int64
	used      map[cluster.UnitName]map[int64]bool
	once      once
	reach     map[cluster.MachineID]reach
	quiet     bool
}

// process is what runs of a unit on a machine.
type process struct {
	generation int64
	revision   int64 // of the store when it started
	fenced     bool  // its text asks to run once at most
}

// start is what may happen once.
type start struct {
	place      Place
	boot       string
	since      int64 // of the placement
	generation int64
	left       int64 // when the machine last came back from leaving, which ends all
	fence      int   // of a fenced unit: which life of its machine's fence
}

// New returns laws that have seen nothing.
func New() *Laws {
	return &Laws{
		store: newPicture(), running: map[cluster.UnitName]map[cluster.MachineID]process{},
		kernels: map[cluster.MachineID]string{}, leaving: map[cluster.MachineID]int64{}, asked: map[Place]int64{}, spent: map[Place]int64{},
		starts: map[start]int{}, left: map[Place]int64{},
		told: map[cluster.MachineID]int64{}, concerns: map[cluster.MachineID][]int64{},
		destroyed: map[cluster.UnitName]int64{}, used: map[cluster.UnitName]map[int64]bool{}, once: newOnce(), reach: map[cluster.MachineID]reach{},
	}
}

// Broken lists what was broken so far, in order.
func (l *Laws) Broken() []Broken { return l.broken }

// Quieten has every write that is about a unit count as one too many from now on:
// nothing changes any more.
func (l *Laws) Quieten() { l.quiet = true }

// See takes an event in.
func (l *Laws) See(event Event) {
	switch e := event.(type) {
	case Transaction:
		l.transaction(e)
	case Told:
		l.wake(e)
	case Started:
		l.started(e)
	case Unnoted:
		l.unnoted(e)
	case Ended:
		l.ended(e)
	case Acknowledged:
		l.acknowledged(e)
	case Booted:
		l.kernels[e.Machine] = e.Boot
		l.reached(e.Machine, e.At, func(r *reach) { r.up, r.stalled = true, false })
	case Crashed:
		l.reached(e.Machine, e.At, func(r *reach) { r.up = false })
		delete(l.kernels, e.Machine)
		for unit := range l.running {
			l.gone(Place{e.Machine, unit})
		}
		maps.DeleteFunc(l.spent, func(at Place, _ int64) bool { return at.Machine == e.Machine })
	case FenceStands:
		l.once.lives[e.Machine]++
	case FenceFell:
		if l.quiet {
			l.breaks(Outlive, "nothing happens, and the fence of %s fell", e.Machine.Short())
		}
	case Missed:
		if _, there := l.store.machines[e.Machine]; there {
			l.breaks(Found, "%s lost its power some time ago, and nobody knows", e.Machine.Short())
		}
	case CutOff:
		l.reached(e.Machine, e.At, func(r *reach) { r.cut = e.Cut })
	case Froze:
		l.reached(e.Machine, e.At, func(r *reach) { r.stalled = true })
		l.once.stalled[e.Machine]++
	case Recovered:
		l.recovered(e.Machine)
	case Thawed:
		l.reached(e.Machine, e.At, func(r *reach) { r.stalled = false })
	case Left:
		l.leaving[e.Machine] = math.MaxInt64
	case Back:
		if _, left := l.leaving[e.Machine]; left {
			l.leaving[e.Machine] = l.store.revision
		}
	}
}

func (l *Laws) breaks(law Law, format string, args ...any) {
	l.broken = append(l.broken, Broken{law, fmt.Sprintf(format, args...)})
}

// wake checks law 4: an agent is told of its own placements and nothing else, and
// only when they have changed.
func (l *Laws) wake(e Told) {
	concerns := l.concerns[e.Machine]
	after := slices.IndexFunc(concerns, func(revision int64) bool { return revision > e.Since })
	if !e.Reset && (e.Since < l.told[e.Machine] || after < 0 || concerns[after] > e.Upto) {
		l.breaks(NoHerd, "the agent of %s was woken at revision %d, and nothing that concerns it has changed since %d",
			e.Machine.Short(), e.Upto, max(e.Since, l.told[e.Machine]))
	}
	l.told[e.Machine] = e.Upto
	l.concerns[e.Machine] = slices.DeleteFunc(concerns, func(revision int64) bool { return revision <= e.Upto })
	for _, key := range e.Keys {
		if key.Kind != Placements && key.Kind != Probes || key.Machine != e.Machine {
			l.breaks(NoHerd, "the agent of %s was told of %s", e.Machine.Short(), key)
		}
	}
}

// started checks that a start was asked for once, and law 2.
func (l *Laws) started(e Started) {
	if l.running[e.Place.Unit] == nil {
		l.running[e.Place.Unit] = map[cluster.MachineID]process{}
	}
	runs := l.running[e.Place.Unit]
	if e.Generation != 0 {
		l.startedOnce(e)
		l.asked[e.Place] = e.Generation
	}
	delete(l.spent, e.Place)
	// What systemd restarts by itself is what a job has started before.
	runs[e.Place.Machine] = process{cmp.Or(e.Generation, l.asked[e.Place]), l.store.revision, e.Fenced}
	l.twice(e.Place)
	l.token(e)
}

func (l *Laws) startedOnce(e Started) {
	placement, stands := l.store.placement(e.Place)
	if !stands {
		return // it ended while the start was on its way
	}
	key := l.start(e.Place, placement.since, e.Generation, e.Fenced)
	if l.starts[key]++; l.starts[key] > 1 {
		l.breaks(Once, "%s of generation %d was started %d times since its placement at revision %d",
			e.Place, e.Generation, l.starts[key], placement.since)
	}
}

// start is what may happen once, as things are.
func (l *Laws) start(at Place, since, generation int64, fenced bool) start {
	key := start{at, l.kernels[at.Machine], since, generation, l.leaving[at.Machine], 0}
	if fenced {
		key.fence = l.once.lives[at.Machine]
	}
	return key
}

// unnoted lets a start be done once more: rather twice than never.
func (l *Laws) unnoted(e Unnoted) {
	if placement, stands := l.store.placement(e.Place); stands {
		delete(l.starts, l.start(e.Place, placement.since, e.Generation, e.Fenced))
	}
}

// ended checks law 1: fleet ends a process only where it was asked to. What it was
// asked to run must have been other than what runs, at some moment since that began.
func (l *Laws) ended(e Ended) {
	p, ran := l.running[e.Place.Unit][e.Place.Machine]
	if !ran {
		return
	}
	l.gone(e.Place)
	switch {
	case e.Cause == ByItself:
		l.spent[e.Place] = l.asked[e.Place]
		return
	case e.Cause == ByFence && p.fenced:
		return // it asked for it
	case e.Cause == ByFence:
		l.breaks(Outlive, "%s was ended by a fence that it did not ask for", e.Place)
	}
	if l.leaving[e.Place.Machine] >= p.revision || l.left[e.Place] > p.revision {
		return
	}
	placement, stands := l.store.placement(e.Place)
	if stands && placement.Wanted == Launched && placement.Generation == p.generation {
		l.breaks(Outlive, "%s was ended, and what was placed there has not changed since revision %d, before it began at %d",
			e.Place, placement.revision, p.revision)
	}
}

func (l *Laws) gone(at Place) {
	delete(l.running[at.Unit], at.Machine)
	if len(l.running[at.Unit]) == 0 {
		delete(l.running, at.Unit)
	}
}

// acknowledged checks law 8: what an operator was told is done stands in the
// store, or somebody has asked for something else since.
func (l *Laws) acknowledged(e Acknowledged) {
	u, there := l.store.units[e.Unit]
	switch {
	case l.store.revision < e.Revision:
		l.breaks(NotLost, "%s was acknowledged at revision %d, and the store is at %d", e.Unit, e.Revision, l.store.revision)
	case e.Destroyed && there && u.Generation < e.Generation:
		l.breaks(NotLost, "%s was destroyed at generation %d, and stands at %d", e.Unit, e.Generation, u.Generation)
	case e.Destroyed:
	case !there && l.destroyed[e.Unit] <= e.Revision:
		l.breaks(NotLost, "%s of generation %d was acknowledged and is not there", e.Unit, e.Generation)
	case there && u.Generation < e.Generation:
		l.breaks(NotLost, "%s of generation %d was acknowledged and stands at %d", e.Unit, e.Generation, u.Generation)
	case there && u.Generation == e.Generation && (u.Hash != e.Hash || u.Wanted != e.Wanted):
		l.breaks(NotLost, "%s of generation %d was acknowledged as %s %.7s and stands as %s %.7s",
			e.Unit, e.Generation, e.Wanted, e.Hash, u.Wanted, u.Hash)
	}
}

// Running lists where a unit runs.
func (l *Laws) Running(unit cluster.UnitName) []cluster.MachineID {
	var found []cluster.MachineID
	for id := range l.running[unit] {
		found = append(found, id)
	}
	slices.Sort(found)
	return found
}
