package engine

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"argosy/core/cluster"
)

// TestFenceHolds loses the machine of a unit that is to run once at most: it moves
// when its fence has surely stopped it, without any news, and not before.
func TestFenceHolds(t *testing.T) {
	inWorld(t, func(w *world) {
		w.register(1)
		n := w.start(1, "a")
		time.Sleep(cluster.FenceHold) // until then it does not know what one before it ended
		w.register(2)
		body := text + "[X-Fleet]\nOnPartition=stop\nMachineID=" + string(machineID(2)) + "\n"
		w.write("db.service", body)
		w.want("db.service", "2:1")
		w.lose(2)
		w.write("db.service", text+"[X-Fleet]\nOnPartition=stop\n")
		commits, _ := n.tries()
		time.Sleep(cluster.FenceHold - time.Nanosecond)
		w.want("db.service", "2:1")
		if now, _ := n.tries(); now > commits+1 {
			t.Errorf("%d commits while it was held, want one that says so at most", now-commits)
		}
		time.Sleep(time.Nanosecond)
		w.want("db.service", "1:2")
	})
}

// TestStandbyCountsOn has the leader go with a machine whose fenced unit is held:
// the standby that follows has known of the loss as long.
func TestStandbyCountsOn(t *testing.T) {
	inWorld(t, func(w *world) {
		w.register(1)
		first := w.start(1, "a")
		time.Sleep(cluster.FenceHold) // until then it does not know what one before it ended
		w.register(2, 3)
		w.start(2, "b")
		w.write("db.service", text+"[X-Fleet]\nOnPartition=stop\nMachineID="+string(machineID(3))+"\n")
		w.want("db.service", "3:1")
		w.lose(3)
		w.write("db.service", text+"[X-Fleet]\nOnPartition=stop\n")
		time.Sleep(cluster.FenceHold / 2)
		first.end()
		synctest.Wait()
		if w.leader() != 2 {
			t.Fatalf("machine %d leads, want 2", w.leader())
		}
		w.want("db.service", "3:1")
		time.Sleep(cluster.FenceHold / 2)
		synctest.Wait()
		if got := w.placements()["db.service"]; len(got) != 1 || !strings.HasSuffix(got[0], ":2") {
			t.Errorf("placed on %v, want another machine than the lost one", got)
		}
	})
}

// TestMassFailureIsHeld loses more machines at once than is believable.
func TestMassFailureIsHeld(t *testing.T) {
	inWorld(t, func(w *world) {
		w.register(1)
		w.start(1, "a")
		synctest.Wait()
		w.register(2, 3, 4)
		w.ask("a.service", "b.service", "c.service", "d.service")
		synctest.Wait()
		before := w.placements()
		w.lose(2, 3, 4)
		time.Sleep(4 * time.Minute)
		for unit, at := range before {
			w.want(unit, at...)
		}
		w.ask("new.service")
		w.want("new.service", "1:1")
		time.Sleep(2 * time.Minute)
		for unit := range before {
			w.want(unit, "1:1")
		}
	})
}

// write stores a unit with a text, launched.
func (w *world) write(name cluster.UnitName, body string) {
	w.Helper()
	unit := cluster.Unit{Name: name, Hash: cluster.HashOf(body), Desired: cluster.Launched, Generation: 1}
	for _, event := range w.store.Changes(cluster.Everything, 0).Events {
		if known, is := event.(cluster.UnitChanged); is && known.Unit.Name == name {
			unit.Revision, unit.Generation = known.Unit.Revision, known.Unit.Generation+1
		}
	}
	if _, err := w.store.PutUnit(w.Context(), unit, body); err != nil {
		w.Fatal(err)
	}
	synctest.Wait()
}
