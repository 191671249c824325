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

var _ Planner = (*schedule.Picture)(nil)
