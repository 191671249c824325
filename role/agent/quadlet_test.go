package agent_test

import (
	"strings"
	"testing"
	"time"

	"argosy/core/cluster"
)

const container = "[Container]\nImage=localhost/box\n"

func TestQuadletFilesTakeOneReloadABatch(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		units := []cluster.UnitName{"web@1.container", "web@2.container", "web@3.container"}
		for _, unit := range units {
			w.launch(unit, container, 1) // one text: it comes for all of them at once
		}
		w.run()
		w.settle()
		for _, unit := range units {
			w.is(unit, "1 active running settled")
		}
		if w.machine.Reloads() != 1 {
			t.Errorf("systemd read its files %d times, expected once", w.machine.Reloads())
		}

		w.evict("web@2.container", container)
		w.settle()
		w.is("web@2.container", "absent")
		if left := w.machine.Generated(); len(left) != 2 {
			t.Errorf("systemd has services of %v", left)
		}
	})
}

func TestAQuadletFileWithoutServiceSaysWhy(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.run()
		w.launch("web.container", container+"Nonsense=1\n", 1)
		w.pass(5 * time.Minute)
		s := w.is("web.container", "1 inactive dead settled")
		if want := "start web.container: no service was made of it: unsupported key 'Nonsense'"; s.Problem != want {
			t.Errorf("problem %q, expected %q", s.Problem, want)
		}
		if w.machine.Reloads() != 1 {
			t.Errorf("systemd read its files %d times, expected once: trying again needs none", w.machine.Reloads())
		}
		w.launch("web.container", container, 2)
		w.settle()
		w.is("web.container", "2 active running settled")
	})
}

func TestAQuadletFileGoesWithTheMachine(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		r := w.run()
		w.launch("web@1.container", container, 1)
		w.settle()
		if err := r.Leave(t.Context()); err != nil {
			t.Fatal(err)
		}
		if left := w.machine.Generated(); len(left) > 0 {
			t.Errorf("systemd has services of %v", left)
		}
		if jobs := strings.Join(w.machine.Jobs(), ", "); jobs != "start web@1.container, stop web@1.container" {
			t.Errorf("systemd did %s", jobs)
		}
	})
}
