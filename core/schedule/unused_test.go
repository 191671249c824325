package schedule_test

import (
	"slices"
	"testing"

	"argosy/core/cluster"
	"argosy/core/schedule"
)

// TestUnused checks that a text is in use while a unit or a placement has it.
func TestUnused(t *testing.T) {
	hash, id := cluster.HashOf, machineID("core-01")
	unit := func(revision int64, text string) cluster.Event {
		return cluster.UnitChanged{Unit: cluster.Unit{Name: "a.service", Revision: revision, Hash: hash(text), Desired: cluster.Launched, Generation: revision}}
	}
	placed := func(revision int64, text string) cluster.Event {
		return cluster.PlacementChanged{Placement: cluster.Placement{Machine: id, Unit: "a.service", Revision: revision, Hash: hash(text)}}
	}
	p := schedule.New()
	want := func(when string, texts ...string) {
		t.Helper()
		var expected []cluster.Hash
		for _, text := range texts {
			expected = append(expected, hash(text))
		}
		slices.Sort(expected)
		if got := p.Unused(); !slices.Equal(got, expected) {
			t.Errorf("%s: unused are %v, want %v", when, got, expected)
		}
	}
	p.Learn(cluster.ContentChanged{Hash: hash("1"), Text: "1"}, cluster.ContentChanged{Hash: hash("2"), Text: "2"})
	want("nothing but texts", "1", "2")
	p.Learn(cluster.MachineChanged{Machine: cluster.Machine{ID: id, Revision: 1}}, unit(2, "1"), placed(3, "1"))
	want("a unit that is placed", "2")
	p.Learn(unit(4, "2"))
	want("its text has changed, its machine has the old one")
	p.Learn(placed(5, "2"))
	want("its machine has the new one", "1")
	p.Learn(cluster.UnitGone{Name: "a.service"})
	want("it was destroyed, its machine has it still", "1")
	p.Learn(cluster.PlacementGone{Machine: id, Unit: "a.service"})
	want("all is gone", "1", "2")
	p.Learn(cluster.ContentGone{Hash: hash("1")})
	want("a text was collected", "2")
}
