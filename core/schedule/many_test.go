package schedule_test

import (
	"fmt"
	"strings"
	"testing"

	"argosy/core/cluster"
	"argosy/core/schedule"
)

// TestManyMachines looks at what is kept otherwise once machines, or amounts that
// are asked for, are many: limits and balance still hold to the letter, also
// after a machine has joined between those that are there.
func TestManyMachines(t *testing.T) {
	w, p := newWorld(), schedule.New()
	join := func(n int) {
		w.machine(fmt.Sprintf("core-%d", n), map[string]string{"memory": "1G", "region": fmt.Sprintf("r%d", n%3)})
	}
	for i := range 60 {
		join(2 + 2*i)
	}
	const limited = "MaxPerMachine=2"
	for i := range 90 {
		w.unit(cluster.UnitName(fmt.Sprintf("w@%03d.service", i)), cluster.Launched, fleetText(limited, "Spread=region machine"))
	}
	settle(t, w, p)
	join(1)
	join(61)
	for i := range 40 {
		w.unit(cluster.UnitName(fmt.Sprintf("w@%03d.service", 90+i)), cluster.Launched, fleetText(limited, "Spread=machine"))
	}
	settle(t, w, p)
	perMachine, perRegion := map[cluster.MachineID]int{}, map[string]int{}
	for at := range w.placements {
		perMachine[at.machine]++
		perRegion[w.machines[at.machine].Metadata["region"]]++
	}
	if len(w.unplaced) != 6 || len(w.placements) != 124 {
		t.Errorf("%d are placed and %d refused; 62 machines take 124 of 130", len(w.placements), len(w.unplaced))
	}
	for id, n := range perMachine {
		if n != 2 {
			t.Errorf("%s has %d", w.names[id], n)
		}
	}
	w.destroy("w@000.service")
	w.destroy("w@001.service")
	settle(t, w, p)
	if len(w.unplaced) != 4 {
		t.Errorf("%d are refused after two have left, by regions %v", len(w.unplaced), perRegion)
	}
}

// TestManyAmounts: no two units reserve as much, and more come free at once than
// are tried one by one.
func TestManyAmounts(t *testing.T) {
	w, p := newWorld(), schedule.New()
	for i := range 20 {
		w.machine(fmt.Sprintf("core-%d", 10+i), map[string]string{"memory": "1G"})
	}
	for i := range 1200 { // 20 of them fit beside nothing
		w.unit(cluster.UnitName(fmt.Sprintf("a-%04d.service", i)), cluster.Launched, fleetText(fmt.Sprintf("Reserve=memory=%dK", 600_000+i)))
	}
	settle(t, w, p)
	if len(w.placements) != 20 || len(w.unplaced) != 1180 {
		t.Fatalf("%d are placed, %d refused", len(w.placements), len(w.unplaced))
	}
	for i := range 15 {
		w.destroy(cluster.UnitName(fmt.Sprintf("a-%04d.service", i)))
	}
	settle(t, w, p)
	if len(w.placements) != 20 || len(w.unplaced) != 1165 {
		t.Errorf("after 15 have left %d are placed, %d refused", len(w.placements), len(w.unplaced))
	}
}

// TestRoomThatComesFreeWakesFew: of those that wait for room, as many are looked
// at as may have it.
func TestRoomThatComesFreeWakesFew(t *testing.T) {
	w, p := newWorld(), schedule.New()
	w.machine("core-01", map[string]string{"memory": "3G"})
	for i := range 5 {
		w.unit(cluster.UnitName(fmt.Sprintf("w-%d.service", i)), cluster.Launched, fleetText("Reserve=memory=1G"))
	}
	w.unit("other.service", cluster.Launched, fleetText("Reserve=memory=1G", "MachineMetadata=region=mars"))
	settle(t, w, p)
	w.destroy("w-0.service")
	done := settle(t, w, p)
	want := "evict w-0.service from core-01: w-0.service was destroyed\nplace w-3.service on core-01: the only machine that fits\n"
	if got := w.show(done...); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	if note := w.unplaced["w-4.service"].Reason; !strings.Contains(note, "less than 1 GiB of memory free") {
		t.Errorf("the one that waits: %s", note)
	}
}

func settle(t *testing.T, w *world, p *schedule.Picture) []schedule.Change {
	t.Helper()
	done, err := w.settle(p)
	if err != nil {
		t.Fatal(err)
	}
	return done
}
