package schedule_test

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"argosy/core/cluster"
	"argosy/core/schedule"
)

// at is when everything begins: schedule knows no clock.
var at = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// world is the store's side of a test: the facts, and what followers are told.
// It checks the guards that change.go promises and nothing else.
type world struct {
	now        time.Time
	revision   int64
	told       int64 // the revision of the last news
	units      map[cluster.UnitName]cluster.Unit
	contents   map[cluster.Hash]string
	machines   map[cluster.MachineID]cluster.Machine
	names      map[cluster.MachineID]string // of machines that are lost too
	labels     map[cluster.MachineID]cluster.Labels
	placements map[place]cluster.Placement
	unplaced   map[cluster.UnitName]cluster.Unplaced
	states     map[place]cluster.UnitState // of units that have failed
	running    map[place]time.Time         // of units that are to run once at most: until when, zero for no end
	answering  map[cluster.MachineID]bool  // machines whose kernels answer, whether they are there or not
	past       past
	news       [][]cluster.Event // transactions that the follower has not heard of yet
	copied     *schedule.Copy    // of the picture, under way; told what it hears
}

type place struct {
	machine cluster.MachineID
	unit    cluster.UnitName
}

func newWorld() *world {
	return &world{
		now:        at,
		revision:   1,
		units:      map[cluster.UnitName]cluster.Unit{},
		contents:   map[cluster.Hash]string{},
		machines:   map[cluster.MachineID]cluster.Machine{},
		names:      map[cluster.MachineID]string{},
		labels:     map[cluster.MachineID]cluster.Labels{},
		placements: map[place]cluster.Placement{},
		unplaced:   map[cluster.UnitName]cluster.Unplaced{},
		past:       newPast(),
		states:     map[place]cluster.UnitState{},
		answering:  map[cluster.MachineID]bool{},
		running:    map[place]time.Time{},
	}
}

// machineID makes core-07's id begin with 00000007, so that ids and names have
// the same order.
func machineID(name string) cluster.MachineID {
	var n int
	if _, err := fmt.Sscanf(name, "core-%d", &n); err != nil {
		panic(err)
	}
	return cluster.MachineID(fmt.Sprintf("%08d%024d", n, n))
}

// machine brings a machine's record; see account for what its words mean.
func (w *world) machine(name string, metadata map[string]string) {
	w.revision++
	m := cluster.Machine{ID: machineID(name), Revision: w.revision, Name: name}
	m.Metadata, m.Capacity, m.Versions = account(metadata)
	w.cameBack(m.ID)
	w.machines[m.ID], w.names[m.ID] = m, name
	w.tell(cluster.MachineChanged{Machine: m})
}

func (w *world) lose(name string) {
	id := machineID(name)
	if _, there := w.machines[id]; there {
		w.revision++
		delete(w.machines, id)
		w.went(id)
		w.tell(cluster.MachineGone{ID: id})
		w.cutOff(id)
		for at := range w.states {
			if at.machine == id {
				delete(w.states, at)
				w.tell(cluster.StateGone{Machine: id, Unit: at.unit})
			}
		}
	}
}

// fail has systemd give up on a unit where it is placed, or where the result is
// "success", has it run again.
func (w *world) fail(name cluster.UnitName, on cluster.MachineID, result string) {
	at := place{on, name}
	pl, there := w.placements[at]
	if _, up := w.machines[on]; !up || !there {
		return
	}
	w.revision++
	state := cluster.UnitState{Machine: on, Unit: name, Revision: w.revision, Hash: pl.Hash, Generation: pl.Generation,
		Load: "loaded", Active: "failed", Sub: "failed", Result: result, Phase: cluster.Settled}
	if was := w.states[at]; was.Generation != state.Generation { // else it has failed for so long
		w.past.failed[at] = w.now
	}
	if delete(w.states, at); result == "success" {
		w.run(at)
		return
	} else {
		delete(w.running, at)
		w.states[at] = state
	}
	w.tell(cluster.StateChanged{State: state})
}

func (w *world) unit(name cluster.UnitName, desired cluster.Desired, text string) {
	w.revision++
	hash := cluster.HashOf(text)
	if _, known := w.contents[hash]; !known {
		w.contents[hash] = text
		w.tell(cluster.ContentChanged{Hash: hash, Text: text})
	}
	u := w.units[name]
	if u.Hash != hash || u.Desired != desired {
		u.Generation++
	}
	u.Name, u.Revision, u.Hash, u.Desired, u.At = name, w.revision, hash, desired, at
	w.units[name] = u
	w.tell(cluster.UnitChanged{Unit: u})
}

func (w *world) destroy(name cluster.UnitName) {
	if _, there := w.units[name]; there {
		w.revision++
		delete(w.units, name)
		w.tell(cluster.UnitGone{Name: name})
	}
}

// tell adds to what followers will hear; what one transaction wrote comes together.
func (w *world) tell(events ...cluster.Event) {
	if w.told != w.revision {
		w.told = w.revision
		w.news = append(w.news, nil)
	}
	last := &w.news[len(w.news)-1]
	*last = append(*last, events...)
}

// commit writes the changes whose guards hold, one transaction each, and returns
// the others.
func (w *world) commit(changes ...schedule.Change) (lost []schedule.Change) {
	for _, change := range changes {
		if !w.write(change) {
			lost = append(lost, change)
		}
	}
	return lost
}

func (w *world) write(change schedule.Change) bool {
	w.revision++
	switch c := change.(type) {
	case schedule.Place:
		to := c.Placement
		if w.units[to.Unit].Revision != c.UnitRevision || w.machines[to.Machine].Revision != c.MachineRevision ||
			w.labels[to.Machine].Revision != c.LabelsRevision {
			return false
		}
		if _, back := w.machines[c.From]; c.FromGone && back {
			return false
		}
		to.Revision = w.revision
		w.placements[place{to.Machine, to.Unit}] = to
		w.tell(cluster.PlacementChanged{Placement: to})
		w.start(place{to.Machine, to.Unit})
		w.displace(c.From, to.Unit)
		if c.WasUnplaced {
			delete(w.unplaced, to.Unit)
			w.tell(cluster.UnplacedGone{Unit: to.Unit})
		}
	case schedule.Evict:
		if w.units[c.Unit].Revision != c.UnitRevision {
			return false
		}
		w.displace(c.From, c.Unit)
	case schedule.Refuse:
		note := c.Unplaced
		if w.units[note.Unit].Revision != c.UnitRevision {
			return false
		}
		note.Revision = w.revision
		w.unplaced[note.Unit] = note
		w.tell(cluster.UnplacedChanged{Unplaced: note})
		w.displace(c.From, note.Unit)
	case schedule.Absolve:
		if w.unplaced[c.Unit].Revision != c.Revision {
			return false
		}
		delete(w.unplaced, c.Unit)
		w.tell(cluster.UnplacedGone{Unit: c.Unit})
	}
	return true
}

func (w *world) displace(from cluster.MachineID, unit cluster.UnitName) {
	if _, there := w.placements[place{from, unit}]; there {
		delete(w.placements, place{from, unit})
		w.tell(cluster.PlacementGone{Machine: from, Unit: unit})
		if _, failed := w.states[place{from, unit}]; failed {
			delete(w.states, place{from, unit})
			w.tell(cluster.StateGone{Machine: from, Unit: unit})
		}
	}
}

// inform brings a picture up to date.
func (w *world) inform(p *schedule.Picture) {
	w.judge(p)
	w.hear(p, len(w.news))
}

// judge tells a picture what probes say.
func (w *world) judge(p *schedule.Picture) {
	for id, answers := range w.answering {
		p.Judge(id, answers)
	}
}

// hear tells a picture of the oldest few transactions.
func (w *world) hear(p *schedule.Picture, transactions int) {
	for _, events := range w.news[:transactions] {
		p.Learn(events...)
		if w.copied != nil {
			w.copied.Learn(events...)
		}
	}
	w.news = w.news[transactions:]
	if len(w.news) == 0 {
		w.news, w.told = nil, 0
	}
}

// facts is everything as one Reset batch would bring it, in the store's key order.
func (w *world) facts() []cluster.Event {
	var events []cluster.Event
	for _, hash := range slices.Sorted(maps.Keys(w.contents)) {
		events = append(events, cluster.ContentChanged{Hash: hash, Text: w.contents[hash]})
	}
	for _, id := range slices.Sorted(maps.Keys(w.labels)) {
		events = append(events, cluster.LabelsChanged{Labels: w.labels[id]})
	}
	for _, id := range slices.Sorted(maps.Keys(w.machines)) {
		events = append(events, cluster.MachineChanged{Machine: w.machines[id]})
	}
	for _, at := range w.places() {
		events = append(events, cluster.PlacementChanged{Placement: w.placements[at]})
	}
	for at, until := range w.running {
		if until.IsZero() {
			events = append(events, cluster.StateChanged{State: cluster.UnitState{Machine: at.machine, Unit: at.unit, Active: "active", Phase: cluster.Settled}})
		}
	}
	for _, state := range w.states {
		events = append(events, cluster.StateChanged{State: state})
	}
	for _, name := range slices.Sorted(maps.Keys(w.units)) {
		events = append(events, cluster.UnitChanged{Unit: w.units[name]})
	}
	for _, name := range slices.Sorted(maps.Keys(w.unplaced)) {
		events = append(events, cluster.UnplacedChanged{Unplaced: w.unplaced[name]})
	}
	return events
}

func (w *world) places() []place {
	return slices.SortedFunc(maps.Keys(w.placements), func(a, b place) int {
		return cmp.Or(cmp.Compare(a.machine, b.machine), cmp.Compare(a.unit, b.unit))
	})
}

// settle plans and commits until nothing is left to do, and returns all that was
// done. More rounds than that are a fault of the scheduler.
func (w *world) settle(p *schedule.Picture) (done []schedule.Change, err error) {
	return w.settleUntil(p, w.now)
}

// outlast lets time pass, for as long as that may change anything.
func (w *world) outlast(p *schedule.Picture) (done []schedule.Change, err error) {
	return w.settleUntil(p, w.now.Add(24*time.Hour))
}

func (w *world) settleUntil(p *schedule.Picture, end time.Time) (done []schedule.Change, err error) {
	for range 200 {
		w.inform(p)
		changes := p.Plan(w.now, 0)
		if strays := w.strays(); len(changes) == 0 && len(strays) > 0 {
			for _, at := range strays {
				w.quiet(at)
			}
			continue
		}
		if len(changes) == 0 {
			next := p.Next()
			if next.IsZero() || next.After(end) {
				return done, nil
			}
			if next.Before(w.now) {
				return done, fmt.Errorf("it is %s, and the next plan was due at %s", w.now, next)
			}
			w.now = next
		}
		done = append(done, changes...)
		p.Retry(w.commit(changes...)...)
	}
	return done, fmt.Errorf("the plan does not come to rest; its last changes: %s", w.show(done[max(0, len(done)-5):]...))
}

// show prints changes as the scenario files have them.
func (w *world) show(changes ...schedule.Change) string {
	var out strings.Builder
	for _, change := range changes {
		switch c := change.(type) {
		case schedule.Place:
			fmt.Fprintf(&out, "place %s on %s", c.Placement.Unit, w.names[c.Placement.Machine])
			if c.From != "" {
				fmt.Fprintf(&out, " from %s", w.names[c.From])
			}
			fmt.Fprintf(&out, ": %s\n", c.Placement.Reason)
		case schedule.Evict:
			fmt.Fprintf(&out, "evict %s from %s: %s\n", c.Unit, w.names[c.From], c.Reason)
		case schedule.Refuse:
			fmt.Fprintf(&out, "refuse %s", c.Unplaced.Unit)
			if c.From != "" {
				fmt.Fprintf(&out, " from %s", w.names[c.From])
			}
			fmt.Fprintf(&out, ": %s\n", c.Unplaced.Reason)
		case schedule.Absolve:
			fmt.Fprintf(&out, "absolve %s\n", c.Unit)
		}
	}
	return out.String()
}
