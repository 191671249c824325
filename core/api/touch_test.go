package api

import (
	"reflect"
	"testing"

	"argosy/core/cluster"
)

// What is placed on a machine that is out of touch is listed, on pages too, though its
// state went with the lease; no more once the machine is lost, or has left.
func TestUnitsOfAMachineOutOfTouchAreListed(t *testing.T) {
	v := NewView()
	v.Learn(
		cluster.MachineChanged{Machine: cluster.Machine{ID: one, Name: "core-01", Address: "10.0.0.1"}},
		cluster.PlacementChanged{Placement: cluster.Placement{Machine: two, Unit: "a.service", Generation: 1}},
		cluster.StateChanged{State: cluster.UnitState{Machine: one, Unit: "a.service", Active: "active"}},
		cluster.ProbesChanged{Probes: cluster.Probes{Machine: one, Targets: []cluster.Target{{Machine: two, Name: "core-02", Address: "10.0.0.2"}}}},
	)
	there := State{Unit: "a.service", Machine: one, IP: "10.0.0.1", Active: "active"}
	away := State{Unit: "a.service", Machine: two, IP: "10.0.0.2", Active: "unknown", Sub: "out-of-touch", Phase: cluster.Settled, OutOfTouch: true}
	s := v.Snapshot()
	defer s.End()
	check := func(when string, got []State, want ...State) {
		t.Helper()
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v, want %+v", when, got, want)
		}
	}
	check("out of touch", v.States(""), there, away)
	check("one machine's", v.States(two), away)
	v.Learn(cluster.DepartedChanged{Departed: cluster.Departed{Machine: two}})
	check("it has left", v.States(""), there)
	first, more := s.States("", StateKey{}, 1)
	second, rest := s.States("", StateKey{"a.service", one}, 1)
	check("the first page", first, there)
	check("the second page", second, away)
	if !more || rest {
		t.Errorf("more behind the first page: %t, behind the second: %t", more, rest)
	}
}
