package agent_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"argosy/core/cluster"
	"argosy/edge/fakesystemd"
)

func newTwin() *fakesystemd.Machine { return fakesystemd.New() }

func TestLeavingStopsAllAndThenRevokesTheLease(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		r := w.run()
		for i := range 50 {
			w.launch(cluster.UnitName(fmt.Sprintf("u%02d.service", i)), sleeps, 1)
		}
		w.launch("slow.service", slow, 1)
		w.machine.Foreign("sshd.service")
		w.settle()
		if err := r.Leave(t.Context()); err != nil {
			t.Fatal(err)
		}
		if up := w.machine.Running(); !slices.Equal(up, []cluster.UnitName{"sshd.service"}) {
			t.Errorf("still running: %v", up)
		}
		if files, _ := w.machine.List(); len(files) != 0 {
			t.Errorf("left on the disk: %v", files)
		}
		if _, err := w.store.Machine(t.Context(), self); !errors.Is(err, cluster.ErrNotFound) {
			t.Errorf("the record is still there: %v", err)
		}
		if states := w.states(); len(states) != 0 {
			t.Errorf("states are still there: %v", states)
		}
		// Whatever the leader places here now is started by nobody...
		jobs := len(w.machine.Jobs())
		w.launch("late.service", sleeps, 1)
		w.pass(time.Minute)
		if got := w.machine.Jobs(); len(got) != jobs {
			t.Errorf("after leaving systemd was asked to %q", got[jobs:])
		}
		// ... until fleet is started again.
		r.end()
		w.run()
		w.settle()
		w.is("late.service", "1 active running settled")
		w.is("u07.service", "1 active running settled")
	})
}

func TestLeavingWithoutTheStoreTouchesNothing(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		r := w.run()
		w.launch("web.service", sleeps, 1)
		w.settle()
		w.link.set(true)
		err := r.Leave(t.Context())
		if !errors.Is(err, cluster.ErrUnavailable) || !strings.Contains(err.Error(), "nothing was touched") {
			t.Errorf("leave: %v", err)
		}
		w.pass(time.Minute)
		w.did("start web.service")
		w.link.set(false)
		w.pass(5 * time.Second)
		w.is("web.service", "1 active running settled")
	})
}

func TestLeavingGoesOnWhenAUnitCannotBeStopped(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		r := w.run()
		w.launch("stuck.service", sleeps, 1)
		w.launch("web.service", sleeps, 1)
		w.settle()
		w.machine.Break("stuck.service", errors.New("it does not end"))
		err := r.Leave(t.Context())
		if err == nil || !strings.Contains(err.Error(), "stuck.service") || strings.Contains(err.Error(), "web.service") {
			t.Errorf("leave: %v, expected that it names stuck.service alone", err)
		}
		if _, err := w.store.Machine(t.Context(), self); !errors.Is(err, cluster.ErrNotFound) {
			t.Errorf("the record is still there: %v", err)
		}
	})
}

func TestLeavingEndsWithItsTime(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		r := w.run()
		w.launch("stuck.service", sleeps, 1)
		w.settle()
		w.machine.Break("stuck.service", errors.New("it does not end"))
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		if err := r.Leave(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("leave: %v", err)
		}
		if _, err := w.store.Machine(t.Context(), self); !errors.Is(err, cluster.ErrNotFound) {
			t.Errorf("the record is still there: %v", err)
		}
	})
}

func TestLeavingBeforeAnythingWasReadStopsWhatIsThere(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		first := w.run()
		w.launch("web.service", sleeps, 1)
		w.settle()
		first.end()
		second := w.run()
		if err := second.Leave(t.Context()); err != nil {
			t.Fatal(err)
		}
		if up := w.machine.Running(); len(up) != 0 {
			t.Errorf("still running: %v", up)
		}
	})
}

func TestPlacementsDuringTheLeaveAreNotStarted(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		r := w.run()
		w.launch("slow.service", slow, 1)
		w.launch("stuck.service", sleeps, 1)
		w.settle()
		w.machine.Break("stuck.service", errors.New("it does not end"))
		left := make(chan error, 1)
		go func() { left <- r.Leave(t.Context()) }()
		w.pass(500 * time.Millisecond)
		w.launch("late.service", sleeps, 1)
		w.launch("slow.service", slow, 2)
		if err := <-left; err == nil {
			t.Error("a unit could not be stopped and the leave did not say so")
		}
		for _, job := range w.machine.Jobs() {
			if job == "start late.service" || job == "restart slow.service" {
				t.Errorf("while leaving systemd was asked to %s", job)
			}
		}
	})
}
