package agent_test

import (
	"fmt"
	"testing"
	"time"

	"argosy/core/cluster"
)

// A machine that was lost and comes back ends its copies of what moved, and its
// record says so for a while.
func TestReturnedMachineTellsWhatItEnded(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		r := w.run()
		w.launch("stays.service", sleeps, 1)
		for i := range 7 {
			w.launch(cluster.UnitName(fmt.Sprintf("moves@%d.service", i)), sleeps, 1)
		}
		w.settle()
		w.link.set(true)
		w.pass(time.Minute) // the lease ends, and the leader places elsewhere
		for i := range 7 {
			w.evict(cluster.UnitName(fmt.Sprintf("moves@%d.service", i)), sleeps)
		}
		if got := len(w.machine.Running()); got != 8 {
			t.Errorf("cut off, %d units run", got)
		}
		w.link.set(false)
		w.pass(15 * time.Second)
		if got := w.machine.Running(); len(got) != 1 || got[0] != "stays.service" {
			t.Errorf("back, %q run", got)
		}
		want := "was lost and came back at 2000-01-01 00:01:01 UTC: its copies of units that had been placed elsewhere meanwhile were ended: " +
			"moves@0.service, moves@1.service, moves@2.service, moves@3.service, moves@4.service and 2 more"
		if got := w.record().Note; got != want {
			t.Errorf("the record says %q, want %q", got, want)
		}
		writes := w.store.Writes()
		w.pass(noteKept)
		if got := w.record().Note; got != "" || w.store.Writes() != writes+1 {
			t.Errorf("later the record says %q, after %d writes", got, w.store.Writes()-writes)
		}
		if r.Health().Trouble != "" {
			t.Error(r.Health().Trouble)
		}
	})
}

const noteKept = 11 * time.Minute

// What is only stopped, or ends while the machine counts as there, is no news.
func TestOrdinaryEndIsNotTold(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.run()
		w.launch("a.service", sleeps, 1)
		w.launch("b.service", sleeps, 1)
		w.settle()
		w.evict("a.service", sleeps)
		w.link.set(true)
		w.pass(2 * time.Second) // shorter than the lease
		w.evict("b.service", sleeps)
		w.link.set(false)
		w.pass(time.Minute)
		if got := w.record().Note; got != "" || len(w.machine.Running()) != 0 {
			t.Errorf("the record says %q; %q run", got, w.machine.Running())
		}
	})
}
