package agent_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"sync"
	"testing"
	"time"

	"argosy/core/api"
	"argosy/core/cluster"
	"argosy/role/agent"
)

// network is the APIs that answer, by their address.
type network struct {
	mu      sync.Mutex
	agents  map[string]*agent.Agent
	claims  int
	unheard bool // nobody hears anybody
}

func (n *network) Claim(ctx context.Context, at string, by api.Identity) (api.Identity, error) {
	n.set(func() { n.claims++ })
	for ctx.Err() == nil {
		var a *agent.Agent
		n.set(func() {
			if !n.unheard {
				a = n.agents[at]
			}
		})
		if a != nil {
			return a.Claimed(by), nil
		}
		time.Sleep(10 * time.Millisecond) // the bubble's: it is sent again
	}
	return api.Identity{}, ctx.Err()
}

func (n *network) set(change func()) {
	n.mu.Lock()
	defer n.mu.Unlock()
	change()
}

func newNetwork() *network { return &network{agents: map[string]*agent.Agent{}} }

// on runs an agent whose API answers at its address.
func (n *network) on(w *world, name, address string) *running {
	r := w.runAs(name, address, n)
	n.set(func() { n.agents[address+":49153"] = r.Agent })
	return r
}

// twin is another machine with the same id, and its own way to the store.
func (w *world) twin() *world {
	twin := *w
	twin.boot += 10
	twin.machine, twin.link = newTwin(), newLink(w.store)
	return &twin
}

func (w *world) record() cluster.Machine {
	w.t.Helper()
	m, err := w.store.Machine(w.t.Context(), self)
	if err != nil {
		w.t.Fatal(err)
	}
	return m
}

const sameID = "both have the machine id " + string(self) + ": give one of them another /etc/machine-id"

func TestSecondMachineWithOneIDIsRefused(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		n := newNetwork()
		first := n.on(w, "core-02", "10.99.0.12")
		w.launch("web.service", sleeps, 1)
		w.settle()
		held, runs := w.record(), w.machine.Invocation("web.service")

		twin := w.twin()
		second := n.on(twin, "core-03", "10.99.0.13")
		w.pass(5 * time.Minute)
		if want := "register this machine: refused: core-03 at 10.99.0.13 and core-02 at 10.99.0.12 " + sameID; second.Health().Trouble != want || second.Admitted() {
			t.Errorf("the second says %q, want %q", second.Health().Trouble, want)
		}
		twin.did() // not one job
		if got := n.claims; got < 20 || got > 40 {
			t.Errorf("%d claims in five minutes", got)
		}
		// The first is as it was, but for what its record says of the second.
		now := w.record()
		want := "core-03 at 10.99.0.13 has this machine's id as well and is refused: give it another /etc/machine-id"
		if now.Note != want || now.Lease != held.Lease || now.Name != "core-02" || first.Health().Trouble != "" || !first.Admitted() {
			t.Errorf("the first's record is %+v, trouble %q", now, first.Health().Trouble)
		}
		w.is("web.service", "1 active running settled")
		w.did("start web.service")
		if w.machine.Invocation("web.service") != runs {
			t.Error("the first's unit was restarted")
		}

		// A third one costs nothing more.
		writes := w.store.Writes()
		third := w.twin()
		third.boot++
		other := n.on(third, "core-04", "10.99.0.14")
		w.pass(5 * time.Minute)
		if other.Admitted() || w.record().Note != want || w.store.Writes() != writes {
			t.Errorf("a third: %d writes, the record is %+v", w.store.Writes()-writes, w.record())
		}
		other.end()

		// The second goes: a while later the record says nothing of it any more.
		second.end()
		w.pass(2 * time.Minute)
		if now := w.record(); now.Note != "" || now.Lease != held.Lease {
			t.Errorf("the record is %+v", now)
		}
	})
}

// A record whose machine is gone from its address and silent is not taken while
// its lease lives: it may be cut off from us alone.
func TestSilentHolderKeepsItsRecordAsLongAsItsLease(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		n := newNetwork()
		n.unheard = true
		first := n.on(w, "core-02", "10.99.0.12")
		w.launch("web.service", sleeps, 1)
		w.settle()
		held := w.record()
		twin := w.twin()
		second := n.on(twin, "core-03", "10.99.0.13")
		w.pass(time.Minute)
		if now := w.record(); now.Lease != held.Lease || now.Name != "core-02" {
			t.Errorf("taken over: %+v", now)
		}
		if want := "register this machine: waiting: core-02 at 10.99.0.12 holds the machine id " + string(self) +
			", which core-03 at 10.99.0.13 has as well, and does not answer; its lease ends by itself if it is gone"; second.Health().Trouble != want {
			t.Errorf("the second says %q, want %q", second.Health().Trouble, want)
		}
		twin.did()
		first.end() // as a machine that is lost: its lease ends
		w.pass(ttl + 2*time.Second)
		if now := w.record(); now.Name != "core-03" || !second.Admitted() {
			t.Errorf("not taken over: %+v, %q", now, second.Health().Trouble)
		}
	})
}

// The same machine, booted before its lease ended, asks itself and takes over.
func TestBootedMachineTakesOverAtOnce(t *testing.T) {
	for _, unheard := range []bool{false, true} {
		t.Run(fmt.Sprintf("unheard %t", unheard), func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				n := newNetwork()
				n.unheard = unheard
				r := n.on(w, "core-02", "10.99.0.12")
				r.end()
				n.set(func() { clear(n.agents) })
				w.machine.Reboot()
				w.boot++
				again := n.on(w, "core-02", "10.99.0.12")
				w.pass(1100 * time.Millisecond)
				if m := w.record(); m.BootID != "boot-2" || !again.Admitted() {
					t.Errorf("the record is %+v, trouble %q", m, again.Health().Trouble)
				}
			})
		})
	}
}

// Two clones that start together: one is in, the other says why it is not.
func TestClonesThatBootTogether(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		n, twin := newNetwork(), w.twin()
		var both []*running
		w.link.set(true)
		twin.link.set(true)
		both = append(both, n.on(w, "core-02", "10.99.0.12"), n.on(twin, "core-03", "10.99.0.13"))
		w.link.set(false)
		twin.link.set(false)
		w.launch("web.service", sleeps, 1)
		w.pass(time.Minute)
		in, out := both[0], both[1]
		if !in.Admitted() {
			in, out = out, in
		}
		if !in.Admitted() || out.Admitted() || !strings.Contains(out.Health().Trouble, sameID) || in.Health().Trouble != "" {
			t.Errorf("%q and %q", in.Health().Trouble, out.Health().Trouble)
		}
		if jobs := len(w.machine.Jobs()) + len(twin.machine.Jobs()); jobs > 1 {
			t.Errorf("%d jobs on both: the unit ran twice", jobs)
		}
	})
}

// While the first is cut off from the store its lease ends and the second takes
// the id. Back, the first is the one that is refused; it touches no unit.
func TestFirstIsRefusedAfterItLostItsLease(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		n := newNetwork()
		first := n.on(w, "core-02", "10.99.0.12")
		w.launch("web.service", sleeps, 1)
		w.settle()
		twin := w.twin()
		second := n.on(twin, "core-03", "10.99.0.13")
		w.link.set(true)
		w.pass(time.Minute)
		if !second.Admitted() {
			t.Fatalf("the second: %q", second.Health().Trouble)
		}
		w.link.set(false)
		w.pass(time.Minute)
		if want := "refused: core-02 at 10.99.0.12 and core-03 at 10.99.0.13 " + sameID; !strings.HasSuffix(first.Health().Trouble, want) || first.Admitted() {
			t.Errorf("the first says %q, want %q", first.Health().Trouble, want)
		}
		w.evict("web.service", sleeps)
		w.settle()
		w.did("start web.service") // and no stop: it is not said whose unit that was
		if m := w.record(); m.Name != "core-03" {
			t.Errorf("the record is %+v", m)
		}
	})
}

func TestUpdateChangesTheRecordAndTouchesNoUnit(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		r := w.run()
		w.launch("web.service", sleeps, 1)
		w.settle()
		before := w.record()
		r.Update(map[string]string{"region": "eu"}, cluster.Capacity{Other: map[string]int64{"gpu": 2}}, ttl)
		w.settle()
		now := w.record()
		if !maps.Equal(now.Metadata, map[string]string{"region": "eu"}) || now.Capacity.Other["gpu"] != 2 || now.Lease != before.Lease || !now.Since.Equal(before.Since) {
			t.Errorf("the record is %+v", now)
		}
		// Another TTL is another lease, and no state is missing meanwhile.
		r.Update(nil, cluster.Capacity{}, 20*time.Second)
		w.settle()
		now = w.record()
		if now.Lease == before.Lease || now.TTLSeconds != 20 || now.Metadata != nil {
			t.Errorf("the record is %+v", now)
		}
		w.is("web.service", "1 active running settled")
		w.pass(time.Minute) // the old lease has ended
		w.is("web.service", "1 active running settled")
		if m := w.record(); m.Lease != now.Lease {
			t.Errorf("the record is %+v", m)
		}
		if err := w.store.KeepAlive(t.Context(), before.Lease); !errors.Is(err, cluster.ErrLeaseGone) {
			t.Errorf("the old lease: %v", err)
		}
		w.did("start web.service")
	})
}

// A record that cannot be written does not keep the lease from being renewed.
func TestUpdateThatHangsCostsNoLease(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		r := w.run()
		w.launch("web.service", sleeps, 1)
		w.settle()
		before := w.record()
		w.link.stick(true)
		r.Update(map[string]string{"region": "eu"}, cluster.Capacity{}, ttl)
		w.pass(time.Minute)
		if r.Health().Trouble == "" {
			t.Error("no trouble is told")
		}
		w.link.stick(false)
		w.pass(5 * time.Second)
		if now := w.record(); now.Lease != before.Lease || now.Metadata["region"] != "eu" || r.Health().Trouble != "" {
			t.Errorf("the record is %+v, trouble %q", now, r.Health().Trouble)
		}
		w.is("web.service", "1 active running settled")
	})
}
