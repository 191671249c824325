package engine

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"argosy/core/cluster"
	"argosy/core/schedule"
)

// instant checks that what is done takes no time: a wait anywhere on the way
// from news to a committed placement would let the bubble's clock jump.
func (w *world) instant(what func()) {
	w.Helper()
	start := time.Now()
	what()
	synctest.Wait()
	if took := time.Since(start); took > 0 {
		w.Errorf("it took %s of waiting, want none", took)
	}
}

func TestPlaces(t *testing.T) {
	inWorld(t, func(w *world) {
		w.register(1)
		w.instant(func() {
			w.start(1, "a")
			w.ask("web.service")
			w.want("web.service", "1:1")
			w.ask("web.service")
			w.want("web.service", "1:2")
		})
	})
}

func TestIdleClusterWritesNothing(t *testing.T) {
	inWorld(t, func(w *world) {
		w.register(1, 2)
		first := w.start(1, "a")
		synctest.Wait()
		w.start(2, "b")
		w.ask("web.service")
		synctest.Wait()
		writes := w.store.Writes()
		time.Sleep(24 * time.Hour)
		if commits, _ := first.tries(); w.store.Writes() != writes || commits != 1 {
			t.Errorf("an idle day: %d writes, %d commits in all, want 0 and 1", w.store.Writes()-writes, commits)
		}
	})
}

func TestMachineLost(t *testing.T) {
	inWorld(t, func(w *world) {
		w.register(1)
		w.start(1, "a")
		synctest.Wait()
		w.register(2)
		w.ask("a.service", "b.service")
		synctest.Wait()
		before := w.placements()
		w.instant(func() {
			w.lose(2)
			synctest.Wait()
		})
		for unit, at := range before {
			w.want(unit, "1:1")
			if len(at) != 1 {
				t.Errorf("%s was on %v", unit, at)
			}
		}
	})
}

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

// TestDeposedUnawares has a leader commit on a picture that hides its fall.
func TestDeposedUnawares(t *testing.T) {
	inWorld(t, func(w *world) {
		w.register(1, 2)
		first := w.start(1, "a")
		synctest.Wait()
		first.with(func(n *node) {
			n.before = func() {
				l, err := w.store.Leader(t.Context())
				if err == nil {
					_, err = w.store.TakeLead(t.Context(), cluster.Leader{Revision: l.Revision, Machine: machineID(2), Run: "b"})
				}
				if err != nil {
					t.Error(err)
				}
			}
		})
		w.ask("a.service")
		synctest.Wait()
		commits, _ := first.tries()
		if got := w.placements(); len(got) > 0 || commits != 1 {
			t.Errorf("a deposed leader placed %v in %d commits, want nothing in one", got, commits)
		}
		w.start(2, "b2")
		synctest.Wait()
		if got := w.placements(); len(got) != 1 || w.leader() != 2 {
			t.Errorf("the rival placed %v, machine %d leads", got, w.leader())
		}
		w.lose(2)
		if w.leader() != 1 { // and decides again what it had decided in vain
			t.Errorf("machine %d leads, want 1", w.leader())
		}
		w.want("a.service", "1:1")
	})
}

// TestConflict changes a unit while it is being placed.
func TestConflict(t *testing.T) {
	inWorld(t, func(w *world) {
		w.register(1)
		first := w.start(1, "a")
		synctest.Wait()
		first.with(func(n *node) { n.before = func() { w.ask("a.service") } })
		w.instant(func() {
			w.ask("a.service", "b.service")
			w.want("a.service", "1:2")
			w.want("b.service", "1:1")
		})
		if commits, _ := first.tries(); commits > 3 {
			t.Errorf("%d commits for one conflict", commits)
		}
	})
}

func TestOutage(t *testing.T) {
	inWorld(t, func(w *world) {
		w.register(1, 2)
		first := w.start(1, "a")
		synctest.Wait()
		w.start(2, "b")
		w.ask("a.service")
		synctest.Wait()
		before := fmt.Sprint(w.placements()["a.service"])
		commits, takes := first.tries()
		w.store.SetAway(true)
		time.Sleep(time.Minute)
		if c, n := first.tries(); c != commits || n != takes {
			t.Errorf("%d commits and %d campaigns while the store was away, want none", c-commits, n-takes)
		}
		w.store.SetAway(false)
		w.ask("b.service")
		synctest.Wait()
		_, now := first.tries()
		if got := w.placements(); len(got) != 2 || fmt.Sprint(got["a.service"]) != before || now != takes {
			t.Errorf("after the outage %v, before %s; %d campaigns", got, before, now-takes)
		}
	})
}

// TestUnknownOutcome loses a commit's answer, or the commit, or all for a while.
func TestUnknownOutcome(t *testing.T) {
	faults := map[string]func(n *node){
		"answer lost": func(n *node) { n.lossy = true },
		"commit lost": func(n *node) { n.cut = true },
	}
	for name, fault := range faults {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				w.register(1, 2)
				first := w.start(1, "a")
				w.ask("a.service")
				synctest.Wait()
				first.with(fault)
				w.ask("b.service", "c.service")
				time.Sleep(10 * time.Second)
				if commits, takes := first.tries(); commits > 12 || takes > 15 {
					t.Errorf("in ten seconds of trouble %d commits and %d campaigns, want about one a second at most", commits, takes)
				}
				first.with(func(n *node) { n.cut, n.lossy = false, false })
				time.Sleep(2 * time.Second)
				for unit, at := range w.placements() {
					if len(at) != 1 {
						t.Errorf("%s is placed on %v, want one machine", unit, at)
					}
				}
				if got := w.placements(); len(got) != 3 {
					t.Errorf("placed %v, want three units", got)
				}
			})
		})
	}
}

// TestLateCommit lets a commit whose outcome was unknown try to land after the
// leader has decided again.
func TestLateCommit(t *testing.T) {
	inWorld(t, func(w *world) {
		w.register(1)
		first := w.start(1, "a")
		synctest.Wait()
		first.with(func(n *node) { n.delay = true })
		w.ask("a.service")
		w.want("a.service", "1:1")
		if first.delayed == nil {
			t.Fatal("no commit was delayed")
		}
		if err := first.delayed(); !errors.Is(err, cluster.ErrDeposed) {
			t.Errorf("the late commit: %v, want ErrDeposed", err)
		}
	})
}

// TestStoreForgets compacts the store while an engine cannot read.
func TestStoreForgets(t *testing.T) {
	inWorld(t, func(w *world) {
		w.register(1, 2)
		first := w.start(1, "a")
		w.ask("a.service", "b.service")
		synctest.Wait()
		before := fmt.Sprint(w.placements())
		first.hide()
		time.Sleep(time.Second) // the batch that it hangs on
		w.ask("c.service")
		w.store.Compact()
		first.see()
		time.Sleep(2 * time.Second)
		after := w.placements()
		if len(after["c.service"]) != 1 {
			t.Errorf("c.service is on %v, want one machine", after["c.service"])
		}
		delete(after, "c.service")
		if _, takes := first.tries(); fmt.Sprint(after) != before || takes != 2 {
			t.Errorf("after a Reset %v, before %s; %d terms, want the same and a second", after, before, takes)
		}
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

var _ Planner = (*schedule.Picture)(nil)
