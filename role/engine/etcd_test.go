package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"argosy/core/cluster"
	"argosy/core/schedule"
	"argosy/edge/etcdnode/etcdtest"
	"argosy/edge/store"
)

// TestOverEtcd has two engines over the real store place units, and one of them
// end together with its machine and its way to the store.
func TestOverEtcd(t *testing.T) {
	endpoints := etcdtest.Start(t)
	direct := openStore(t, endpoints)
	leases := map[cluster.MachineID]int64{}
	for n := range 2 {
		id := machineID(n + 1)
		lease, err := direct.GrantLease(t.Context(), time.Hour)
		if err == nil {
			_, err = direct.PutMachine(t.Context(), cluster.Machine{ID: id, Lease: lease})
		}
		if err != nil {
			t.Fatal(err)
		}
		leases[id] = lease
	}
	ends := map[cluster.MachineID]func(){}
	for id := range leases {
		ends[id] = startOverEtcd(t, id, endpoints)
	}
	const count = 500
	for n := range count {
		name := cluster.UnitName(fmt.Sprintf("web@%d.service", n))
		unit := cluster.Unit{Name: name, Hash: cluster.HashOf(text), Desired: cluster.Launched, Generation: 1}
		if _, err := direct.PutUnit(t.Context(), unit, text); err != nil {
			t.Fatal(err)
		}
	}
	placed := followPlacements(t, direct)
	both := placed.until(func(on map[cluster.MachineID]int) bool { return on[machineID(1)]+on[machineID(2)] == count })
	if both[machineID(1)] != both[machineID(2)] {
		t.Errorf("%v, want as many on each machine", both)
	}

	leader, err := direct.Leader(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ends[leader.Machine]()
	start := time.Now()
	if err := direct.RevokeLease(t.Context(), leases[leader.Machine]); err != nil {
		t.Fatal(err)
	}
	placed.until(func(on map[cluster.MachineID]int) bool { return len(on) == 1 && on[leader.Machine] == 0 })
	t.Logf("from the end of the leader's lease to the last of %d units placed elsewhere: %s", both[leader.Machine], time.Since(start))
	if now, err := direct.Leader(t.Context()); err != nil || now.Machine == leader.Machine {
		t.Errorf("%+v leads, %v, want the other machine", now, err)
	}
}

func openStore(t *testing.T, endpoints []string) *store.Store {
	t.Helper()
	s, err := store.Open(store.Config{Endpoints: endpoints, Report: func(err error) { t.Log(err) }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() }) // twice for one that was cut off
	return s
}

// startOverEtcd runs an engine until the test ends or its machine dies.
func startOverEtcd(t *testing.T, id cluster.MachineID, endpoints []string) (die func()) {
	s, err := store.Open(store.Config{Endpoints: endpoints, Timeout: 500 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	engine := New(Config{
		Machine: id, Run: "run on " + string(id), Store: s, Planner: schedule.New(),
		Log: slog.New(slog.NewTextHandler(t.Output(), nil)).With("on", id.Short()),
	})
	go func() { done <- engine.Run(ctx) }()
	end := func() {
		_ = s.Close() // first: so it cannot resign
		cancel()
		if err := <-done; err != nil {
			t.Errorf("engine on %s ended with %v", id, err)
		}
		done <- nil
	}
	t.Cleanup(end)
	return end
}

// placements is a follower's count of placements by machine.
type placements struct {
	t       *testing.T
	batches chan cluster.Batch
	at      map[cluster.UnitName]map[cluster.MachineID]bool
}

func followPlacements(t *testing.T, s *store.Store) *placements {
	p := &placements{t: t, batches: make(chan cluster.Batch), at: map[cluster.UnitName]map[cluster.MachineID]bool{}}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		done <- s.Follow(ctx, cluster.Everything, func(batch cluster.Batch) error {
			select {
			case p.batches <- batch:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		})
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("Follow ended with %v, want its context's end", err)
		}
	})
	return p
}

// until waits for a count that satisfies, and checks at each revision that no
// unit is placed twice.
func (p *placements) until(satisfied func(map[cluster.MachineID]int) bool) map[cluster.MachineID]int {
	p.t.Helper()
	deadline := time.After(30 * time.Second)
	for {
		on := map[cluster.MachineID]int{}
		for unit, machines := range p.at {
			if len(machines) > 1 {
				p.t.Errorf("%s is placed on %v", unit, machines)
			}
			for id := range machines {
				on[id]++
			}
		}
		if satisfied(on) {
			return on
		}
		select {
		case batch := <-p.batches:
			p.learn(batch)
		case <-deadline:
			p.t.Fatalf("placed %v in the end", on)
		}
	}
}

func (p *placements) learn(batch cluster.Batch) {
	for _, event := range batch.Events {
		switch e := event.(type) {
		case cluster.PlacementChanged:
			if p.at[e.Placement.Unit] == nil {
				p.at[e.Placement.Unit] = map[cluster.MachineID]bool{}
			}
			p.at[e.Placement.Unit][e.Placement.Machine] = true
		case cluster.PlacementGone:
			delete(p.at[e.Unit], e.Machine)
		}
	}
}
