package agent_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"argosy/core/cluster"
	"argosy/core/converge"
	"argosy/edge/fakesystemd"
)

const guarded1 = "[Service]\nExecStart=/bin/sleep 3600\n[X-Fleet]\nOnPartition=stop\n"

// fence is the machine's own, with an eye on how it is used.
type fence struct {
	*fakesystemd.Machine
	world *world

	mu     sync.Mutex
	asked  int      // to stand
	tokens []string // as they were kept
	broken error
}

func (w *world) fenced() *fence {
	f := &fence{Machine: w.machine, world: w}
	w.fence = f
	return f
}

func (f *fence) Extend(until time.Duration) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked++
	if f.broken != nil {
		return f.broken
	}
	return f.Machine.Extend(until)
}

// SaveToken comes right before a start. By then the store must hold a state of the
// unit, whatever it says: it tells the leader that the unit may run here.
//
// Planted once, and caught here: a start that waits for no state.
func (f *fence) SaveToken(unit cluster.UnitName, token int64) error {
	states, err := f.world.store.States(context.Background(), self)
	if err != nil || !slices.ContainsFunc(states, func(s cluster.UnitState) bool { return s.Unit == unit }) {
		f.world.t.Errorf("%s is about to be started, and the store has no state of it (%v)", unit, err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.tokens = append(f.tokens, fmt.Sprint(unit, " ", token))
	return f.Machine.SaveToken(unit, token)
}

func (f *fence) kept(want ...string) {
	f.world.t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	if !slices.Equal(f.tokens, want) {
		f.world.t.Errorf("the tokens kept were %q, expected %q", f.tokens, want)
	}
}

func (w *world) token(unit cluster.UnitName) string {
	w.t.Helper()
	p, err := w.store.Placement(w.t.Context(), self, unit)
	if err != nil {
		w.t.Fatal(err)
	}
	return fmt.Sprint(unit, " ", p.Revision)
}

func (w *world) runs(when string, want ...cluster.UnitName) {
	w.t.Helper()
	got := slices.DeleteFunc(w.machine.Running(), func(name cluster.UnitName) bool { return name == converge.FenceUnit })
	if !slices.Equal(got, want) {
		w.t.Errorf("%s %q run, expected %q", when, got, want)
	}
}

// A unit behind the fence is down when the machine was out of touch for FenceTime,
// any other runs on, and it is started once when the machine is back in touch.
func TestFenceEndsAndComesBack(t *testing.T) {
	for _, lag := range []time.Duration{0, 300 * time.Millisecond} {
		inWorld(t, func(t *testing.T, w *world) {
			f := w.fenced()
			f.FallLate(lag)
			w.run()
			w.launch("db.service", guarded1, 1)
			w.settle()
			w.launch("web.service", sleeps, 1)
			w.pass(10 * time.Minute)
			w.runs("in touch", "db.service", "web.service")
			token := w.token("db.service")
			f.kept(token)

			w.link.set(true)
			w.pass(cluster.FenceTime - 3*time.Second)
			w.runs("out of touch for less than FenceTime", "db.service", "web.service")
			w.pass(3*time.Second + lag)
			w.runs("out of touch for FenceTime", "web.service")
			w.pass(time.Hour)
			w.did("start db.service", "start web.service")

			w.link.set(false)
			w.pass(15 * time.Second)
			w.runs("back in touch", "db.service", "web.service")
			w.did("start db.service", "start web.service", "start db.service")
			f.kept(token, token)
			w.is("db.service", "1 active running settled")
		})
	}
}

// A short silence of the cluster ends nothing.
func TestFenceOutlastsAShortSilence(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.fenced()
		w.run()
		w.launch("db.service", guarded1, 1)
		w.settle()
		for range 20 {
			w.link.set(true)
			w.pass(cluster.FenceTime - 3*time.Second)
			w.link.set(false)
			w.pass(3 * time.Second)
		}
		w.runs("after short silences", "db.service")
		w.did("start db.service")
	})
}

// What moved meanwhile is not started again, though the fence may stand before the
// agent has heard of it.
func TestFenceDoesNotBringBackWhatMoved(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		f := w.fenced()
		w.run()
		w.launch("db.service", guarded1, 1)
		w.settle()
		token := w.token("db.service")
		w.link.set(true)
		w.pass(time.Minute)
		w.evict("db.service", guarded1)
		w.link.followLate(time.Minute)
		w.link.set(false)
		w.pass(30 * time.Second)
		w.runs("back, and behind on what is placed here")
		w.pass(time.Minute)
		w.runs("back")
		w.did("start db.service")
		f.kept(token)
	})
}

// A unit that has ended by itself stays ended, whatever becomes of the fence.
func TestFenceDoesNotStartWhatHasEnded(t *testing.T) {
	for _, fleetdToo := range []bool{false, true} {
		inWorld(t, func(t *testing.T, w *world) {
			w.fenced()
			r := w.run()
			w.launch("db.service", guarded1, 1)
			w.settle()
			w.launch("job.service", guarded1+"# another\n", 1)
			w.settle()
			w.machine.End("job.service", "inactive")
			w.pass(5 * time.Second)
			if fleetdToo {
				r.end()
				w.pass(time.Minute)
				w.runs("without fleetd for a minute")
				w.run()
			} else {
				w.link.set(true)
				w.pass(time.Minute)
				w.link.set(false)
			}
			w.pass(15 * time.Second)
			w.runs("back", "db.service")
			w.did("start db.service", "start job.service", "start db.service")
		})
	}
}

// A restart of fleetd is nothing to a unit behind the fence.
func TestFenceOutlastsARestart(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.fenced()
		r := w.run()
		w.launch("db.service", guarded1, 1)
		w.settle()
		for range 5 {
			r.end()
			w.pass(2 * time.Second)
			r = w.run()
			w.pass(4 * time.Second)
		}
		w.runs("after restarts", "db.service")
		w.did("start db.service")
	})
}

// Where the fence cannot stand no unit is started behind it, and the state says so.
func TestFenceThatCannotStand(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		f := w.fenced()
		f.broken = errors.New("keep the fence up: no space left")
		w.run()
		w.launch("db.service", guarded1, 1)
		w.launch("web.service", sleeps, 1)
		w.settle()
		w.runs("without a fence", "web.service")
		const want = "not started: this machine's fence cannot stand: keep the fence up: no space left"
		if s := w.is("db.service", "1 inactive dead settled"); s.Problem != want {
			t.Errorf("the state says %q, expected %q", s.Problem, want)
		}
		f.mu.Lock()
		f.broken = nil
		f.mu.Unlock()
		w.pass(10 * time.Second)
		w.runs("with a fence", "db.service", "web.service")
	})
}

// A new generation gets a new token.
func TestTokenGrows(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		f := w.fenced()
		w.run()
		w.launch("db.service", guarded1, 1)
		w.settle()
		first := w.token("db.service")
		w.launch("db.service", guarded1, 2)
		w.settle()
		f.kept(first, w.token("db.service"))
		if first == w.token("db.service") {
			t.Errorf("the token stays %s", first)
		}
	})
}

// With no unit behind the fence the cluster is asked nothing.
func TestNoFenceNoQuestions(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		f := w.fenced()
		w.run()
		w.launch("web.service", sleeps, 1)
		w.pass(time.Hour)
		if f.asked != 0 {
			t.Errorf("the fence was extended %d times", f.asked)
		}
	})
}
