package agent_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"argosy/core/cluster"
)

func TestAUnitIsStartedOnce(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.run()
		w.launch("web.service", sleeps, 1)
		synctest.Wait()
		w.is("web.service", "1 active running settled")
		w.machine.End("web.service", "failed")
		w.settle()
		if s := w.is("web.service", "1 failed failed settled"); s.Result != "exit-code" {
			t.Errorf("its result is %q", s.Result)
		}
		w.pass(5 * time.Minute)
		w.did("start web.service")
	})
}

func TestAUnitThatEndsAtOnceIsNotStartedAgain(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.run()
		w.launch("once.service", ends, 1)
		w.pass(5 * time.Minute)
		if s := w.is("once.service", "1 inactive dead settled"); s.Result != "success" || s.Load != "loaded" || s.Problem != "" {
			t.Errorf("its state is %+v", s)
		}
		w.did("start once.service")
	})
}

func TestEachGenerationActsOnce(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.run()
		w.place("web.service", sleeps, cluster.Loaded, 1)
		w.settle()
		w.is("web.service", "1 inactive dead settled")
		w.launch("web.service", sleeps, 2)
		w.settle()
		w.launch("web.service", naps, 3)
		w.settle()
		if s := w.is("web.service", "3 active running settled"); s.Hash != cluster.HashOf(naps) {
			t.Errorf("it runs the text %s", s.Hash)
		}
		w.place("web.service", naps, cluster.Loaded, 4)
		w.settle()
		w.is("web.service", "4 inactive dead settled")
		w.evict("web.service", naps)
		w.settle()
		w.is("web.service", "absent")
		w.did("start web.service", "restart web.service", "stop web.service")
		if files, _ := w.machine.List(); len(files) != 0 {
			t.Errorf("left on the disk: %v", files)
		}
		if w.machine.Reloads() != 1 {
			t.Errorf("systemd read its files %d times, expected once", w.machine.Reloads())
		}
	})
}

func TestNothingIsStartedBeforeThePlacementsWereRead(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.launch("web.service", sleeps, 1)
		w.machine.Foreign("sshd.service")
		w.link.set(true)
		r := w.run()
		w.pass(time.Minute)
		w.did()
		if r.Health().Trouble == "" || !r.Health().LastContact.IsZero() {
			t.Errorf("health without a store: %+v", r.Health())
		}
		w.link.set(false)
		w.settle()
		w.did("start web.service")
		if h := r.Health(); h.Trouble != "" || time.Since(h.LastContact) > 2*time.Second {
			t.Errorf("health with a store: %+v", h)
		}
		if up := w.machine.Running(); !slices.Contains(up, "sshd.service") {
			t.Errorf("a foreign unit was touched: %v", up)
		}
	})
}

func TestARestartOfTheAgentTouchesAndWritesNothing(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		first := w.run()
		w.launch("web.service", sleeps, 1)
		w.launch("once.service", ends, 1)
		w.launch("bad.service", fails, 1)
		w.settle()
		jobs, invocation := w.machine.Jobs(), w.machine.Invocation("web.service")
		for range 3 {
			first.end()
			w.pass(time.Second)
			writes := w.store.Writes()
			first = w.run()
			w.pass(3 * time.Minute)
			if more := w.store.Writes() - writes; more != 0 {
				t.Errorf("the restart wrote %d times", more)
			}
		}
		w.did(jobs...)
		if w.machine.Invocation("web.service") != invocation {
			t.Error("the unit was started again")
		}
	})
}

func TestAnIdleMachineWritesNothing(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.run()
		w.launch("web.service", sleeps, 1)
		w.settle()
		writes := w.store.Writes()
		w.pass(time.Hour)
		if more := w.store.Writes() - writes; more != 0 {
			t.Errorf("it wrote %d times in an hour", more)
		}
	})
}

func TestAnOutageEndsNothing(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.run()
		w.launch("web.service", sleeps, 1)
		w.settle()
		w.link.set(true)
		w.pass(time.Minute) // six times the lease
		if up := w.machine.Running(); !slices.Contains(up, "web.service") {
			t.Errorf("running in the outage: %v", up)
		}
		if _, err := w.store.Machine(t.Context(), self); !errors.Is(err, cluster.ErrNotFound) {
			t.Errorf("the lease did not end: %v", err)
		}
		w.machine.End("web.service", "failed") // to be told afterwards
		w.link.set(false)
		w.pass(3 * time.Second)
		w.is("web.service", "1 failed failed settled")
		if _, err := w.store.Machine(t.Context(), self); err != nil {
			t.Errorf("the machine is not back: %v", err)
		}
		w.did("start web.service")
	})
}

func TestADuplicateEndsWhenThePartitionHeals(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.run()
		w.launch("moved.service", sleeps, 1)
		w.launch("kept.service", sleeps, 1)
		w.settle()
		w.link.set(true)
		w.pass(time.Minute)
		w.evict("moved.service", sleeps)
		w.link.set(false)
		w.pass(3 * time.Second)
		if up := w.machine.Running(); !slices.Equal(up, []cluster.UnitName{"kept.service"}) {
			t.Errorf("running after the heal: %v", up)
		}
		w.is("moved.service", "absent")
		w.is("kept.service", "1 active running settled")
	})
}

func TestAfterARebootAllIsStartedAnewAndTheRecordIsTakenOver(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		first := w.run()
		w.launch("web.service", sleeps, 1)
		w.settle()
		old, _ := w.store.Machine(t.Context(), self)
		first.end()
		w.machine.Reboot()
		w.boot++
		w.run() // sooner than the lease ends
		w.settle()
		m, err := w.store.Machine(t.Context(), self)
		if err != nil || m.BootID != "boot-2" || m.Lease == old.Lease {
			t.Errorf("the record is %+v, %v", m, err)
		}
		if err := w.store.KeepAlive(t.Context(), old.Lease); !errors.Is(err, cluster.ErrLeaseGone) {
			t.Errorf("the lease of the boot before: %v, expected that it is gone", err)
		}
		w.pass(time.Minute)
		w.is("web.service", "1 active running settled")
		w.did("start web.service", "start web.service")
	})
}

func TestALeaseThatIsLostIsGrantedAnew(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.run()
		w.launch("web.service", sleeps, 1)
		w.settle()
		m, _ := w.store.Machine(t.Context(), self)
		w.store.EndLease(m.Lease)
		w.is("web.service", "absent")
		w.pass(ttl / 2)
		w.is("web.service", "1 active running settled")
		again, err := w.store.Machine(t.Context(), self)
		if err != nil || again.Lease == m.Lease {
			t.Errorf("the record is %+v, %v", again, err)
		}
		w.did("start web.service")
	})
}

func TestGhostsOfALifeBeforeAreRemoved(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		first := w.run()
		w.launch("web.service", sleeps, 1)
		w.settle()
		first.end()
		m, _ := w.store.Machine(t.Context(), self)
		ghost := []cluster.UnitState{{Unit: "ghost.service", Active: "active"}}
		if err := w.store.PutStates(t.Context(), m.Lease, self, ghost, nil); err != nil {
			t.Fatal(err)
		}
		w.run()
		w.settle()
		w.is("ghost.service", "absent")
		w.is("web.service", "1 active running settled")
	})
}

func TestAFailingUnitIsReportedAndHoldsUpNoOther(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.run()
		w.machine.Break("b.service", errors.New("masked"))
		w.launch("a.service", fails, 1)
		w.launch("b.service", sleeps, 1)
		w.launch("c.service", sleeps, 1)
		w.launch("d.service", "[Unit]\nRequires=a.service\n"+sleeps, 1)
		w.settle()
		if s := w.is("a.service", "1 failed failed settled"); s.Result != "exit-code" {
			t.Errorf("a.service is %+v", s)
		}
		if s := w.is("b.service", "1 inactive dead settled"); !strings.Contains(s.Problem, "masked") {
			t.Errorf("b.service is %+v", s)
		}
		w.is("c.service", "1 active running settled")
		if s := w.is("d.service", "1 inactive dead settled"); !strings.Contains(s.Problem, "requires") {
			t.Errorf("d.service is %+v", s)
		}
		w.machine.Break("b.service", nil)
		w.pass(time.Minute)
		if s := w.is("b.service", "1 active running settled"); s.Problem != "" {
			t.Errorf("b.service is %+v", s)
		}
	})
}

func TestAMissingTextIsReportedAndAskedForAgain(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.link.lose(cluster.HashOf(sleeps))
		w.run()
		w.launch("web.service", sleeps, 1)
		w.launch("other.service", naps, 1)
		w.settle()
		if s := w.is("web.service", "1 inactive dead settled"); !strings.Contains(s.Problem, "not in the store") || s.Load != "not-found" {
			t.Errorf("web.service is %+v", s)
		}
		w.is("other.service", "1 active running settled")
		w.link.lose("")
		w.pass(time.Minute)
		w.is("web.service", "1 active running settled")
	})
}

func TestASlowStartIsShownAndCanBeStopped(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.run()
		for i := range 40 { // more than there are places for jobs
			w.launch(cluster.UnitName(fmt.Sprintf("slow@%d.service", i)), slow, 1)
		}
		w.pass(5 * time.Second)
		w.is("slow@39.service", "1 activating start-pre working")
		w.launch("quick.service", sleeps, 1)
		w.pass(2 * time.Second)
		w.is("quick.service", "1 active running settled")
		w.place("slow@1.service", slow, cluster.Loaded, 2)
		w.settle()
		w.is("slow@1.service", "2 failed failed settled") // its ExecStartPre was killed
		w.machine.Finish("slow@2.service")
		w.settle()
		w.is("slow@2.service", "1 active running settled")
	})
}

func TestAShadowedUnitIsStartedAndSaysSo(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		path := w.machine.Override("web.service", naps)
		w.run()
		w.launch("web.service", sleeps, 1)
		w.settle()
		if s := w.is("web.service", "1 active running settled"); s.Problem != "" || !strings.Contains(s.Note, path) {
			t.Errorf("its note is %q and its problem %q, expected a note that names %s", s.Note, s.Problem, path)
		}
	})
}

func TestAThousandUnitsAtOnce(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		var names []cluster.UnitName
		for i := range 1000 {
			name := cluster.UnitName(fmt.Sprintf("u@%d.service", i))
			names = append(names, name)
			w.launch(name, fmt.Sprintf("# %d\n%s", i%100, sleeps), 1)
		}
		writes := w.store.Writes()
		w.run()
		w.pass(time.Minute)
		states := w.states()
		for _, name := range names {
			if s := states[name]; s.Active != "active" || s.Phase != cluster.Settled {
				t.Errorf("the state of %s is %+v", name, s)
			}
		}
		if jobs := len(w.machine.Jobs()); jobs != 1000 {
			t.Errorf("systemd was asked for %d jobs", jobs)
		}
		if w.machine.Reloads() != 0 {
			t.Errorf("systemd read its files %d times", w.machine.Reloads())
		}
		if more := w.store.Writes() - writes; more > 50 {
			t.Errorf("the store was written to %d times", more)
		}
	})
}

func TestAUnitThatFlapsIsPublishedAtACalmPace(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.run()
		w.launch("web.service", sleeps, 1)
		w.settle()
		writes := w.store.Writes()
		for range 600 {
			w.machine.End("web.service", "failed")
			w.pass(50 * time.Millisecond)
			w.machine.End("web.service", "active")
			w.pass(50 * time.Millisecond)
		}
		if more := w.store.Writes() - writes; more > 80 {
			t.Errorf("a minute of flapping was written %d times", more)
		}
		w.machine.End("web.service", "inactive")
		w.pass(15 * time.Second)
		w.is("web.service", "1 inactive dead settled")
	})
}

func TestLosingSystemdsConnectionEndsNothing(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.run()
		w.launch("slow.service", slow, 1)
		w.settle()
		w.machine.Disconnect()
		w.settle()
		w.is("slow.service", "1 activating start-pre working")
		w.machine.Finish("slow.service")
		w.settle()
		w.is("slow.service", "1 active running settled")
		w.did("start slow.service")
	})
}
