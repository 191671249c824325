package schedule_test

import (
	"fmt"
	"reflect"
	"testing"

	"argosy/core/cluster"
	"argosy/core/schedule"
)

// TestOlderFactsChangeNothing checks that a fact which comes late, after a newer
// one of the same thing, is passed over.
func TestOlderFactsChangeNothing(t *testing.T) {
	text, hash := fleetText(), cluster.HashOf(fleetText())
	id := machineID("core-01")
	machine := func(revision int64, region string) cluster.Event {
		return cluster.MachineChanged{Machine: cluster.Machine{ID: id, Revision: revision, Name: "core-01", Metadata: map[string]string{"region": region}}}
	}
	unit := func(revision, generation int64, desired cluster.Desired) cluster.Event {
		return cluster.UnitChanged{Unit: cluster.Unit{Name: "a.service", Revision: revision, Hash: hash, Desired: desired, Generation: generation}}
	}
	placed := func(revision, generation int64) cluster.Event {
		return cluster.PlacementChanged{Placement: cluster.Placement{Machine: id, Unit: "a.service", Revision: revision, Hash: hash, Desired: cluster.Launched, Generation: generation}}
	}
	p := schedule.New()
	p.Learn(cluster.ContentChanged{Hash: hash, Text: text}, machine(10, "eu"), unit(11, 2, cluster.Launched), placed(12, 2))
	if changes := p.Plan(at, 0); len(changes) > 0 {
		t.Fatalf("nothing was due, but the plan is %v", changes)
	}
	for name, late := range map[string]cluster.Event{
		"machine": machine(4, "us"), "unit": unit(5, 1, cluster.Inactive), "placement": placed(6, 1),
		"machine again": machine(10, "us"), "unit again": unit(11, 3, cluster.Inactive), "placement again": placed(12, 1),
		"content again":  cluster.ContentChanged{Hash: hash, Text: "[X-Fleet]\nMachineID=nonsense\n"},
		"unknown unit":   cluster.UnitGone{Name: "b.service"},
		"unknown place":  cluster.PlacementGone{Machine: id, Unit: "b.service"},
		"unknown lost":   cluster.MachineGone{ID: machineID("core-02")},
		"not refused":    cluster.UnplacedGone{Unit: "a.service"},
		"what it skips":  cluster.StateGone{Machine: id, Unit: "a.service"},
		"content unused": cluster.ContentGone{Hash: hash},
	} {
		if p.Learn(late); len(p.Plan(at, 0)) > 0 {
			t.Errorf("%s: a late fact made a plan", name)
		}
	}
}

// TestUnitWaitsForItsText checks that nothing is decided about a unit whose text
// has not come yet, but that what is no longer wanted ends all the same.
func TestUnitWaitsForItsText(t *testing.T) {
	text, hash := fleetText("Global=true"), cluster.HashOf(fleetText("Global=true"))
	id := machineID("core-01")
	unit := cluster.Unit{Name: "a.service", Revision: 1, Hash: hash, Desired: cluster.Launched, Generation: 1}
	p := schedule.New()
	p.Learn(cluster.MachineChanged{Machine: cluster.Machine{ID: id, Revision: 2}}, cluster.UnitChanged{Unit: unit})
	if changes := p.Plan(at, 0); len(changes) > 0 {
		t.Fatalf("decided without the text: %v", changes)
	}
	p.Learn(cluster.ContentChanged{Hash: hash, Text: text})
	want := []schedule.Change{schedule.Place{
		Placement: cluster.Placement{Machine: id, Unit: "a.service", Hash: hash, Desired: cluster.Launched, Generation: 1,
			Reason: "runs on every machine that fits", At: at},
		UnitRevision: 1, MachineRevision: 2,
	}}
	if got := p.Plan(at, 0); !reflect.DeepEqual(got, want) {
		t.Fatalf("with the text:\n got %v\nwant %v", got, want)
	}

	p.Forget()
	unit.Desired = cluster.Inactive
	p.Learn(cluster.UnitChanged{Unit: unit},
		cluster.PlacementChanged{Placement: cluster.Placement{Machine: id, Unit: "a.service", Revision: 3}})
	if changes := p.Plan(at, 0); len(changes) != 1 || !reflect.DeepEqual(changes[0], schedule.Evict{
		Unit: "a.service", From: id, Reason: "a.service is no longer wanted on a machine", UnitRevision: 1}) {
		t.Fatalf("an unwanted unit without its text: %v", changes)
	}
	p.Learn(cluster.UnitGone{Name: "a.service"})
	p.Learn(cluster.ContentChanged{Hash: hash, Text: text}) // for a unit that has gone meanwhile
	if changes := p.Plan(at, 0); len(changes) != 1 {
		t.Fatalf("the eviction lost its guard and must come again: %v", changes)
	}
}

// TestTwinsOfOneTransaction has two placements of a unit that are of one age.
func TestTwinsOfOneTransaction(t *testing.T) {
	text, hash := fleetText(), cluster.HashOf(fleetText())
	p := schedule.New()
	p.Learn(cluster.ContentChanged{Hash: hash, Text: text},
		cluster.UnitChanged{Unit: cluster.Unit{Name: "a.service", Revision: 1, Hash: hash, Desired: cluster.Launched, Generation: 1}})
	for _, name := range []string{"core-02", "core-01"} {
		id := machineID(name)
		p.Learn(cluster.MachineChanged{Machine: cluster.Machine{ID: id, Revision: 2, Name: name}},
			cluster.PlacementChanged{Placement: cluster.Placement{Machine: id, Unit: "a.service", Revision: 3, Hash: hash, Desired: cluster.Launched, Generation: 1}})
	}
	want := []schedule.Change{schedule.Evict{
		Unit: "a.service", From: machineID("core-02"), UnitRevision: 1,
		Reason: "it runs on more than one machine; the copy on core-01 stays, as the one on the machine with the lower id",
	}}
	if got := p.Plan(at, 0); !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// TestNewMachinesAmongOld checks that machines keep the order of their ids when
// one joins between those that are there, with sets longer than a word and a
// pattern that matters on many machines.
func TestNewMachinesAmongOld(t *testing.T) {
	w, p := newWorld(), schedule.New()
	for i := range 100 {
		w.machine(fmt.Sprintf("core-%d", 2+2*((i*37)%100)), nil) // every even number, in no order
	}
	apart := fleetText("Conflicts=w@*.service")
	for i := range 99 {
		w.unit(cluster.UnitName(fmt.Sprintf("w@%02d.service", i)), cluster.Launched, apart)
	}
	if _, err := w.settle(p); err != nil {
		t.Fatal(err)
	}
	w.machine("core-1", nil)
	w.machine("core-51", nil)
	w.unit("w@99.service", cluster.Launched, apart)
	w.unit("z.service", cluster.Launched, fleetText())
	done, err := w.settle(p)
	if err != nil {
		t.Fatal(err)
	}
	want := "place w@99.service on core-1: least loaded of 3 machines that fit\n" +
		"place z.service on core-51: least loaded of 102 machines that fit\n"
	if got := w.show(done...); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}
