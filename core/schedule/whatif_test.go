package schedule_test

import (
	"maps"
	"reflect"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"argosy/core/cluster"
	"argosy/core/schedule"
)

// TestWhatIf checks at moments of drawn histories, at rest and in the midst of
// work, that WhatIf tells what would happen to a leader that knows the same facts,
// and that its picture plans afterwards what it would have planned without it.
//
// Planted once, and caught here: the asking picture planned from; labels, lost
// machines or their placements not copied; what was due anyway told as well; one
// round only; events of a revision that is known passed over.
func TestWhatIf(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := newHistory(t, unitNames, nil)
		for range rapid.IntRange(1, 30).Draw(t, "steps") {
			h.step()
		}
		h.inform(h.picture)
		for range 2 { // what this picture alone has seen of machines that come and go is long ago
			h.picture.Observe(h.now)
			h.now = h.now.Add(2 * time.Hour)
		}
		h.picture.Observe(h.now)
		if rapid.Bool().Draw(t, "rest") {
			h.rest()
		}
		h.rehearse()
	})
}

func (h *history) rehearse() {
	twin := h.clone()
	twin.news = [][]cluster.Event{twin.facts()}
	leader := schedule.New()
	if _, err := twin.outlast(leader); err != nil {
		h.fail("a new leader does not come to rest", err.Error())
	}
	h.now = twin.now.Add(2 * time.Hour)
	twin.now = h.now
	leader.Observe(h.now)
	h.picture.Observe(h.now)
	machine := rapid.SampledFrom(machineNames).Draw(h.t, "machine")
	unit := rapid.SampledFrom(unitNames).Draw(h.t, "unit")
	switch rapid.SampledFrom([]string{"join", "lose", "label", "put", "destroy"}).Draw(h.t, "what if") {
	case "join":
		twin.machine(machine, drawMachine(h.t))
	case "lose":
		twin.lose(machine)
	case "label":
		twin.label(machine, drawLabels(h.t))
	case "put":
		twin.unit(unit, cluster.Launched, h.draw(h.t, unit).text())
	case "destroy":
		twin.destroy(unit)
	}
	var events []cluster.Event
	for _, news := range twin.news {
		events = append(events, unstamped(news)...)
	}
	want, err := twin.outlast(leader)
	if err != nil {
		h.fail("a leader does not come to rest", err.Error())
	}
	told := h.picture.WhatIf(h.now, events...)
	if again := h.picture.WhatIf(h.now, events...); !reflect.DeepEqual(told, again) {
		h.fail("asked twice, told two things", twin.show(told...), twin.show(again...))
	}
	if got, want := twin.named(twin.show(told...)), twin.named(twin.show(want...)); got != want {
		h.fail("told something else than would happen", "told: "+got, "would happen: "+want)
	}
	h.rest()
}

// named gives lost machines their names, which a new leader does not know.
func (w *world) named(shown string) string {
	for id, name := range w.names {
		shown = strings.ReplaceAll(shown, id.Short(), name)
	}
	return shown
}

// unstamped has events as somebody makes them up who knows no revisions.
func unstamped(events []cluster.Event) []cluster.Event {
	plain := make([]cluster.Event, len(events))
	for i, event := range events {
		switch e := event.(type) {
		case cluster.UnitChanged:
			e.Unit.Revision = 0
			plain[i] = e
		case cluster.MachineChanged:
			e.Machine.Revision = 0
			plain[i] = e
		case cluster.LabelsChanged:
			e.Labels.Revision = 0
			plain[i] = e
		default:
			plain[i] = event
		}
	}
	return plain
}

// clone is a world of its own with the same facts.
func (w *world) clone() *world {
	return &world{
		now: w.now, past: newPast(), revision: w.revision, told: w.told,
		units: maps.Clone(w.units), contents: maps.Clone(w.contents), machines: maps.Clone(w.machines),
		names: maps.Clone(w.names), labels: maps.Clone(w.labels),
		placements: maps.Clone(w.placements), unplaced: maps.Clone(w.unplaced), answering: maps.Clone(w.answering), states: maps.Clone(w.states),
	}
}

// TestPictureUnchangedByWhatIf plans with two pictures that know and have handed
// out the same, one of which was asked meanwhile.
func TestPictureUnchangedByWhatIf(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := newHistory(t, unitNames, nil)
		for range rapid.IntRange(1, 20).Draw(t, "steps") {
			h.step()
		}
		asked, other := schedule.New(), schedule.New()
		for _, p := range []*schedule.Picture{asked, other} {
			p.Learn(h.facts()...)
			p.Plan(at, 2) // some of it is under way
		}
		asked.WhatIf(h.now, cluster.MachineGone{ID: machineID("core-01")})
		for _, unit := range unitNames {
			asked.Why(unit)
		}
		h.machine("core-05", nil)
		h.lose("core-02")
		for _, p := range []*schedule.Picture{asked, other} {
			for _, news := range h.news {
				p.Learn(news...)
			}
		}
		if got, want := asked.Plan(h.now, 0), other.Plan(h.now, 0); !reflect.DeepEqual(got, want) {
			h.fail("a picture plans something else after it was asked", h.show(got...), "not asked: "+h.show(want...))
		}
	})
}
