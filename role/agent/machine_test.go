//go:build machines

// The agent over real systemd. These tests run as root on a machine whose PID 1
// is systemd and on which no fleetd runs; test/e2e builds them with
// `go test -c -tags machines` and runs them inside a local machine.

package agent_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"argosy/core/cluster"
	"argosy/core/schedule"
	"argosy/edge/memstore"
	"argosy/edge/systemd"
	"argosy/role/agent"
)

// host is real systemd with folders of the test's own, and a store in memory.
type host struct {
	t       testing.TB
	store   *memstore.Store
	term    cluster.Leader
	folders systemd.Folders
}

func newHost(t testing.TB) *host {
	base, err := os.MkdirTemp("/run", "fleet-agent-") // as fleet's: in memory
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(base); err != nil {
			t.Error(err)
		}
	})
	folders := systemd.DefaultFolders()
	folders.Units, folders.Started, folders.Lease = filepath.Join(base, "units"), filepath.Join(base, "started"), filepath.Join(base, "lease")
	folders.Secrets, folders.Credentials = filepath.Join(base, "secrets"), filepath.Join(base, "credentials")
	store := memstore.New()
	term, err := store.TakeLead(t.Context(), cluster.Leader{Machine: self})
	if err != nil {
		t.Fatal(err)
	}
	return &host{t, store, term, folders}
}

// run runs an agent until the returned function is called.
func (h *host) run() (*agent.Agent, func()) {
	disk := struct {
		*systemd.Files
	}{systemd.NewFiles(h.folders)}
	a := agent.New(agent.Config{Machine: cluster.Machine{ID: self, Name: "core-01", BootID: "boot-1"}, TTL: 10 * time.Second,
		Log: slog.New(slog.DiscardHandler)}, h.store, systemd.NewManager(systemd.PrivateSocket, h.folders), disk)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- a.Run(ctx) }()
	return a, func() {
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			h.t.Errorf("the agent ended with %v", err)
		}
	}
}

// place has units launched with a text each, in one transaction.
func (h *host) place(generation int64, texts map[cluster.UnitName]string) {
	h.t.Helper()
	facts := h.store.Changes(cluster.Everything, 0)
	revisions := map[cluster.UnitName]int64{}
	var machine int64
	for _, event := range facts.Events {
		switch event := event.(type) {
		case cluster.UnitChanged:
			revisions[event.Unit.Name] = event.Unit.Revision
		case cluster.MachineChanged:
			machine = event.Machine.Revision
		}
	}
	var changes []schedule.Change
	for name, text := range texts {
		unit, err := h.store.PutUnit(h.t.Context(), cluster.Unit{Name: name, Revision: revisions[name],
			Hash: cluster.HashOf(text), Desired: cluster.Launched, Generation: generation}, text)
		if err != nil {
			h.t.Fatal(err)
		}
		changes = append(changes, schedule.Place{UnitRevision: unit.Revision, MachineRevision: machine, Placement: cluster.Placement{
			Machine: self, Unit: name, Hash: unit.Hash, Desired: cluster.Launched, Generation: generation, Reason: "test"}})
	}
	if _, err := h.store.Commit(h.t.Context(), h.term, changes); err != nil {
		h.t.Fatal(err)
	}
}

// await follows the states until reached says so of them.
func (h *host) await(what string, reached func(map[cluster.UnitName]cluster.UnitState) bool) {
	h.t.Helper()
	errReached := errors.New("reached")
	states := map[cluster.UnitName]cluster.UnitState{}
	ctx, cancel := context.WithTimeout(h.t.Context(), time.Minute)
	defer cancel()
	err := h.store.Follow(ctx, cluster.Everything, func(b cluster.Batch) error {
		for _, event := range b.Events {
			switch event := event.(type) {
			case cluster.StateChanged:
				states[event.State.Unit] = event.State
			case cluster.StateGone:
				delete(states, event.Unit)
			}
		}
		if reached(states) {
			return errReached
		}
		return nil
	})
	if !errors.Is(err, errReached) {
		h.t.Fatalf("%s did not come about: %+v", what, states)
	}
}

func allActive(count int, generation int64) func(map[cluster.UnitName]cluster.UnitState) bool {
	return func(states map[cluster.UnitName]cluster.UnitState) bool {
		active := 0
		for _, s := range states {
			if s.Active == "active" && s.Phase == cluster.Settled && s.Generation == generation {
				active++
			}
		}
		return active == count
	}
}

// registered waits for the machine's record: placements are guarded by it.
func (h *host) registered() {
	h.t.Helper()
	errFound := errors.New("found")
	err := h.store.Follow(h.t.Context(), cluster.Everything, func(b cluster.Batch) error {
		for _, event := range b.Events {
			if _, is := event.(cluster.MachineChanged); is {
				return errFound
			}
		}
		return nil
	})
	if !errors.Is(err, errFound) {
		h.t.Fatal(err)
	}
}

func mainPID(t testing.TB, unit cluster.UnitName) string {
	out, err := exec.Command("systemctl", "show", "--property=MainPID", "--value", string(unit)).Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}

func texts(count int, text string) map[cluster.UnitName]string {
	units := map[cluster.UnitName]string{}
	for i := range count {
		units[cluster.UnitName(fmt.Sprintf("agentest@%d.service", i))] = text
	}
	return units
}

func TestLifeOnRealSystemd(t *testing.T) {
	h := newHost(t)
	_, end := h.run()
	h.registered()
	h.place(1, texts(20, sleeps))
	h.await("20 units active", allActive(20, 1))
	pid := mainPID(t, "agentest@7.service")

	end() // a restart of fleetd
	writes := h.store.Writes()
	_, end = h.run()
	h.place(2, texts(1, naps))
	h.await("the new text active", allActive(1, 2))
	if again := mainPID(t, "agentest@7.service"); again != pid || pid == "0" {
		t.Errorf("the main process was %s and is %s", pid, again)
	}
	if more := h.store.Writes() - writes; more > 6 {
		t.Errorf("a restart and one new text were written %d times", more)
	}

	h.place(3, map[cluster.UnitName]string{"agentest@3.service": fails, "agentest@4.service": ends, "agentest@5.service": "[Service]\nType=nonsense\n"})
	h.await("the outcomes", func(states map[cluster.UnitName]cluster.UnitState) bool {
		failed, ended, bad := states["agentest@3.service"], states["agentest@4.service"], states["agentest@5.service"]
		return failed.Active == "failed" && failed.Result == "exit-code" && failed.Generation == 3 &&
			ended.Active == "inactive" && ended.Result == "success" && ended.Generation == 3 && ended.Phase == cluster.Settled &&
			strings.Contains(bad.Problem, "bad unit file setting")
	})
	end()
	a, end := h.run()
	defer end()
	if err := a.Leave(t.Context()); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("systemctl", "list-units", "--all", "--no-legend", "agentest@*").CombinedOutput(); err != nil || len(out) != 0 {
		t.Errorf("after leaving systemd has %s (%v)", out, err)
	}
}

// BenchmarkSubmitToActive is from the store's word to the published state.
func BenchmarkSubmitToActive(b *testing.B) {
	for _, count := range []int{1, 10, 100, 500} {
		b.Run(fmt.Sprint(count), func(b *testing.B) {
			for b.Loop() {
				b.StopTimer()
				h := newHost(b)
				a, end := h.run()
				h.registered()
				b.StartTimer()
				h.place(1, texts(count, sleeps))
				h.await("all active", allActive(count, 1))
				b.StopTimer()
				if err := a.Leave(b.Context()); err != nil {
					b.Fatal(err)
				}
				end()
				b.StartTimer()
			}
		})
	}
}
