package engine

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// TestRelief has an engine's machine start a new one, which takes long to read
// everything: the standby leads meanwhile.
//
// Planted once, and caught here: no relief, and relief of what may not lead.
func TestRelief(t *testing.T) {
	for _, may := range []bool{true, false} {
		inWorld(t, func(w *world) {
			w.register(1, 2)
			first := w.start(1, "a")
			synctest.Wait()
			w.start(2, "b")
			first.with(func(n *node) { n.cut = true }) // so that it cannot resign
			first.end()
			if w.leader() != 1 {
				t.Fatal("machine 1 does not lead")
			}
			again := w.prepare(1, "c", func() bool { return may })
			again.hide() // it reads for very long
			w.run(again)
			time.Sleep(2 * relieveAfter)
			want := 2
			if !may {
				want = 1
			}
			if got := w.leader(); got != want {
				t.Errorf("may lead %v: machine %d leads, want %d", may, got, want)
			}
			w.ask("a.service")
			w.want("a.service", map[bool][]string{true: {"1:1"}, false: nil}[may]...)
		})
	}
}

// TestQuickRestart reads everything at once and keeps the lead.
func TestQuickRestart(t *testing.T) {
	inWorld(t, func(w *world) {
		w.register(1, 2)
		first := w.start(1, "a")
		synctest.Wait()
		w.start(2, "b")
		first.with(func(n *node) { n.cut = true })
		first.end()
		w.start(1, "c")
		time.Sleep(time.Minute)
		if got := w.leader(); got != 1 {
			t.Errorf("machine %d leads, want 1", got)
		}
	})
}

// TestNear asks for the store's leadership once in a term, when nothing is left to
// decide.
func TestNear(t *testing.T) {
	inWorld(t, func(w *world) {
		w.register(1)
		var asked atomic.Int64
		w.ask("a.service")
		n := w.prepare(1, "a", nil)
		n.engine.config.Near = func(context.Context) error {
			if len(w.placements()["a.service"]) == 0 {
				t.Error("the store's leadership is asked for before a decision is written")
			}
			asked.Add(1)
			return errors.New("it stays")
		}
		w.run(n)
		for range 3 {
			w.ask("b.service")
			time.Sleep(time.Minute)
		}
		if got := asked.Load(); got != 1 {
			t.Errorf("asked %d times in one term, want once", got)
		}
	})
}
