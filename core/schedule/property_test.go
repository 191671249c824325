package schedule_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"argosy/core/cluster"
	"argosy/core/schedule"
)

var (
	unitNames    = []cluster.UnitName{"a.service", "b.service", "db.service", "app.service", "w@1.service", "w@2.service", "w@3.service", "log.service", "c.container", "w@4.service", "w@5.service"}
	machineNames = []string{"core-01", "core-02", "core-03", "core-04", "core-05"}
	globs        = []string{"w@*.service", "a.service", "[ab].service", "*", "d*", "w@?.service", "log.service", "nobody.service"}
)

// TestLaws draws histories of a cluster, with a picture that lags behind them and
// changes that lose their guards, and has the naive judge look at every plan that
// was made from the newest facts and at every rest.
//
// Planted once, and caught here: conflicts looked at one way only; a slot that is
// ending not counted; waiting units not woken by a placement's end, a machine's
// joining or a text that conflicts no more; a follower placed on the machine that
// its peer is only on its way to; Retry that keeps the slot; guards broken by
// news but not taken back; what happens to a pending unit forgotten; of two that
// conflict, the older kept instead of the one whose text is the same; another's
// placement, or the end of it, taken for the news of one's own; a placement that
// stays, though older news comes to light of one that conflicts; nothing
// said of a global unit that is nowhere; labels not guarded, not looked at again
// when they change, forgotten with the machine's record or by a renumbering; a unit
// displaced that its peers must be with, that is global, on its way elsewhere or
// not meant, or for a unit that could not be there anyway, for want of room too; two displaced to where they conflict; a displacement given up halfway
// that leaves a slot, or a hold that outlasts its unit's change; one who replaces
// and found no place not tried again when the others can go; a unit of a machine out
// of touch moved, or renewed there.
func TestLaws(t *testing.T) { rapid.Check(t, laws) }

// FuzzLaws is TestLaws with histories that the fuzzer looks for.
func FuzzLaws(f *testing.F) { f.Fuzz(rapid.MakeFuzz(laws)) }

func laws(t *rapid.T) {
	h := newHistory(t, unitNames, nil)
	for range rapid.IntRange(1, 40).Draw(t, "steps") {
		h.step()
	}
	h.rest()
}

// kinds are what the units of a history ask for. A history of few kinds, on
// machines that are there from the start, goes deeper into these.
var kinds = map[string][]string{
	"all":      {"plain", "conflicts", "conflicts", "replaces", "peers", "machine", "global"},
	"replaces": {"plain", "plain", "replaces", "replaces", "replaces", "conflicts", "peers"},
}

// newHistory begins a history of units that ask for what draw, or where that is
// nil one of kinds, has them ask for.
func newHistory(t *rapid.T, units []cluster.UnitName, draw func(*rapid.T, cluster.UnitName) wish) *history {
	h := &history{t: t, judge: judge{world: newWorld(), wishes: map[cluster.Hash]wish{}}, picture: schedule.New(), pool: units, draw: draw}
	if draw == nil {
		asked := kinds[rapid.SampledFrom([]string{"all", "replaces"}).Draw(t, "kinds")]
		h.draw = func(t *rapid.T, name cluster.UnitName) wish { return drawWish(t, name, asked) }
	}
	for _, name := range machineNames[:rapid.IntRange(0, 4).Draw(t, "machines")] {
		h.machine(name, map[string]string{"memory": "4G", "gpu": "2", "podman": "10.0"})
	}
	return h
}

// history is one drawn life of a cluster.
type history struct {
	t *rapid.T
	judge
	picture *schedule.Picture
	pool    []cluster.UnitName // of units that it draws from
	draw    func(*rapid.T, cluster.UnitName) wish
}

// fail ends a history. What is wrong names the broken law alone, so that rapid,
// which shrinks only to the same words, may leave out all that does not matter.
func (h *history) fail(wrong string, details ...string) {
	for _, detail := range details {
		h.t.Log(detail)
	}
	h.t.Fatal(wrong)
}

func (h *history) step() {
	switch rapid.SampledFrom([]string{"join", "lose", "judge", "label", "put", "put", "put", "destroy", "plan", "plan", "late", "late", "hear", "foreign", "end", "leader", "rest"}).Draw(h.t, "do") {
	case "join":
		h.machine(rapid.SampledFrom(machineNames).Draw(h.t, "machine"), drawMachine(h.t))
	case "lose":
		h.lose(rapid.SampledFrom(machineNames).Draw(h.t, "machine"))
	case "judge":
		h.answering[machineID(rapid.SampledFrom(machineNames).Draw(h.t, "machine"))] = rapid.Bool().Draw(h.t, "answers")
	case "label":
		h.label(rapid.SampledFrom(machineNames).Draw(h.t, "machine"), drawLabels(h.t))
	case "put":
		name := rapid.SampledFrom(h.pool).Draw(h.t, "unit")
		h.put(name, h.draw(h.t, name), rapid.SampledFrom([]cluster.Desired{cluster.Launched, cluster.Launched, cluster.Loaded, cluster.Inactive}).Draw(h.t, "desired"))
	case "destroy":
		h.destroy(rapid.SampledFrom(h.pool).Draw(h.t, "unit"))
	case "foreign":
		if name := rapid.SampledFrom(h.pool).Draw(h.t, "unit"); h.wanted(name) {
			h.foreign(name, machineID(rapid.SampledFrom(machineNames).Draw(h.t, "machine")))
		}
	case "end":
		if places := h.places(); len(places) > 0 {
			at := rapid.SampledFrom(places).Draw(h.t, "place")
			h.end(at.unit, at.machine)
		}
	case "leader":
		h.news, h.told = [][]cluster.Event{h.facts()}, 0
		h.picture.Forget()
	case "plan":
		h.inform(h.picture)
		h.planAndCommit()
	case "late":
		h.late()
	case "hear":
		h.hear(h.picture, rapid.IntRange(0, len(h.news)).Draw(h.t, "transactions"))
	case "rest":
		h.rest()
	}
}

func (h *history) put(name cluster.UnitName, w wish, desired cluster.Desired) {
	h.wishes[cluster.HashOf(w.text())] = w
	h.unit(name, desired, w.text())
}

// late plans from whatever the picture has heard, and has something happen before
// the commit that the plan does not know. A guard that is lost to that needs no
// Retry: the news of what broke it will come.
func (h *history) late() {
	changes := h.picture.Plan(h.now, rapid.IntRange(0, 3).Draw(h.t, "limit"))
	for range rapid.IntRange(0, 3).Draw(h.t, "meanwhile") {
		h.meanwhile(changes)
	}
	heard := len(h.news)
	if lost := h.commit(changes...); rapid.Bool().Draw(h.t, "retry") {
		h.picture.Retry(lost...)
	}
	if rapid.Bool().Draw(h.t, "early") { // its own writes, ahead of what else has happened
		for _, events := range h.news[heard:] {
			h.picture.Learn(events...)
		}
	}
}

// meanwhile has something happen between a plan and its commit, often to what is
// planned: elsewhere it would seldom matter.
func (h *history) meanwhile(changes []schedule.Change) {
	unit := rapid.SampledFrom(h.pool).Draw(h.t, "unit")
	machine := rapid.SampledFrom(machineNames).Draw(h.t, "machine")
	if len(changes) > 0 {
		change := rapid.SampledFrom(changes).Draw(h.t, "change")
		if rapid.Bool().Draw(h.t, "to its unit") {
			unit = cluster.UnitName(unitOf(change))
		}
		if pl, ok := change.(schedule.Place); ok && rapid.Bool().Draw(h.t, "to its machine") {
			machine = h.names[pl.Placement.Machine]
		}
	}
	switch rapid.SampledFrom([]string{"join", "lose", "label", "destroy", "foreign", "passing", "remark", "silence"}).Draw(h.t, "do") {
	case "join":
		h.machine(machine, drawMachine(h.t))
	case "lose":
		h.lose(machine)
	case "label":
		h.label(machine, drawLabels(h.t))
	case "destroy":
		h.destroy(unit)
	case "foreign":
		if h.wanted(unit) {
			h.foreign(unit, machineID(machine))
		}
	case "passing":
		if h.wanted(unit) {
			h.foreign(unit, machineID(machine))
			h.end(unit, machineID(machine))
		}
	case "remark":
		if h.wanted(unit) {
			h.write(schedule.Refuse{
				Unplaced:     cluster.Unplaced{Unit: unit, Generation: h.units[unit].Generation, Reason: "somebody else says so"},
				UnitRevision: h.units[unit].Revision,
			})
		}
	case "silence":
		if note, there := h.unplaced[unit]; there {
			h.write(schedule.Absolve{Unit: unit, Revision: note.Revision})
		}
	}
}

// planAndCommit plans from the newest facts and commits some of the changes, in
// any order: none may lean on another.
func (h *history) planAndCommit() {
	changes := h.picture.Plan(h.now, rapid.IntRange(0, 4).Draw(h.t, "limit"))
	if !slices.IsSortedFunc(changes, func(a, b schedule.Change) int { return strings.Compare(unitOf(a), unitOf(b)) }) {
		h.fail("the plan is not sorted by unit", h.show(changes...))
	}
	touched := map[string]bool{}
	for _, change := range changes {
		for _, key := range keysOf(change) {
			if touched[key] {
				h.fail("two changes of one plan write one key", key, h.show(changes...))
			}
			touched[key] = true
		}
		if why := h.needless(change); why != "" {
			h.fail("a needless change", h.show(change), why)
		}
	}
	if why := h.notBest(changes); why != "" {
		h.fail("not the best machine", h.show(changes...), why)
	}
	var dropped []schedule.Change
	for _, change := range rapid.Permutation(changes).Draw(h.t, "order") {
		if rapid.IntRange(0, 3).Draw(h.t, "guard") == 0 {
			dropped = append(dropped, change)
			continue
		}
		if pl, ok := change.(schedule.Place); ok {
			if _, renewed := h.placements[place{pl.Placement.Machine, pl.Placement.Unit}]; !renewed {
				if why := h.objection(pl.Placement.Unit, pl.Placement.Machine); why != "" {
					h.fail("a change that leans on another", h.show(change), why)
				}
			}
		}
		if !h.write(change) {
			h.fail("decided from the newest facts, and lost its guard", h.show(change))
		}
	}
	h.picture.Retry(dropped...)
}

// rest lets the picture work until nothing is left to do, and looks at all.
func (h *history) rest() {
	done, err := h.outlast(h.picture)
	if err != nil {
		h.fail("the plan does not come to rest", err.Error())
	}
	if wrong := h.atRest(); len(wrong) > 0 {
		h.fail("wrong at rest", append([]string{"after " + h.show(done...)}, wrong...)...)
	}
	// A leader that reads everything anew, in whatever order, finds nothing to do
	// but to name another of several units in the way, or of several wants.
	anew := h.leader()
	facts := h.facts()
	rand.New(rand.NewPCG(1, uint64(len(facts)))).Shuffle(len(facts), func(a, b int) { facts[a], facts[b] = facts[b], facts[a] })
	anew.Learn(facts...)
	for _, change := range anew.Plan(h.now, 0) {
		if r, worded := change.(schedule.Refuse); !worded || r.From != "" || !ofOthers(h.unplaced[r.Unplaced.Unit].Reason) {
			h.fail("a new leader finds work", h.show(change))
		}
	}
	// Facts told again change nothing.
	h.picture.Learn(facts...)
	if changes := h.picture.Plan(h.now, 0); len(changes) > 0 {
		h.fail("facts told twice change something", h.show(changes...))
	}
}

// leader is a new picture that knows what probes say, and no facts yet.
func (w *world) leader() *schedule.Picture {
	p := schedule.New()
	w.judge(p)
	return p
}

// TestOrderOfFacts checks that a plan hangs on the facts alone, not on the order
// in which they were told.
func TestOrderOfFacts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := newHistory(t, unitNames, nil)
		for range rapid.IntRange(1, 30).Draw(t, "steps") {
			h.step()
		}
		facts := h.facts()
		one, other := h.leader(), h.leader()
		one.Learn(facts...)
		other.Learn(rapid.Permutation(facts).Draw(t, "facts")...)
		want, got := one.Plan(h.now, 0), other.Plan(h.now, 0)
		if !reflect.DeepEqual(want, got) {
			h.fail("the plan hangs on the order of facts", "one: "+h.show(want...), "another: "+h.show(got...))
		}
	})
}

// ofOthers says that a reason hangs on what else is placed: it is not written
// again whenever that changes.
func ofOthers(reason string) bool {
	return strings.Contains(reason, "conflict") || strings.Contains(reason, " free (") || strings.Contains(reason, " as many of ") || strings.Contains(reason, " it replaces ")
}

func unitOf(change schedule.Change) string {
	switch c := change.(type) {
	case schedule.Place:
		return string(c.Placement.Unit)
	case schedule.Evict:
		return string(c.Unit)
	case schedule.Refuse:
		return string(c.Unplaced.Unit)
	case schedule.Absolve:
		return string(c.Unit)
	}
	panic(fmt.Sprintf("unknown change %T", change))
}

// keysOf is what a change writes in the store.
func keysOf(change schedule.Change) (keys []string) {
	placement := func(machine cluster.MachineID) {
		if machine != "" {
			keys = append(keys, fmt.Sprintf("placements/%s/%s", machine, unitOf(change)))
		}
	}
	unplaced := "unplaced/" + unitOf(change)
	switch c := change.(type) {
	case schedule.Place:
		placement(c.Placement.Machine)
		placement(c.From)
		if c.WasUnplaced {
			keys = append(keys, unplaced)
		}
	case schedule.Evict:
		placement(c.From)
	case schedule.Refuse:
		placement(c.From)
		keys = append(keys, unplaced)
	case schedule.Absolve:
		keys = append(keys, unplaced)
	}
	return keys
}

func drawMetadata(t *rapid.T) map[string]string {
	m := map[string]string{}
	for _, key := range []string{"region", "disk"} {
		if value := rapid.SampledFrom([]string{"", "x", "y"}).Draw(t, key); value != "" {
			m[key] = value
		}
	}
	return m
}

// drawLabels draws what an operator says of a machine, which may be that it has
// not what it says.
func drawLabels(t *rapid.T) map[string]string {
	set := map[string]string{}
	for _, key := range []string{"region", "disk"} {
		if value := rapid.SampledFrom([]string{"nothing", "", "x", "y"}).Draw(t, key); value != "nothing" {
			set[key] = value
		}
	}
	return set
}

// drawWish draws what fleet allows together.
func drawWish(t *rapid.T, name cluster.UnitName, kinds []string) wish {
	w := wish{metadata: maps.Clone(drawMetadata(t))}
	if rapid.IntRange(0, 2).Draw(t, "anywhere") > 0 {
		w.metadata = nil
	}
	switch rapid.SampledFrom(kinds).Draw(t, "kind") {
	case "conflicts":
		w.conflicts = rapid.SliceOfNDistinct(rapid.SampledFrom(globs), 1, 2, rapid.ID[string]).Draw(t, "globs")
	case "replaces":
		w.replaces = rapid.SliceOfNDistinct(rapid.SampledFrom(globs), 1, 2, rapid.ID[string]).Draw(t, "globs")
	case "peers":
		peers := rapid.SliceOfNDistinct(rapid.SampledFrom(unitNames), 1, 2, rapid.ID[cluster.UnitName]).Draw(t, "peers")
		for _, peer := range peers {
			if peer != name {
				w.peers = append(w.peers, string(peer))
			}
		}
		if rapid.Bool().Draw(t, "and conflicts") {
			w.conflicts = []string{rapid.SampledFrom(globs).Draw(t, "glob")}
			w.peers = slices.DeleteFunc(w.peers, func(peer string) bool { return matchesAny(w.conflicts, cluster.UnitName(peer)) })
		}
	case "machine":
		w.machine = string(machineID(rapid.SampledFrom(machineNames).Draw(t, "machine"))[:8])
	case "global":
		w.global = true
		if rapid.Bool().Draw(t, "and conflicts") {
			w.conflicts = []string{rapid.SampledFrom(globs).Draw(t, "glob")}
		}
	}
	w.words = drawWords(t, name, w)
	return w
}
