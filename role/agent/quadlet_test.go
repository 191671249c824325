package agent_test

import (
	"errors"
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

// TestQuadletFilesWaitForEachOther: a file that names another which comes a
// moment later is no failure.
func TestQuadletFilesWaitForEachOther(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.run()
		w.machine.Refuse("web.container", errors.New("net.network was not found"))
		w.launch("web.container", container, 1)
		w.pass(500 * time.Millisecond)
		w.is("web.container", "1 inactive dead working")
		w.machine.Refuse("web.container", nil)
		w.launch("net.network", "[Network]\n", 1)
		w.pass(200 * time.Millisecond)
		w.is("web.container", "1 active running settled")
		w.is("net.network", "1 active running settled")
	})
}

// TestAQuadletFileThatCannotBeWritten is tried again at the pace of any failure.
func TestAQuadletFileThatCannotBeWritten(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.run()
		for _, unit := range []cluster.UnitName{"a.container", "b.container"} {
			w.machine.Break(unit, errors.New("the disk is full"))
			w.launch(unit, container, 1)
		}
		w.pass(10 * time.Minute)
		if s := w.is("a.container", "1 inactive dead settled"); s.Problem != "the disk is full" {
			t.Errorf("its problem is %q", s.Problem)
		}
		if most := 40; w.machine.Reloads() > most {
			t.Errorf("systemd read its files %d times, expected at most %d", w.machine.Reloads(), most)
		}
	})
}
