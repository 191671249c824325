package engine

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"argosy/core/cluster"
	"argosy/core/schedule"
	"argosy/edge/memstore"
)

// TestAnswers asks the leader and a standby, which must say the same.
func TestAnswers(t *testing.T) {
	inWorld(t, func(w *world) {
		w.register(1, 2)
		nodes := []*node{w.start(1, "a")}
		synctest.Wait()
		nodes = append(nodes, w.start(2, "b"))
		w.ask("a.service")
		w.want("a.service", "1:1")
		for _, n := range nodes {
			e, err := n.engine.Why(w.Context(), "a.service")
			if err != nil || !strings.Contains(e.Summary, "a.service is on core-1 since 2000-01-01 00:00:00 UTC: least loaded of 2 machines") || len(e.Machines) != 2 {
				t.Errorf("why: %+v, %v", e, err)
			}
			changes, err := n.engine.WhatIf(w.Context(), cluster.MachineGone{ID: machineID(1)})
			if err != nil || len(changes) != 1 || changes[0].(schedule.Place).Placement.Machine != machineID(2) {
				t.Errorf("what if core-1 is lost: %+v, %v", changes, err)
			}
			if _, err = n.engine.Why(w.Context(), "b.service"); !errors.Is(err, cluster.ErrNotFound) || err.Error() != `explain unit "b.service": not found` {
				t.Errorf("why of an unknown unit: %v", err)
			}
		}
		w.want("a.service", "1:1")
		w.store.SetAway(true)
		time.Sleep(time.Minute)
		if _, err := nodes[0].engine.Why(w.Context(), "a.service"); err != nil {
			t.Errorf("while the store is away: %v", err)
		}
	})
}

// TestAnswersNothingYet asks before the engine runs, before it has heard anything
// and after it has ended.
func TestAnswersNothingYet(t *testing.T) {
	inWorld(t, func(w *world) {
		idle := New(Config{Machine: machineID(3), Store: memstore.New(), Planner: schedule.New(), Log: slog.New(slog.DiscardHandler)})
		if _, err := idle.Why(w.Context(), "a.service"); !errors.Is(err, cluster.ErrUnavailable) {
			t.Errorf("before it runs: %v", err)
		}
		w.store.SetAway(true)
		n := w.start(1, "a")
		synctest.Wait()
		if _, err := n.engine.WhatIf(w.Context()); !errors.Is(err, cluster.ErrUnavailable) {
			t.Errorf("before the first batch: %v", err)
		}
		n.end()
		if _, err := n.engine.Why(w.Context(), "a.service"); !errors.Is(err, errEnded) {
			t.Errorf("after its end: %v", err)
		}
		if _, err := n.engine.WhatIf(w.Context()); !errors.Is(err, errEnded) {
			t.Errorf("after its end: %v", err)
		}
	})
}

// TestAskerGoes asks while a commit takes long; the one who asks does not wait for
// longer than it wants to, and one who waits is answered.
func TestAskerGoes(t *testing.T) {
	inWorld(t, func(w *world) {
		w.register(1)
		n := w.start(1, "a")
		synctest.Wait()
		n.with(func(n *node) { n.before = func() { time.Sleep(time.Minute) } })
		w.ask("a.service")
		synctest.Wait()
		ctx, cancel := context.WithTimeout(w.Context(), time.Second)
		defer cancel()
		if _, err := n.engine.Why(ctx, "a.service"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("during a commit: %v", err)
		}
		start := time.Now()
		e, err := n.engine.Why(w.Context(), "a.service")
		if took := time.Since(start); err != nil || took != 59*time.Second || !strings.Contains(e.Summary, " core-1") {
			t.Errorf("after the commit: %+v, %v after %s", e, err, took)
		}
	})
}

// TestQuestionsHoldUpNothing has askers without end beside a leader that works.
func TestQuestionsHoldUpNothing(t *testing.T) {
	inWorld(t, func(w *world) {
		w.register(1)
		n := w.start(1, "a")
		synctest.Wait()
		const askers = 3
		asking, stop := make(chan struct{}, askers), make(chan struct{})
		var work sync.WaitGroup
		for range askers {
			work.Go(func() {
				for first := true; ; first = false {
					if _, err := n.engine.WhatIf(w.Context(), cluster.MachineGone{ID: machineID(1)}); err != nil {
						w.Error(err)
					}
					if first {
						asking <- struct{}{}
					}
					select {
					case <-stop:
						return
					default:
					}
				}
			})
		}
		for range askers {
			<-asking
		}
		w.ask("a.service")
		enough := errors.New("enough")
		err := n.Follow(w.Context(), cluster.Assigned(machineID(1)), func(batch cluster.Batch) error {
			if len(batch.Events) > 0 {
				return enough
			}
			return nil
		})
		if !errors.Is(err, enough) {
			t.Errorf("follow: %v", err)
		}
		close(stop)
		work.Wait()
	})
}
