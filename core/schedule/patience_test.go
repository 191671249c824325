package schedule_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"argosy/core/cluster"
	"argosy/core/schedule"
)

// past is what the world remembers of times, for the judge: it knows when things
// happened, not when a picture heard of them.
type past struct {
	gone   map[cluster.MachineID]time.Time   // machines without a record
	losses map[cluster.MachineID][]time.Time // all
	back   map[cluster.MachineID]time.Time
	failed map[place]time.Time
	tried  map[attempt]int // moves for a failure
}

type attempt struct {
	unit       cluster.UnitName
	generation int64
}

func newPast() past {
	return past{map[cluster.MachineID]time.Time{}, map[cluster.MachineID][]time.Time{}, map[cluster.MachineID]time.Time{}, map[place]time.Time{}, map[attempt]int{}}
}

func (w *world) went(id cluster.MachineID) {
	w.past.gone[id] = w.now
	if !w.answering[id] { // else it is out of touch
		w.past.losses[id] = append(w.past.losses[id], w.now)
	}
}

func (w *world) cameBack(id cluster.MachineID) {
	if _, gone := w.past.gone[id]; gone {
		w.past.back[id] = w.now
	}
	delete(w.past.gone, id)
}

// givenUp says that systemd has given the unit up there ten seconds ago, and that it
// may be tried elsewhere.
func (j judge) givenUp(unit cluster.UnitName, on cluster.MachineID) bool {
	at := place{on, unit}
	state, failed := j.states[at]
	return failed && j.wish(unit).restarts && state.Generation == j.units[unit].Generation &&
		j.now.Sub(j.past.failed[at]) >= 10*time.Second &&
		j.past.tried[attempt{unit, state.Generation}] < 2
}

// hasty says which rule of patience a placement breaks that was decided from the
// newest facts.
func (j judge) hasty(change schedule.Change) string {
	c, places := change.(schedule.Place)
	if !places {
		return ""
	}
	unit, to := c.Placement.Unit, c.Placement.Machine
	if _, renewed := j.placements[place{to, unit}]; renewed {
		return ""
	}
	if j.wish(unit).fenced {
		for _, id := range j.on(unit, false) {
			if since, known := j.past.gone[id]; known && j.now.Sub(since) < cluster.FenceHold {
				return "fenced on " + j.names[id] + " for some time to come"
			}
		}
		if others := j.runsBeside(unit, to); len(others) > 0 {
			return "it may still run on " + strings.Join(others, ", ")
		}
	}
	if why := j.unbelieved(c.From); why != "" {
		return why
	}
	if j.unsteady(to) {
		return j.names[to] + " was lost too often"
	}
	return ""
}

// unbelieved says that a machine went at this very moment, with more others than
// is believable.
func (j judge) unbelieved(id cluster.MachineID) string {
	if since, gone := j.past.gone[id]; !gone || !since.Equal(j.now) || j.answering[id] {
		return ""
	}
	lost := 0
	for other, since := range j.past.gone {
		if since.Equal(j.now) && !j.answering[other] {
			lost++
		}
	}
	if lost >= 3 && lost*100 > 40*(lost+len(j.machines)) {
		return fmt.Sprintf("%d of %d vanished at once", lost, lost+len(j.machines))
	}
	return ""
}

// unsteady says that a machine has come back less than a minute ago, for the third
// time within an hour or more often.
func (j judge) unsteady(id cluster.MachineID) bool {
	back, was := j.past.back[id]
	lately := 0
	for _, lost := range j.past.losses[id] {
		if j.now.Sub(lost) < time.Hour {
			lately++
		}
	}
	return was && lately >= 3 && j.now.Sub(back) < time.Minute
}

// TestPatience draws histories in which time passes: what must wait does, and in the
// end all is as it would be had nothing waited.
//
// Planted once, and caught here: a fence passed over; a mass failure believed; a
// lower priority first; a failed unit tried elsewhere at once, or where it has failed,
// as if another leader did not know; a machine lost often given new units; an alarm not set, so that what waits waits for
// ever. Caught by the scenarios alone: a fence forgotten when its unit is destroyed
// and made anew; the budget of restarts not kept.
func TestPatience(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := newHistory(t, unitNames, drawPatient)
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			h.patientStep()
		}
		h.rest()
	})
}

func drawPatient(t *rapid.T, name cluster.UnitName) wish {
	w := wish{fenced: rapid.Bool().Draw(t, "fenced"), restarts: rapid.Bool().Draw(t, "restarts")}
	switch rapid.SampledFrom([]string{"plain", "plain", "conflicts", "peer", "room"}).Draw(t, "kind") {
	case "conflicts":
		w.conflicts = []string{rapid.SampledFrom(globs).Draw(t, "glob")}
	case "peer":
		if peer := rapid.SampledFrom(unitNames).Draw(t, "peer"); peer != name {
			w.peers = []string{string(peer)}
		}
	case "room":
		w.memory, w.priority = 2, rapid.IntRange(-1, 1).Draw(t, "priority")
	}
	return w
}

func (h *history) patientStep() {
	machine := rapid.SampledFrom(machineNames).Draw(h.t, "machine")
	switch rapid.SampledFrom([]string{"join", "lose", "lose", "lose all", "judge", "put", "put", "destroy", "pass", "pass", "plan", "plan", "fail", "fail", "quiet", "leader", "rest"}).Draw(h.t, "do") {
	case "join":
		h.machine(machine, map[string]string{"memory": "4G", "podman": "10.0"})
	case "lose":
		h.lose(machine)
	case "lose all":
		for _, name := range machineNames[rapid.IntRange(0, 2).Draw(h.t, "but"):] {
			h.lose(name)
		}
	case "judge":
		h.answering[machineID(machine)] = rapid.Bool().Draw(h.t, "answers")
	case "put":
		name := rapid.SampledFrom(h.pool).Draw(h.t, "unit")
		h.put(name, h.draw(h.t, name), rapid.SampledFrom([]cluster.Desired{cluster.Launched, cluster.Launched, cluster.Inactive}).Draw(h.t, "desired"))
	case "destroy":
		h.destroy(rapid.SampledFrom(h.pool).Draw(h.t, "unit"))
	case "pass":
		h.now = h.now.Add(rapid.SampledFrom([]time.Duration{time.Second, 9 * time.Second, 30 * time.Second, 3 * time.Minute}).Draw(h.t, "time"))
	case "fail":
		if places := h.places(); len(places) > 0 {
			at := rapid.SampledFrom(places).Draw(h.t, "place")
			h.world.fail(at.unit, at.machine, rapid.SampledFrom([]string{"exit-code", "exit-code", "success"}).Draw(h.t, "result"))
		}
	case "leader":
		h.beginAnew()
	case "quiet":
		if strays := h.strays(); len(strays) > 0 {
			h.quiet(rapid.SampledFrom(strays).Draw(h.t, "stray"))
		}
	case "plan":
		h.inform(h.picture)
		h.planPatiently()
	case "rest":
		h.rest()
	}
	h.inform(h.picture) // news takes no time
	h.picture.Observe(h.now)
}

// beginAnew has another leader read everything.
func (h *history) beginAnew() {
	h.news, h.told = [][]cluster.Event{h.facts()}, 0
	h.picture.Forget()
	for id := range h.past.gone { // of what is gone it hears only where something is placed
		if !slices.ContainsFunc(h.places(), func(at place) bool { return at.machine == id }) {
			delete(h.past.gone, id)
		}
	}
}

// planPatiently plans from the newest facts, at the present time, and has the judge
// look at each change.
func (h *history) planPatiently() {
	changes := h.picture.Plan(h.now, rapid.IntRange(0, 4).Draw(h.t, "limit"))
	for _, change := range changes {
		if why := h.needless(change); why != "" {
			h.fail("a needless change", h.show(change), why)
		}
		if why := h.hasty(change); why != "" {
			h.fail("a hasty change", h.show(change), why)
		}
	}
	if why := h.inverted(changes); why != "" {
		h.fail("a lower priority came first", h.show(changes...), why)
	}
	for _, change := range changes {
		if c, places := change.(schedule.Place); places && c.Moves() && strings.HasPrefix(c.Placement.Reason, "failed on ") {
			h.past.tried[attempt{c.Placement.Unit, c.Placement.Generation}]++
		}
		if !h.write(change) {
			h.fail("decided from the newest facts, and lost its guard", h.show(change))
		}
	}
}

// inverted says whether a unit was refused and another of lower priority that asks
// for the same was placed for the first time.
func (h *history) inverted(changes []schedule.Change) string {
	for _, refused := range changes {
		no, is := refused.(schedule.Refuse)
		if !is || h.placed(no.Unplaced.Unit) > 0 || h.wish(no.Unplaced.Unit).memory == 0 {
			continue
		}
		above := h.wish(no.Unplaced.Unit)
		if above.fenced { // it may have to wait for more than room
			continue
		}
		for _, placed := range changes {
			yes, is := placed.(schedule.Place)
			if !is || h.placed(yes.Placement.Unit) > 0 {
				continue
			}
			if below := h.wish(yes.Placement.Unit); below.memory > 0 && below.priority < above.priority {
				return fmt.Sprintf("%s (%d) before %s (%d)", yes.Placement.Unit, below.priority, no.Unplaced.Unit, above.priority)
			}
		}
	}
	return ""
}

// TestFailoverAtARate loses a quarter of a cluster: when it is clear that no more is
// lost the first move at once, those of high priority before others, and the rest as
// fast as the machines that are left can start them.
//
// Planted once, and caught here: no limit; a lower priority first; those over the
// limit forgotten.
func TestFailoverAtARate(t *testing.T) {
	const machines, units = 20, 8000
	w, p := newWorld(), schedule.New()
	for i := range machines {
		w.machine(fmt.Sprintf("core-%02d", i), nil)
	}
	priority := func(name cluster.UnitName) int { return int(name[4]-'0') % 3 }
	for i := range units {
		name := cluster.UnitName(fmt.Sprintf("u%04d.service", i))
		w.unit(name, cluster.Launched, fleetText(fmt.Sprint("Priority=", priority(name))))
	}
	if _, err := w.settle(p); err != nil {
		t.Fatal(err)
	}
	for i := range machines / 4 {
		w.lose(fmt.Sprintf("core-%02d", i))
	}
	var moved, priorities []int
	for range 1000 {
		w.inform(p)
		changes := p.Plan(w.now, 0)
		if len(changes) > 0 {
			moved = append(moved, len(changes))
		}
		var these []int
		for _, change := range changes {
			these = append(these, priority(change.(schedule.Place).Placement.Unit))
		}
		slices.Sort(these) // a plan's changes come by name
		slices.Reverse(these)
		priorities = append(priorities, these...)
		if len(w.commit(changes...)) > 0 {
			t.Fatal("guards lost")
		}
		if next := p.Next(); !next.IsZero() {
			w.now = next
		} else if len(changes) == 0 {
			break
		}
	}
	want := []int{1000} // two average machines have 1066; and then 150 a second, each tenth of one
	want[0] = 2 * units / (machines - machines/4)
	for left := units/4 - want[0]; left > 0; left -= 15 {
		want = append(want, min(15, left))
	}
	if fmt.Sprint(moved) != fmt.Sprint(want) {
		t.Errorf("moved %v, want %v", moved, want)
	}
	if !slices.IsSortedFunc(priorities, func(a, b int) int { return b - a }) {
		t.Error("a lower priority moved before a higher one")
	}
}
