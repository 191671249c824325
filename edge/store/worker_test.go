package store

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"argosy/core/access"
	"argosy/core/cluster"
	"argosy/core/schedule"
)

// TestAWorkersLife makes each call that the agent and the detector of a machine make,
// as a worker, in a store that is closed.
func TestAWorkersLife(t *testing.T) {
	c := openClosed(t)
	id, other := machineNumber(1), machineNumber(2)
	s, ctx := c.worker(id), t.Context()
	must := func(what string, err error) {
		t.Helper()
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
	}
	register := func(m cluster.Machine) cluster.Machine {
		t.Helper()
		var err error
		m.Lease, err = s.GrantLease(ctx, time.Hour)
		must("grant a lease", err)
		if !access.OwnsLease(id, m.Lease) {
			t.Errorf("lease %x is not the machine's own", m.Lease)
		}
		m, err = s.PutMachine(ctx, m)
		must("write the record", err)
		return m
	}
	if _, err := s.Machine(ctx, id); !errors.Is(err, cluster.ErrNotFound) {
		t.Errorf("a record before there is one: %v", err)
	}
	m := register(cluster.Machine{ID: id, BootID: "one"})
	batches := follow(t, s, cluster.Assigned(id))
	next(t, batches, tells)

	term, err := c.root.TakeLead(ctx, cluster.Leader{Machine: other})
	must("take the lead", err)
	unit := put(t, c.root, "web.service")
	_, err = c.root.Commit(ctx, term, []schedule.Change{schedule.Place{
		Placement:    cluster.Placement{Machine: id, Unit: unit.Name, Hash: unit.Hash, Desired: unit.Desired},
		UnitRevision: unit.Revision, MachineRevision: m.Revision,
	}})
	must("place", err)
	next(t, batches, tells)
	must("assign probes", c.root.Assign(ctx, term, []cluster.Probes{{Machine: id, Targets: []cluster.Target{{Machine: other}}}}))
	next(t, batches, tells)
	placement, err := s.Placement(ctx, id, unit.Name)
	if must("read a placement", err); placement.Hash != unit.Hash {
		t.Errorf("placed is %+v", placement)
	}
	if _, err := s.Content(ctx, unit.Hash); !errors.Is(err, cluster.ErrForbidden) {
		t.Errorf("a text from the store itself: %v, want ErrForbidden", err)
	}

	must("publish", s.PutStates(ctx, m.Lease, id, []cluster.UnitState{{Unit: unit.Name, Active: "active"}}, nil))
	must("publish no more", s.PutStates(ctx, m.Lease, id, []cluster.UnitState{{Unit: "db.service"}}, []cluster.UnitName{unit.Name}))
	if states, err := s.States(ctx, id); err != nil || len(states) != 1 || states[0].Unit != "db.service" {
		t.Errorf("states: %+v, %v", states, err)
	}
	must("suspect", s.PutSuspicions(ctx, m.Lease, id, []cluster.Suspicion{{Prober: id, Target: other}}, nil))
	must("suspect no more", s.PutSuspicions(ctx, m.Lease, id, nil, []cluster.MachineID{other}))
	must("renew", s.KeepAlive(ctx, m.Lease))

	// After a reboot it takes its record over and ends the lease before.
	before := m.Lease
	m.BootID = "two"
	m = register(m)
	must("end the lease before", s.RevokeLease(ctx, before))
	if states, err := s.States(ctx, id); err != nil || len(states) != 0 {
		t.Errorf("states of the boot before: %+v, %v", states, err)
	}
	must("leave", s.Depart(ctx, id, m.Lease, time.Now()))
	must("end its lease", s.RevokeLease(ctx, m.Lease))
	register(cluster.Machine{ID: id, BootID: "three"})
	if urls, err := s.Members(ctx); err != nil || len(urls) == 0 {
		t.Errorf("members: %v, %v", urls, err)
	}
}

// TestAWorkerWithManyPlacements has more placed on a worker than come with the first
// answer, so that the rest comes in a stream.
func TestAWorkerWithManyPlacements(t *testing.T) {
	c := openClosed(t)
	id, ctx := machineNumber(1), t.Context()
	const count = pageKeys + 200
	var puts []clientv3.Op
	for n := range count {
		name := cluster.UnitName(fmt.Sprintf("web@%d.service", n))
		value, err := encode(cluster.Placement{Machine: id, Unit: name, Hash: cluster.HashOf("a"), Desired: cluster.Launched})
		if err != nil {
			t.Fatal(err)
		}
		puts = append(puts, clientv3.OpPut(placementKey(id, name), string(value)))
	}
	for some := range slices.Chunk(puts, maxOps) {
		if _, err := c.root.client.Txn(ctx).Then(some...).Commit(); err != nil {
			t.Fatal(err)
		}
	}
	all := next(t, follow(t, c.worker(id), cluster.Assigned(id)), tells)
	if !all.Reset || len(all.Events) != count {
		t.Errorf("told of %d placements, reset: %t; want %d", len(all.Events), all.Reset, count)
	}
}
