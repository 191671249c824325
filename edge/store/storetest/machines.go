package storetest

import (
	"errors"
	"reflect"
	"time"

	"argosy/core/cluster"
)

func testMachine(s *suite) {
	ctx := s.Context()
	if _, err := s.store.Machine(ctx, machineID(1)); !errors.Is(err, cluster.ErrNotFound) {
		s.Errorf("a machine that is not there: %v, want ErrNotFound", err)
	}
	m := s.putMachine(1)
	if got, err := s.store.Machine(ctx, m.ID); err != nil || !reflect.DeepEqual(got, m) {
		s.Errorf("got %+v, %v, want %+v", got, err, m)
	}
	again := m
	again.Revision = 0
	if _, err := s.store.PutMachine(ctx, again); !errors.Is(err, cluster.ErrConflict) {
		s.Errorf("a new machine over an old one: %v, want ErrConflict", err)
	}
	m.Metadata = map[string]string{"region": "öland"}
	renewed, err := s.store.PutMachine(ctx, m)
	if err != nil || renewed.Revision <= m.Revision {
		s.Errorf("renew: %+v, %v", renewed, err)
	}
	if _, err := s.store.PutMachine(ctx, m); !errors.Is(err, cluster.ErrConflict) {
		s.Errorf("renew from an old revision: %v, want ErrConflict", err)
	}
	other := s.putMachine(0)
	if err := s.store.PutSuspicions(ctx, other.Lease, other.ID, []cluster.Suspicion{{Target: m.ID}}, nil); err != nil {
		s.Error(err)
	}
	if got, err := s.store.Machines(ctx); err != nil || !reflect.DeepEqual(got, []cluster.Machine{other, renewed}) {
		s.Errorf("all machines: %+v, %v, want %+v and %+v", got, err, other, renewed)
	}
	for _, lease := range []int64{0, 123456} {
		if _, err := s.store.PutMachine(ctx, cluster.Machine{ID: machineID(2), Lease: lease}); !errors.Is(err, cluster.ErrLeaseGone) {
			s.Errorf("a machine with no lease: %v, want ErrLeaseGone", err)
		}
	}
}

func testLeaseEnds(s *suite) {
	ctx := s.Context()
	m, other := s.putMachine(1), s.putMachine(2)
	unit := s.putUnit(aUnit("web.service", "a"), "a")
	term := s.takeLead(m.ID)
	s.commit(term, placed(unit, m))
	for _, of := range []cluster.Machine{m, other} {
		if err := s.store.PutStates(ctx, of.Lease, of.ID, []cluster.UnitState{{Unit: unit.Name}}, nil); err != nil {
			s.Fatal(err)
		}
	}
	f, p := s.follow(cluster.Everything), &picture{}
	if err := p.learn(f.next()); err != nil {
		s.Fatal(err)
	}
	if err := s.store.RevokeLease(ctx, m.Lease); err != nil {
		s.Fatalf("revoke: %v", err)
	}
	batch := f.next()
	if len(batch.Events) != 2 {
		s.Errorf("a lease's end in one batch: got %+v, want the machine and its state gone", batch.Events)
	}
	if err := p.learn(batch); err != nil {
		s.Error(err)
	}
	ofMachine, ofOther := "state "+string(m.ID)+" web.service", "state "+string(other.ID)+" web.service"
	if p.facts["machine "+string(m.ID)] != nil || p.facts[ofMachine] != nil {
		s.Errorf("a machine or its state outlived its lease: %v", p.facts)
	}
	for _, name := range []string{"machine " + string(other.ID), ofOther, "unit web.service", "leader", "placement " + string(m.ID) + " web.service"} {
		if p.facts[name] == nil {
			s.Errorf("%s ended with another's lease", name)
		}
	}
	if err := s.store.KeepAlive(ctx, m.Lease); !errors.Is(err, cluster.ErrLeaseGone) {
		s.Errorf("keep a lease that has ended: %v, want ErrLeaseGone", err)
	}
	if err := s.store.RevokeLease(ctx, m.Lease); !errors.Is(err, cluster.ErrLeaseGone) {
		s.Errorf("revoke a lease that has ended: %v, want ErrLeaseGone", err)
	}
	if _, err := s.store.PutMachine(ctx, cluster.Machine{ID: m.ID, Lease: m.Lease}); !errors.Is(err, cluster.ErrLeaseGone) {
		s.Errorf("a machine with a lease that has ended: %v, want ErrLeaseGone", err)
	}
	if err := s.store.PutStates(ctx, m.Lease, m.ID, []cluster.UnitState{{Unit: unit.Name}}, nil); !errors.Is(err, cluster.ErrLeaseGone) {
		s.Errorf("states with a lease that has ended: %v, want ErrLeaseGone", err)
	}
}

// testLeaseTime is the one part that takes seconds: no store grants less.
func testLeaseTime(s *suite) {
	ctx := s.Context()
	lease, err := s.store.GrantLease(ctx, 500*time.Millisecond)
	if err != nil {
		s.Fatal(err)
	}
	if _, err := s.store.PutMachine(ctx, cluster.Machine{ID: machineID(1), Lease: lease}); err != nil {
		s.Fatal(err)
	}
	f := s.follow(cluster.Everything)
	f.next()
	if err := s.store.KeepAlive(ctx, lease); err != nil {
		s.Errorf("keep alive: %v", err)
	}
	if got := f.next(); !reflect.DeepEqual(got.Events, []cluster.Event{cluster.MachineGone{ID: machineID(1)}}) {
		s.Errorf("a lease left alone: got %+v, want the machine gone", got)
	}
}

func testStates(s *suite) {
	ctx := s.Context()
	m := s.putMachine(1)
	var changed []cluster.UnitState
	for n := range 300 {
		changed = append(changed, cluster.UnitState{Machine: m.ID, Unit: unitName(n), Active: "active", Phase: cluster.Settled, Problem: "<none> & fine"})
	}
	if err := s.store.PutStates(ctx, m.Lease, m.ID, changed, nil); err != nil {
		s.Fatal(err)
	}
	// The last word on a unit counts, and a change against a removal.
	changed[0].Active, changed[1].Active = "failed", "inactive"
	first := changed[0]
	first.Active = "activating"
	err := s.store.PutStates(ctx, m.Lease, m.ID, []cluster.UnitState{first, changed[0], changed[1]},
		[]cluster.UnitName{unitName(1), unitName(2), unitName(2), "never-there.service"})
	if err != nil {
		s.Fatal(err)
	}
	p := &picture{}
	if err := p.learn(s.all(cluster.Everything)); err != nil {
		s.Error(err)
	}
	if len(p.facts) != 1+299 {
		s.Errorf("got %d facts, want a machine and 299 states", len(p.facts))
	}
	for n, want := range []cluster.UnitState{changed[0], changed[1]} {
		got, _ := p.facts["state "+string(m.ID)+" "+string(unitName(n))].(cluster.StateChanged)
		want.Revision = got.State.Revision
		if got.State != want {
			s.Errorf("got %+v, want %+v", got.State, want)
		}
	}
	read, err := s.store.States(ctx, m.ID)
	if want := p.facts["state "+string(m.ID)+" "+string(unitName(0))]; err != nil || len(read) != 299 || (cluster.StateChanged{State: read[0]}) != want {
		s.Errorf("read %d states (%v), want 299 of which the first is %+v", len(read), err, want)
	}
	if others, err := s.store.States(ctx, machineID(2)); err != nil || len(others) != 0 {
		s.Errorf("read %v, %v of a machine without states", others, err)
	}
	if err := s.store.PutStates(ctx, m.Lease, m.ID, nil, nil); err != nil {
		s.Errorf("no states at all: %v", err)
	}
}
