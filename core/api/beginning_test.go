package api_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"argosy/core/api"
	"argosy/core/cluster"
)

// TestBeginningsAreOfTheList: the first of those in the whole list that fit.
func TestBeginningsAreOfTheList(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		view := api.NewView()
		word := rapid.StringMatching(`[ab]{0,3}`)
		for range rapid.IntRange(0, 20).Draw(t, "facts") {
			name := word.Draw(t, "name")
			switch unit := cluster.UnitName("u" + name + ".service"); rapid.IntRange(0, 2).Draw(t, "kind") {
			case 0:
				view.Learn(cluster.UnitChanged{Unit: cluster.Unit{Name: unit, Desired: cluster.Loaded}})
			case 1:
				view.Learn(cluster.StateChanged{State: cluster.UnitState{Unit: unit, Machine: "m"}}) // of a unit that is gone
			default:
				view.Learn(cluster.MachineChanged{Machine: cluster.Machine{ID: cluster.MachineID("m" + name), Name: "h" + word.Draw(t, "host")}})
			}
		}
		b := api.Beginning{Prefix: rapid.SampledFrom([]string{"", "u", "h", "m"}).Draw(t, "kind") + word.Draw(t, "prefix"), Most: rapid.IntRange(0, 5).Draw(t, "most")}
		fits := func(name string) bool { return strings.HasPrefix(name, b.Prefix) }

		var units, machines []string
		for _, u := range view.Units(nil) {
			if fits(string(u.Name)) {
				units = append(units, string(u.Name))
			}
		}
		for _, m := range view.Machines(false) {
			if fits(m.Name) || fits(string(m.ID)) {
				machines = append(machines, string(m.ID))
			}
		}
		first := func(names []string) string {
			if b.Most > 0 && len(names) > b.Most {
				names = names[:b.Most]
			}
			return fmt.Sprint(names)
		}
		var gotUnits, gotMachines []string
		for _, u := range view.UnitsBeginning(b) {
			gotUnits = append(gotUnits, string(u.Name))
		}
		for _, m := range view.MachinesBeginning(b) {
			gotMachines = append(gotMachines, string(m.ID))
		}
		if fmt.Sprint(gotUnits) != first(units) || fmt.Sprint(gotMachines) != first(machines) {
			t.Fatalf("%+v: units %v of %v, machines %v of %v", b, gotUnits, units, gotMachines, machines)
		}
		if !slices.IsSorted(gotUnits) {
			t.Fatalf("%v", gotUnits)
		}
	})
}
