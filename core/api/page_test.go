package api_test

import (
	"fmt"
	"reflect"
	"testing"

	"pgregory.net/rapid"

	"argosy/core/api"
	"argosy/core/cluster"
)

// TestPagesMakeTheList: pages of any size, one behind the other, are the whole list.
func TestPagesMakeTheList(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		view := api.NewView()
		name := func(label string) cluster.UnitName {
			return cluster.UnitName(fmt.Sprintf("u%d.service", rapid.IntRange(0, 9).Draw(t, label)))
		}
		machine := func(label string) cluster.MachineID {
			return cluster.MachineID(fmt.Sprintf("m%d", rapid.IntRange(0, 3).Draw(t, label)))
		}
		for range rapid.IntRange(0, 20).Draw(t, "facts") {
			if rapid.Bool().Draw(t, "is unit") {
				view.Learn(cluster.UnitChanged{Unit: cluster.Unit{Name: name("unit"), Desired: cluster.Loaded}})
			} else {
				view.Learn(cluster.StateChanged{State: cluster.UnitState{Unit: name("unit"), Machine: machine("machine")}})
			}
		}
		most := rapid.IntRange(1, 5).Draw(t, "most")

		units, after := []api.Unit{}, cluster.UnitName("")
		for more := true; more && len(units) <= len(view.Units(nil)); {
			var page []api.Unit
			page, more = view.UnitPage(after, most)
			if more != (len(units)+len(page) < len(view.Units(nil))) || len(page) > most {
				t.Fatalf("%d units behind %q, more: %v", len(page), after, more)
			}
			if units = append(units, page...); more {
				after = page[len(page)-1].Name
			}
		}
		if !reflect.DeepEqual(units, view.Units(nil)) {
			t.Fatalf("%v, want %v", units, view.Units(nil))
		}

		only := api.StateKey{}
		if rapid.Bool().Draw(t, "one unit") {
			only.Unit = name("only")
		}
		if rapid.Bool().Draw(t, "one machine") {
			only.Machine = machine("only")
		}
		want := []api.State{}
		for _, s := range view.States(only.Machine) {
			if only.Unit == "" || only.Unit == s.Unit {
				want = append(want, s)
			}
		}
		states, from := []api.State{}, api.StateKey{}
		for more := true; more && len(states) <= len(want); {
			var page []api.State
			page, more = view.StatePage(only, from, most)
			if len(page) > most {
				t.Fatalf("%d states on a page of %d", len(page), most)
			}
			if states = append(states, page...); more {
				from = api.StateKey{Unit: page[len(page)-1].Unit, Machine: page[len(page)-1].Machine}
			}
		}
		if !reflect.DeepEqual(states, want) {
			t.Fatalf("%v of %v, want %v", states, only, want)
		}
	})
}
