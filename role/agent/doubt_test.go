package agent_test

import (
	"testing"
	"time"
)

// A write of states that arrives after what came later is corrected: within a
// minute where it comes seconds late, within ten where it comes minutes late.
func TestLateWriteOfStates(t *testing.T) {
	for late, corrected := range map[time.Duration]time.Duration{2 * time.Second: time.Minute, 5 * time.Minute: 10 * time.Minute} {
		inWorld(t, func(t *testing.T, w *world) {
			w.run()
			w.launch("a.service", sleeps, 1)
			w.settle()
			w.link.goAstray()
			w.machine.End("a.service", "failed")
			w.settle()
			w.machine.End("a.service", "active")
			w.pass(late)
			w.is("a.service", "1 active running settled")
			if err := w.link.strayed(); err != nil {
				t.Fatal(err)
			}
			w.is("a.service", "1 failed failed settled")
			w.pass(corrected)
			w.is("a.service", "1 active running settled")
			writes := w.store.Writes()
			w.pass(24 * time.Hour)
			if more := w.store.Writes() - writes; more > 0 {
				t.Errorf("%d writes afterwards", more)
			}
		})
	}
}

// A life of fleetd that ended in the middle of a write leaves the doubt to the next.
func TestLateWriteOfALifeBefore(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		r := w.run()
		w.launch("a.service", sleeps, 1)
		w.settle()
		w.link.goAstray()
		w.machine.End("a.service", "failed")
		w.pass(time.Millisecond)
		r.end()
		w.machine.End("a.service", "active")
		w.run()
		w.settle()
		w.is("a.service", "1 active running settled")
		if err := w.link.strayed(); err != nil {
			t.Fatal(err)
		}
		w.is("a.service", "1 failed failed settled")
		w.pass(time.Minute)
		w.is("a.service", "1 active running settled")
	})
}
