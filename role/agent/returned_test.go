package agent_test

import (
	"fmt"
	"testing"
	"time"

	"argosy/core/cluster"
)

// A machine whose record was gone and that comes back ends what is not placed there any
// more, and its record says so for a while.
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
		want := "is back since 2000-01-01 00:01:01 UTC; ended here, because they are not placed here any more: " +
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

// What an operator has destroyed meanwhile is ended too: the machine cannot tell that
// from what moved, and claims neither.
func TestReturnedMachineClaimsNoMoreThanItKnows(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.run()
		w.launch("destroyed.service", sleeps, 1)
		w.settle()
		w.link.set(true)
		w.pass(time.Minute)
		w.evict("destroyed.service", sleeps)
		if err := w.store.DeleteUnit(t.Context(), "destroyed.service", w.submit("destroyed.service", sleeps)); err != nil {
			t.Fatal(err)
		}
		w.link.set(false)
		w.pass(15 * time.Second)
		want := "is back since 2000-01-01 00:01:01 UTC; ended here, because they are not placed here any more: destroyed.service"
		if got := w.record().Note; got != want {
			t.Errorf("the record says %q, want %q", got, want)
		}
	})
}

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
