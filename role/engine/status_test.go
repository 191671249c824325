package engine

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// Two machines with one id: the engine of the one that is refused takes no lead,
// and one that is refused while it leads gives the lead up.
func TestRefusedMachineDoesNotLead(t *testing.T) {
	inWorld(t, func(w *world) {
		w.register(1, 2)
		var first, second atomic.Bool
		first.Store(true)
		a := w.startWhere(1, "a", first.Load)
		synctest.Wait()
		twin := w.startWhere(1, "b", second.Load)
		other := w.start(2, "c")
		w.ask("web.service")
		time.Sleep(time.Hour)
		if _, takes := twin.tries(); takes != 0 || !a.status().Leads() || twin.status().Leads() || twin.status().Leader.Run != "a" {
			t.Errorf("the twin tried %d times; %+v, %+v", takes, a.status(), twin.status())
		}
		first.Store(false)
		time.Sleep(5 * time.Second)
		if got := w.leader(); got != 2 || a.status().Leads() || !other.status().Leads() {
			t.Errorf("machine %d leads; %+v", got, a.status())
		}
		_, before := a.tries()
		time.Sleep(time.Hour)
		if _, takes := a.tries(); takes != before || w.leader() != 2 {
			t.Errorf("the refused one tried %d times more", takes-before)
		}
	})
}
