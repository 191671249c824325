package schedule_test

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"argosy/core/cluster"
)

// A machine of the world says that it runs a unit with OnPartition=stop as soon as
// it is placed there, and runs it until it has heard that it is not placed there any
// more (quiet), or, where it was lost, until its fence has surely ended it.

// start has a machine run what was placed on it.
func (w *world) start(at place) {
	if pl := w.placements[at]; pl.Desired == cluster.Launched && strings.Contains(w.contents[pl.Hash], "OnPartition=stop") {
		w.run(at)
	}
}

func (w *world) run(at place) {
	w.running[at] = time.Time{}
	w.tell(cluster.StateChanged{State: cluster.UnitState{Machine: at.machine, Unit: at.unit, Revision: w.revision,
		Generation: w.placements[at].Generation, Load: "loaded", Active: "active", Sub: "running", Phase: cluster.Settled}})
}

// strays are where units may run that are not placed there, on machines that are up.
func (w *world) strays() (all []place) {
	for at, until := range w.running {
		if _, placed := w.placements[at]; !placed && until.IsZero() {
			all = append(all, at)
		}
	}
	slices.SortFunc(all, func(a, b place) int {
		return cmp.Or(cmp.Compare(a.machine, b.machine), cmp.Compare(a.unit, b.unit))
	})
	return all
}

// quiet has a machine end a stray and say so.
func (w *world) quiet(at place) {
	w.revision++
	delete(w.running, at)
	w.tell(cluster.StateGone{Machine: at.machine, Unit: at.unit})
}

// cutOff has a machine say nothing any more of what it runs on for a while.
func (w *world) cutOff(id cluster.MachineID) {
	for at, until := range w.running {
		if at.machine == id && until.IsZero() {
			w.running[at] = w.now.Add(cluster.FenceHold)
			w.tell(cluster.StateGone{Machine: id, Unit: at.unit})
		}
	}
}

// running lists the machines beside one where a unit may run at this moment.
func (j judge) runsBeside(unit cluster.UnitName, to cluster.MachineID) (others []string) {
	for at, until := range maps.All(j.world.running) {
		if at.unit == unit && at.machine != to && (until.IsZero() || j.now.Before(until)) {
			others = append(others, j.names[at.machine])
		}
	}
	return others
}

// TestStrays draws histories of few units that are to run once at most and that
// must often go elsewhere, or are stopped and started, while machines are slow to
// say that they have ended.
//
// Planted once, and caught here: one placed elsewhere in one change, or while its
// machine has not said that it has ended; the end of a placement not remembered; a
// silent machine believed though it was lost; a new leader that does not doubt; one
// moved for another that replaces it.
func TestStrays(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := newHistory(t, []cluster.UnitName{"a.service", "b.service", "c.service"}, drawOnce)
		for _, name := range machineNames[:3] {
			h.machine(name, nil)
		}
		for range rapid.IntRange(5, 40).Draw(t, "steps") {
			h.strayStep()
			h.inform(h.picture)
			h.picture.Observe(h.now)
			h.planPatiently()
		}
		h.rest()
	})
}

func drawOnce(t *rapid.T, name cluster.UnitName) wish {
	w := wish{fenced: name != "c.service"} // a text that asks for it once, asks for it always
	switch rapid.SampledFrom([]string{"anywhere", "machine", "conflicts", "replaces"}).Draw(t, "kind") {
	case "machine":
		w.machine = string(machineID(rapid.SampledFrom(machineNames[:3]).Draw(t, "machine"))[:8])
	case "conflicts":
		w.conflicts = []string{"[abc].service"}
	case "replaces":
		w.replaces = []string{"[abc].service"}
	}
	return w
}

func (h *history) strayStep() {
	machine := rapid.SampledFrom(machineNames[:3]).Draw(h.t, "machine")
	unit := rapid.SampledFrom(h.pool).Draw(h.t, "unit")
	switch rapid.SampledFrom([]string{"join", "lose", "put", "put", "stop", "destroy", "quiet", "quiet", "pass", "leader"}).Draw(h.t, "do") {
	case "join":
		h.machine(machine, nil)
	case "lose":
		h.lose(machine)
	case "put":
		h.put(unit, h.draw(h.t, unit), cluster.Launched)
	case "stop":
		if h.wanted(unit) {
			h.put(unit, h.wish(unit), cluster.Inactive)
		}
	case "destroy":
		h.destroy(unit)
	case "quiet":
		if strays := h.strays(); len(strays) > 0 {
			h.quiet(rapid.SampledFrom(strays).Draw(h.t, "stray"))
		}
	case "pass":
		h.now = h.now.Add(rapid.SampledFrom([]time.Duration{time.Second, 29 * time.Second, time.Minute}).Draw(h.t, "time"))
	case "leader":
		h.beginAnew()
	}
}
