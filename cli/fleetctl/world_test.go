package fleetctl

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"argosy/cli"
	"argosy/core/api"
	"argosy/core/cluster"
	"argosy/core/schedule"
	"argosy/edge/httpapi"
	"argosy/edge/memstore"
	"argosy/role/registry"
)

// world is a cluster of one member and three machines of which only the API is
// real. What happens to a unit is in its name: see stateOf.
type world struct {
	*testing.T
	store    *memstore.Store
	machines []cluster.Machine
	lease    int64
	leader   cluster.Leader
	view     *api.View
	socket   string
}

var worldIDs = []cluster.MachineID{
	"148a18ff6e954cd892dac9de9bb90d5a", "491586a65ba24f1d9fb50b6ce8edbd7f", "c9de9451693d4b2ba3b2f1c7b0d1f0aa",
}

func newWorld(t *testing.T) *world {
	w := &world{T: t, store: memstore.New(), view: api.NewView(), socket: filepath.Join(t.TempDir(), "fleet.sock")}
	ctx := t.Context()
	w.lease = must(w.store.GrantLease(ctx, time.Hour))(t)
	t.Cleanup(func() { w.store.EndLease(w.lease) })
	for i, id := range worldIDs {
		w.machines = append(w.machines, must(w.store.PutMachine(ctx, cluster.Machine{
			ID: id, Name: fmt.Sprintf("core-%02d", i+1), Address: fmt.Sprintf("10.10.1.%d", i+1), Lease: w.lease, Member: true,
		}))(t))
	}
	w.leader = must(w.store.TakeLead(ctx, cluster.Leader{Machine: worldIDs[0], Run: "1"}))(t)

	known := registry.New(w.store, slog.New(slog.DiscardHandler))
	server := httpapi.New(httpapi.Config{Registry: known, Local: worldSystemd{}, Self: worldIDs[0], Host: "core-01", Version: "1"})
	listener := must(net.Listen("unix", w.socket))(t)
	w.background(func(ctx context.Context) error { return w.store.Follow(ctx, cluster.Everything, w.act) })
	w.background(known.Run)
	w.background(func(ctx context.Context) error { return server.Serve(ctx, listener) })
	return w
}

func must[V any](value V, err error) func(*testing.T) V {
	return func(t *testing.T) V {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return value
	}
}

// background runs a part until the test has ended, and waits for it.
func (w *world) background(run func(context.Context) error) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- run(ctx) }()
	w.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil && ctx.Err() == nil {
			w.Error(err)
		}
	})
}

// act is leader and agents in one: it brings every unit one step further.
func (w *world) act(batch cluster.Batch) error {
	w.view.Learn(batch.Events...)
	for _, event := range batch.Events {
		if name, about := api.Touched(event); about {
			if err := w.step(name, w.view.Unit(name)); err != nil {
				return err
			}
		}
	}
	return nil
}

func (w *world) step(name cluster.UnitName, u api.Unit) error {
	stored, known := w.view.Known(name)
	if !known || stored.Desired == cluster.Inactive {
		return w.letGo(u, stored.Revision)
	}
	if strings.HasPrefix(string(name), "nowhere") {
		if u.Outcome == api.OutcomeUnplaced {
			return nil
		}
		return w.commit(schedule.Refuse{UnitRevision: stored.Revision, Unplaced: cluster.Unplaced{
			Unit: name, Generation: stored.Generation, Reason: "conflicts with mongo@1.service",
		}})
	}
	m := w.machines[0]
	if name.Instance() != "" {
		m = w.machines[len(name)%len(w.machines)]
	}
	if len(u.On) == 0 || u.On[0].Placed == nil || u.On[0].Placed.Generation != stored.Generation {
		return w.commit(schedule.Place{UnitRevision: stored.Revision, MachineRevision: m.Revision, Placement: cluster.Placement{
			Machine: m.ID, Unit: name, Hash: stored.Hash, Desired: stored.Desired, Generation: stored.Generation,
		}})
	}
	if state := u.On[0].State; state != nil && state.Generation == stored.Generation {
		return nil
	}
	return w.store.PutStates(w.Context(), w.lease, m.ID, []cluster.UnitState{stateOf(stored, m.ID)}, nil)
}

func (w *world) letGo(u api.Unit, revision int64) error {
	switch {
	case len(u.On) == 0:
		return nil
	case u.On[0].Placed != nil:
		return w.commit(schedule.Evict{Unit: u.Name, From: u.On[0].Machine, UnitRevision: revision})
	default:
		return w.store.PutStates(w.Context(), w.lease, u.On[0].Machine, nil, []cluster.UnitName{u.Name})
	}
}

func (w *world) commit(change schedule.Change) error {
	_, err := w.store.Commit(w.Context(), w.leader, []schedule.Change{change})
	if err != nil && strings.Contains(err.Error(), cluster.ErrConflict.Error()) {
		return nil // the unit has changed: its event is on the way
	}
	return err
}

// stateOf is what becomes of a unit by its name.
func stateOf(u cluster.Unit, m cluster.MachineID) cluster.UnitState {
	s := cluster.UnitState{
		Machine: m, Unit: u.Name, Hash: u.Hash, Generation: u.Generation, Load: "loaded",
		Active: "active", Sub: "running", Result: "success", Phase: cluster.Settled,
	}
	word := string(u.Name)
	switch {
	case u.Desired == cluster.Loaded, strings.HasPrefix(word, "done"):
		s.Active, s.Sub = "inactive", "dead"
	case strings.HasPrefix(word, "fail"):
		s.Active, s.Sub, s.Result = "failed", "failed", "exit-code"
	case strings.HasPrefix(word, "slow"):
		s.Active, s.Sub, s.Phase = "activating", "start-pre", cluster.Working
	}
	return s
}

// worldSystemd is the systemd of every machine.
type worldSystemd struct{}

func (worldSystemd) Status(_ context.Context, unit cluster.UnitName) (string, int, error) {
	if strings.HasPrefix(string(unit), "fail") {
		return "× " + string(unit) + "\n", 3, nil
	}
	return "● " + string(unit) + "\n", 0, nil
}

func (worldSystemd) Journal(_ context.Context, unit cluster.UnitName, o api.JournalOptions, out io.Writer) error {
	for i := range o.Lines {
		fmt.Fprintf(out, "%s says %d\n", unit, i+1)
	}
	return nil
}

// said is what a run of fleetctl has printed, and its exit code.
type said struct {
	out, err string
	code     int
}

// fleetctl runs the command against the world.
func (w *world) fleetctl(args ...string) said {
	w.Helper()
	return runFleetctl(w.Context(), append([]string{"--endpoint", "unix://" + w.socket}, args...)...)
}

func runFleetctl(ctx context.Context, args ...string) said {
	cmd := New()
	var out, errs bytes.Buffer
	cmd.SetOut(&out)
	cmd.SetErr(&errs)
	cmd.SetArgs(args)
	err := cmd.ExecuteContext(ctx)
	if err != nil && err.Error() != "" {
		fmt.Fprintf(&errs, "fleetctl: %v\n", err)
	}
	return said{out.String(), errs.String(), cli.Code(err)}
}
