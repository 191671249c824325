// Package sim is whole clusters in one goroutine: the true agents, engines and
// detectors on virtual time, over a store, systemds and a network that fail as a seed
// draws it, with the laws checked after each event. docs/internals/simulator.md tells
// how to run a seed and what is drawn.
package sim

import (
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"time"

	"argosy/core/cluster"
	"argosy/role/engine"
	"argosy/test/sim/laws"
	"argosy/test/sim/stage"
)

// World is one simulated cluster.
type World struct {
	Seed uint64
	Log  slog.Handler // of all daemons; nil for none

	plan      plan
	rand      *rand.Rand
	stage     *stage.Stage
	laws      *laws.Laws
	trace     trace
	store     *shared
	away      bool // the store has no quorum
	hosts     []*host
	byAddress map[string]*host
	stormEnds time.Time

	wishes map[cluster.Hash]laws.Wish
	texts  map[cluster.Hash]string
	making map[cluster.UnitName]int // operators who are about to write a unit

	planted planted
}

// planted are bugs, which the tests plant to see them caught.
type planted struct {
	planner  func(engine.Planner) engine.Planner
	unguard  bool // a commit does not compare the leader's term
	herd     bool // agents are told of all placements
	optimist bool // what nobody has answered counts as done
	forgets  bool // records of starts are lost
	halts    bool // the units end with fleetd
	endless  bool // the fence is said to stand for longer than the cluster waits
	blind    bool // the fence is kept up whether the cluster answers or not
	tokens   bool // all fencing tokens are one
	slander  bool // detectors say of each machine that it is silent
	wall     bool // fleetd goes by the wall's clock
	promises bool // an older fleetd says that it probes
}

// epoch is when every simulation begins.
var epoch = time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)

// New draws a cluster from a seed. Nothing has happened in it.
func New(seed uint64, size Size) *World {
	r := rand.New(rand.NewPCG(seed, 0))
	return newWorld(seed, r, draw(r, seed, size))
}

func newWorld(seed uint64, r *rand.Rand, p plan) *World {
	w := &World{
		Seed: seed, plan: p, rand: r, laws: laws.New(), byAddress: map[string]*host{},
		wishes: map[cluster.Hash]laws.Wish{}, texts: map[cluster.Hash]string{}, making: map[cluster.UnitName]int{},
		planted: planted{planner: func(p engine.Planner) engine.Planner { return p }},
	}
	w.stage = stage.New(w.rand, epoch)
	w.store = newShared(w, w.stage.Process("store", w.stage.Clock()))
	w.stormEnds = epoch.Add(w.plan.storm)
	for n := range w.plan.machines {
		h := newHost(w, n+1)
		w.hosts = append(w.hosts, h)
		w.byAddress[h.own.Address] = h
	}
	return w
}

// Bounds of what happens after the storm.
const (
	// settling is how long a cluster may take to come to rest. An agent tries a
	// unit's steps again after a minute at the latest, and tells of its return for
	// as long.
	settling = 4 * time.Minute
	// lastLook is how much later than all else an agent may still correct what the
	// store holds of its states: the longer of role/agent's doubts, and some time for
	// clocks that drift. The jobs that systemd did not take are tried again by then.
	lastLook = 11 * time.Minute
	// calm is how long it must stay at rest and write nothing.
	calm = 65 * time.Second
)

// Run has the storm pass, and then the calm. It returns what was broken first;
// nil where nothing was.
func (w *World) Run() error {
	defer w.stage.End()
	for _, h := range w.hosts {
		w.after(time.Duration(w.rand.IntN(3000))*time.Millisecond, h.boot)
	}
	w.prepare()
	w.schedule()
	on := w.stage.Process("operators", w.stage.Clock())
	for range w.plan.operators {
		on.Go(func() { w.operate(on) })
	}
	if err := w.until(w.stormEnds); err != nil {
		return err
	}
	w.clear()
	if err := w.settle(); err != nil {
		return err
	}
	w.laws.Quieten()
	if err := w.until(w.now().Add(calm)); err != nil {
		return err
	}
	if wrong := w.laws.AtRest(); len(wrong) > 0 {
		return w.fails("the cluster came to rest and left it: %s", strings.Join(wrong, "; "))
	}
	return nil
}

// until runs up to a time, or until something is broken.
func (w *World) until(end time.Time) error {
	for w.now().Before(end) {
		if err := w.stage.Run(minTime(end, w.now().Add(time.Second))); err != nil {
			return w.fails("%s", err)
		}
		if broken := w.laws.Broken(); len(broken) > 0 {
			return w.fails("%s", broken[0])
		}
	}
	return nil
}

func minTime(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// settle waits for the cluster to come to rest.
func (w *World) settle() error {
	last := w.now().Add(settling)
	for wait := 2*callTime + time.Second; ; wait = 5 * time.Second { // first for what is late
		if err := w.until(w.now().Add(wait)); err != nil {
			return err
		}
		wrong := w.laws.AtRest()
		if len(wrong) == 0 {
			return w.until(w.now().Add(lastLook))
		}
		if w.now().After(last) {
			return w.fails("no rest %s after the last fault: %s", settling, strings.Join(wrong, "; "))
		}
	}
}

func (w *World) fails(format string, args ...any) error {
	return fmt.Errorf("seed %d, %s: %s\n%s", w.Seed, w.now().Sub(epoch), fmt.Sprintf(format, args...), w.trace.last())
}

func (w *World) now() time.Time { return w.stage.Now() }

// over says whether the storm is.
func (w *World) over() bool { return !w.now().Before(w.stormEnds) }

// after has something happen in the world, whatever becomes of any machine.
func (w *World) after(d time.Duration, f func()) { w.stage.After(d, f) }

// see is told of all that happens.
func (w *World) see(e laws.Event) {
	w.trace.note(w.now(), e)
	w.laws.See(e)
}

// prepare has some units wanted from the beginning.
func (w *World) prepare() {
	for _, name := range w.plan.names[:len(w.plan.names)*2/3] {
		hash := w.drawText(name)
		unit := cluster.Unit{Name: name, Hash: hash, Desired: cluster.Launched, Generation: 1}
		w.store.do(laws.Writer{Role: laws.API}, func() {
			if _, err := w.store.PutUnit(background, unit, w.texts[hash]); err != nil {
				panic(err)
			}
		})
	}
}
