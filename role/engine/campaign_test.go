package engine

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"argosy/core/cluster"
)

func TestTakeover(t *testing.T) {
	inWorld(t, func(w *world) {
		w.register(1, 2)
		first := w.start(1, "a")
		if got := w.leader(); got != 1 {
			t.Fatalf("machine %d leads, want 1", got)
		}
		w.start(2, "b")
		w.ask("a.service", "b.service")
		synctest.Wait()
		w.instant(func() {
			first.with(func(n *node) { n.cut = true })
			first.hide()
			w.lose(1) // with its engine
			if got := w.leader(); got != 2 {
				t.Errorf("machine %d leads, want 2", got)
			}
			w.want("a.service", "2:1")
			w.want("b.service", "2:1")
		})
		// The first comes back with a picture of before.
		w.register(1)
		first.with(func(n *node) { n.cut = false })
		before, _ := first.tries()
		first.see()
		w.ask("c.service")
		if after, _ := first.tries(); after != before || w.leader() != 2 {
			t.Errorf("the deposed leader tried %d commits more; machine %d leads", after-before, w.leader())
		}
	})
}

func TestResign(t *testing.T) {
	inWorld(t, func(w *world) {
		w.register(1, 2)
		first := w.start(1, "a")
		synctest.Wait()
		w.start(2, "b")
		synctest.Wait()
		w.instant(func() {
			first.end()
			if got := w.leader(); got != 2 {
				t.Errorf("machine %d leads after 1 resigned, want 2", got)
			}
			w.ask("a.service")
			synctest.Wait()
			if len(w.placements()) != 1 {
				t.Error("the new leader does not place")
			}
		})
	})
}

func TestRestart(t *testing.T) {
	inWorld(t, func(w *world) {
		w.register(1, 2)
		first := w.start(1, "a")
		synctest.Wait()
		w.start(2, "b")
		first.with(func(n *node) { n.cut = true }) // killed: it does not resign
		first.end()
		w.ask("a.service")
		if got := w.leader(); got != 1 || len(w.placements()) > 0 {
			t.Errorf("machine %d leads, want 1: its machine is there", got)
		}
		w.instant(func() {
			w.start(1, "c")
			synctest.Wait()
			if l, err := w.store.Leader(t.Context()); err != nil || l.Run != "c" {
				t.Errorf("%+v leads, %v, want the new run", l, err)
			}
			if len(w.placements()) != 1 {
				t.Error("the new run does not place")
			}
		})
	})
}

// TestAllRecordsGone has every lease end at once, as after a long outage of
// what lies between machines and store.
func TestAllRecordsGone(t *testing.T) {
	inWorld(t, func(w *world) {
		w.register(1, 2, 3)
		nodes := []*node{w.start(1, "a"), w.start(2, "b"), w.start(3, "c")}
		w.ask("a.service", "b.service", "c.service", "d.service")
		synctest.Wait()
		before, leader := fmt.Sprint(w.placements()), w.leader()
		for _, n := range nodes {
			n.hide()
		}
		time.Sleep(time.Second) // the batch that they hang on
		w.lose(1, 2, 3)
		writes := w.store.Writes()
		for _, n := range nodes {
			n.see()
		}
		time.Sleep(time.Minute)
		if got := w.store.Writes(); got != writes || w.leader() != leader {
			t.Errorf("%d writes while no machine was registered, machine %d leads after %d", got-writes, w.leader(), leader)
		}
		w.register(leader%3 + 1) // a standby's first
		time.Sleep(2 * time.Second)
		w.register((leader+1)%3+1, leader)
		time.Sleep(time.Minute)
		w.ask("e.service")
		synctest.Wait()
		after := w.placements()
		if len(after["e.service"]) != 1 {
			t.Errorf("e.service is on %v", after["e.service"])
		}
		delete(after, "e.service")
		if fmt.Sprint(after) != before {
			t.Errorf("placed %v after all records were gone and back, %s before", after, before)
		}
	})
}

// TestLastWriteOfTheLeaderBefore has the leader before place a unit after the
// standby has seen its machine go, while the standby takes the lead.
func TestLastWriteOfTheLeaderBefore(t *testing.T) {
	inWorld(t, func(w *world) {
		w.register(1, 2, 3)
		before, err := w.store.TakeLead(t.Context(), cluster.Leader{Machine: machineID(1), Run: "before"})
		if err != nil {
			t.Fatal(err)
		}
		w.ask("late.service")
		second := w.start(2, "b")
		synctest.Wait()
		second.with(func(n *node) {
			n.before = func() {
				w.ask("other.service")
				time.Sleep(time.Millisecond) // news of it are on their way
				n.hide()
				w.ask("another.service")
				if err := w.place(before, "late.service", 3); err != nil {
					t.Error(err)
				}
			}
		})
		w.lose(1)
		time.Sleep(time.Second)
		if commits, takes := second.tries(); commits != 0 || takes != 1 {
			t.Errorf("%d commits and %d campaigns on old news, want none and one", commits, takes)
		}
		second.see()
		w.want("late.service", "3:1")
	})
}

// TestColdStart starts all engines on a store that names a leader of long ago.
func TestColdStart(t *testing.T) {
	for _, comesBack := range []bool{true, false} {
		t.Run(fmt.Sprint("leader's machine comes back: ", comesBack), func(t *testing.T) {
			inWorld(t, func(w *world) {
				if _, err := w.store.TakeLead(t.Context(), cluster.Leader{Machine: machineID(1), Run: "old"}); err != nil {
					t.Fatal(err)
				}
				second := w.start(2, "b")
				w.register(2)
				time.Sleep(2 * time.Second)
				if _, takes := second.tries(); w.leader() != 1 || takes > 0 {
					t.Errorf("machine %d leads before the leader's machine could register", w.leader())
				}
				want := 2
				if comesBack {
					want = 1
					w.start(1, "a")
					w.register(1)
				}
				time.Sleep(5 * time.Second)
				if got := w.leader(); got != want {
					t.Errorf("machine %d leads, want %d", got, want)
				}
			})
		})
	}
}

// TestFirstStart has no leader, no machine and no unit.
func TestFirstStart(t *testing.T) {
	inWorld(t, func(w *world) {
		w.instant(func() {
			w.start(1, "a")
			w.start(2, "b")
			w.register(1, 2)
			w.ask("a.service")
			synctest.Wait()
			if got := w.placements(); len(got["a.service"]) != 1 {
				t.Errorf("placed %v", got)
			}
		})
	})
}

// TestReturnedStandby has a machine that was gone by itself take over at once:
// the others were there meanwhile.
func TestReturnedStandby(t *testing.T) {
	inWorld(t, func(w *world) {
		w.register(1, 2)
		w.start(1, "a")
		synctest.Wait()
		w.start(2, "b")
		w.ask("a.service", "b.service")
		synctest.Wait()
		w.lose(2)
		synctest.Wait()
		w.register(2)
		synctest.Wait()
		w.instant(func() {
			w.lose(1)
			w.want("a.service", "2:1")
			w.want("b.service", "2:1")
			if got := w.leader(); got != 2 {
				t.Errorf("machine %d leads, want 2", got)
			}
		})
	})
}
