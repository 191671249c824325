package engine

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"argosy/core/cluster"
)

// registerProbers puts records of machines there that probe one another.
func (w *world) registerProbers(numbers ...int) {
	w.Helper()
	for _, n := range numbers {
		w.register(n)
		m, err := w.store.Machine(w.Context(), machineID(n))
		if err == nil {
			m.Address, m.Probes = fmt.Sprintf("10.0.0.%d", n), true
			_, err = w.store.PutMachine(w.Context(), m)
		}
		if err != nil {
			w.Fatal(err)
		}
	}
}

// suspect has probers say that a target is silent and that they reach one another.
func (w *world) suspect(target int, probers ...int) {
	w.Helper()
	for _, prober := range probers {
		word := cluster.Suspicion{Target: machineID(target)}
		for _, other := range probers {
			if other != prober {
				word.Reaches = append(word.Reaches, machineID(other))
			}
		}
		if err := w.store.PutSuspicions(w.Context(), w.leases[prober], machineID(prober), []cluster.Suspicion{word}, nil); err != nil {
			w.Fatal(err)
		}
	}
}

// probing lists who probes whom.
func (w *world) probing() map[int][]int {
	synctest.Wait()
	found := map[int][]int{}
	for _, event := range w.store.Changes(cluster.Everything, 0).Events {
		if p, is := event.(cluster.ProbesChanged); is {
			for _, target := range p.Probes.Targets {
				prober := int(p.Probes.Machine[31] - '0')
				found[prober] = append(found[prober], int(target.Machine[31]-'0'))
			}
		}
	}
	return found
}

func (w *world) there(n int) bool {
	synctest.Wait()
	_, err := w.store.Machine(w.Context(), machineID(n))
	return !errors.Is(err, cluster.ErrNotFound)
}

func (w *world) wantProbing(want map[int][]int) {
	w.Helper()
	if got := w.probing(); fmt.Sprint(got) != fmt.Sprint(want) {
		w.Errorf("who probes whom: %v, want %v", got, want)
	}
}

// A machine is lost at once on two words: its record and lease end, its unit runs
// elsewhere, and nobody probes it any more.
func TestLostOnItsProbersWord(t *testing.T) {
	inWorld(t, func(w *world) {
		w.registerProbers(2)
		w.start(2, "a")
		w.ask("web.service")
		w.want("web.service", "2:1")
		w.registerProbers(1, 3, 4)
		w.wantProbing(map[int][]int{1: {2, 3, 4}, 2: {1, 3, 4}, 3: {1, 2, 4}, 4: {1, 2, 3}})
		w.lose(2) // and with it its lead goes
		w.start(3, "b")
		w.registerProbers(2)
		w.want("web.service", "2:1")
		w.instant(func() { w.suspect(2, 1) })
		if !w.there(2) {
			t.Error("one word ended a machine")
		}
		w.instant(func() { w.suspect(2, 1, 4) })
		if w.there(2) {
			t.Error("two words did not end a machine")
		}
		if err := w.store.KeepAlive(w.Context(), w.leases[2]); !errors.Is(err, cluster.ErrLeaseGone) {
			t.Errorf("its lease: %v", err)
		}
		w.wantProbing(map[int][]int{1: {3, 4}, 3: {1, 4}, 4: {1, 3}})
		if at := w.placements()["web.service"]; len(at) != 1 || at[0] == "2:1" {
			t.Errorf("its unit is placed on %v", at)
		}
	})
}

// A machine whose lease has ended and that answers keeps its units, until its probers
// fall silent about it.
func TestOutOfTouchKeepsItsUnits(t *testing.T) {
	inWorld(t, func(w *world) {
		w.registerProbers(2)
		leader := w.start(2, "a")
		w.ask("web.service")
		w.want("web.service", "2:1")
		w.registerProbers(1, 3)
		w.start(1, "b")
		synctest.Wait()
		leader.hide()
		w.lose(2)
		if w.leader() != 1 {
			t.Fatalf("machine %d leads", w.leader())
		}
		time.Sleep(time.Hour)
		w.want("web.service", "2:1")
		w.wantProbing(map[int][]int{1: {2, 3}, 3: {1, 2}})
		writes := w.store.Writes()
		time.Sleep(time.Hour)
		if now := w.store.Writes(); now != writes {
			t.Errorf("with a machine out of touch an idle hour has %d writes", now-writes)
		}
		w.suspect(2, 1, 3)
		synctest.Wait()
		if at := w.placements()["web.service"]; len(at) != 1 || at[0] == "2:1" {
			t.Errorf("it is silent now, and its unit is placed on %v", at)
		}
		w.wantProbing(map[int][]int{1: {3}, 3: {1}})
	})
}

// A machine that has left is not out of touch, however long its kernel answers.
func TestDepartedMachinesUnitsMove(t *testing.T) {
	inWorld(t, func(w *world) {
		w.registerProbers(2)
		first := w.start(2, "a")
		w.ask("web.service")
		w.want("web.service", "2:1")
		w.registerProbers(1, 3)
		synctest.Wait()
		first.end()
		w.start(1, "b")
		synctest.Wait()
		if err := w.store.Depart(w.Context(), machineID(2), w.leases[2], time.Now()); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if at := w.placements()["web.service"]; len(at) != 1 || at[0] == "2:1" {
			t.Errorf("placed on %v", at)
		}
		w.wantProbing(map[int][]int{1: {3}, 3: {1}})
	})
}

// The leader's own machine is ended by a standby that takes over at once.
func TestStandbyEndsTheLeadersMachine(t *testing.T) {
	inWorld(t, func(w *world) {
		w.registerProbers(1, 2, 3)
		leader := w.start(1, "a")
		synctest.Wait()
		w.start(2, "b")
		if w.leader() != 1 {
			t.Fatalf("machine %d leads", w.leader())
		}
		leader.hide() // it is dead, and the store does not know
		w.instant(func() { w.suspect(1, 2, 3) })
		if w.leader() != 2 || w.there(1) {
			t.Errorf("machine %d leads; the dead one's record is there: %v", w.leader(), w.there(1))
		}
		w.wantProbing(map[int][]int{2: {3}, 3: {2}})
	})
}

// A standby whose own machine is as silent does not take over.
func TestSilentStandbyDoesNotTakeOver(t *testing.T) {
	inWorld(t, func(w *world) {
		w.registerProbers(1, 2, 3, 4)
		leader := w.start(1, "a")
		synctest.Wait()
		standby := w.start(2, "b")
		synctest.Wait()
		leader.hide()
		_, before := standby.tries()
		w.suspect(2, 3, 4)
		w.suspect(1, 3, 4)
		if _, takes := standby.tries(); takes != before {
			t.Error("a standby on a machine that is lost took the lead")
		}
	})
}
