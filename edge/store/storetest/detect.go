package storetest

import (
	"errors"
	"reflect"
	"time"

	"argosy/core/cluster"
)

func probes(machine int, targets ...int) cluster.Probes {
	p := cluster.Probes{Machine: machineID(machine)}
	for _, n := range targets {
		p.Targets = append(p.Targets, cluster.Target{
			Machine: machineID(n), Address: "10.0.0.1", Others: []cluster.Peer{{Machine: machineID(9), Address: "fd00::9"}},
		})
	}
	return p
}

// told compares what a follower is told next, whatever the order.
func (s *suite) told(f *follower, want ...cluster.Event) {
	s.Helper()
	batch := f.next()
	if !sameFacts(batch.Events, want) {
		s.Errorf("told %+v, want %+v", batch.Events, want)
	}
}

// last is the revision of what was written last.
func (s *suite) last() int64 { return s.all(cluster.Everything).Revision }

func testAssign(s *suite) {
	ctx := s.Context()
	term := s.takeLead(machineID(1))
	mine, others := s.follow(cluster.Assigned(machineID(1))), s.follow(cluster.Assigned(machineID(2)))
	mine.next()
	others.next()
	first := probes(1, 2, 3)
	if err := s.store.Assign(ctx, term, []cluster.Probes{first, probes(4, 1)}); err != nil {
		s.Fatal(err)
	}
	first.Revision = s.last()
	s.told(mine, cluster.ProbesChanged{Probes: first})
	if err := s.store.Assign(ctx, term, []cluster.Probes{probes(1), probes(2, 1), probes(7)}); err != nil {
		s.Fatal(err)
	}
	s.told(mine, cluster.ProbesGone{Machine: machineID(1)})
	second := probes(2, 1)
	second.Revision = s.last()
	s.told(others, cluster.ProbesChanged{Probes: second}) // and nothing before that
	if err := s.store.Resign(ctx, term); err != nil {
		s.Fatal(err)
	}
	if err := s.store.Assign(ctx, term, []cluster.Probes{first}); !errors.Is(err, cluster.ErrDeposed) {
		s.Errorf("a deposed leader assigns: %v, want ErrDeposed", err)
	}
	var many []cluster.Probes
	for n := range 250 {
		many = append(many, probes(n, n+1))
	}
	term = s.takeLead(machineID(1))
	if err := s.store.Assign(ctx, term, many); err != nil {
		s.Fatal(err)
	}
	if got := s.all(cluster.Everything); len(got.Events) != len(many)+1 { // and the leader
		s.Errorf("%d facts of %d assignments", len(got.Events), len(many))
	}
}

func testSuspicions(s *suite) {
	ctx, prober := s.Context(), s.putMachine(1)
	f := s.follow(cluster.Everything)
	f.next()
	at := time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)
	word := cluster.Suspicion{Target: machineID(2), Since: at, Reaches: []cluster.MachineID{machineID(3)}}
	never := cluster.Suspicion{Target: machineID(4), Since: at, Never: true}
	if err := s.store.PutSuspicions(ctx, prober.Lease, prober.ID, []cluster.Suspicion{word, never}, []cluster.MachineID{machineID(5)}); err != nil {
		s.Fatal(err)
	}
	word.Prober, never.Prober = prober.ID, prober.ID
	word.Revision = s.last()
	never.Revision = word.Revision
	s.told(f, cluster.SuspicionChanged{Suspicion: word}, cluster.SuspicionChanged{Suspicion: never})
	if err := s.store.PutSuspicions(ctx, prober.Lease, prober.ID, nil, []cluster.MachineID{word.Target}); err != nil {
		s.Fatal(err)
	}
	s.told(f, cluster.SuspicionGone{Target: word.Target, Prober: prober.ID})
	if err := s.store.RevokeLease(ctx, prober.Lease); err != nil {
		s.Fatal(err)
	}
	s.told(f, cluster.MachineGone{ID: prober.ID}, cluster.SuspicionGone{Target: never.Target, Prober: prober.ID})
	for _, lease := range []int64{0, prober.Lease} {
		err := s.store.PutSuspicions(ctx, lease, prober.ID, []cluster.Suspicion{word}, nil)
		if !errors.Is(err, cluster.ErrLeaseGone) {
			s.Errorf("a word under lease %x: %v, want ErrLeaseGone", lease, err)
		}
	}
}

func testEndMachine(s *suite) {
	ctx := s.Context()
	m := s.putMachine(1)
	term := s.takeLead(machineID(2))
	if err := s.store.PutStates(ctx, m.Lease, m.ID, []cluster.UnitState{{Unit: unitName(1)}}, nil); err != nil {
		s.Fatal(err)
	}
	before := m
	m.Note = "news"
	m, err := s.store.PutMachine(ctx, m)
	if err != nil {
		s.Fatal(err)
	}
	if err := s.store.EndMachine(ctx, term, before); !errors.Is(err, cluster.ErrConflict) {
		s.Errorf("end a record that has changed: %v, want ErrConflict", err)
	}
	if err := s.store.EndMachine(ctx, cluster.Leader{Revision: 1}, m); !errors.Is(err, cluster.ErrDeposed) {
		s.Errorf("end a record in a term that is over: %v, want ErrDeposed", err)
	}
	if got, err := s.store.Machine(ctx, m.ID); err != nil || !reflect.DeepEqual(got, m) {
		s.Errorf("after two that failed: %+v, %v, want %+v", got, err, m)
	}
	if err := s.store.EndMachine(ctx, term, m); err != nil {
		s.Fatal(err)
	}
	if _, err := s.store.Machine(ctx, m.ID); !errors.Is(err, cluster.ErrNotFound) {
		s.Errorf("the record that was ended: %v, want ErrNotFound", err)
	}
	if err := s.store.KeepAlive(ctx, m.Lease); err != nil {
		s.Errorf("the lost machine's lease: %v", err)
	}
	for _, gone := range []cluster.Machine{m, {ID: machineID(3)}} {
		if err := s.store.EndMachine(ctx, term, gone); !errors.Is(err, cluster.ErrConflict) {
			s.Errorf("end a record that is not there: %v, want ErrConflict", err)
		}
	}
}

func testDepart(s *suite) {
	ctx, m := s.Context(), s.putMachine(1)
	f := s.follow(cluster.Everything)
	f.next()
	at := time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)
	if err := s.store.Depart(ctx, m.ID, m.Lease+1, at); !errors.Is(err, cluster.ErrConflict) {
		s.Errorf("leave with another's lease: %v, want ErrConflict", err)
	}
	if err := s.store.Depart(ctx, m.ID, m.Lease, at); err != nil {
		s.Fatal(err)
	}
	left := cluster.Departed{Machine: m.ID, Revision: s.last(), At: at}
	s.told(f, cluster.MachineGone{ID: m.ID}, cluster.DepartedChanged{Departed: left})
	if err := s.store.Depart(ctx, m.ID, m.Lease, at); !errors.Is(err, cluster.ErrConflict) {
		s.Errorf("leave twice: %v, want ErrConflict", err)
	}
	if err := s.store.Depart(ctx, machineID(2), 0, at); !errors.Is(err, cluster.ErrConflict) {
		s.Errorf("leave without a record: %v, want ErrConflict", err)
	}
	m.Revision = 0
	m, err := s.store.PutMachine(ctx, m)
	if err != nil {
		s.Fatal(err)
	}
	s.told(f, cluster.MachineChanged{Machine: m}, cluster.DepartedGone{Machine: m.ID})
}

func testMalformedDetection(s *suite) {
	ctx, m := s.Context(), s.putMachine(1)
	term := s.takeLead(m.ID)
	const bad cluster.MachineID = "core-01"
	for what, err := range map[string]error{
		"assign":   s.store.Assign(ctx, term, []cluster.Probes{{Machine: bad, Targets: probes(1, 2).Targets}}),
		"prober":   s.store.PutSuspicions(ctx, m.Lease, bad, []cluster.Suspicion{{Target: m.ID}}, nil),
		"target":   s.store.PutSuspicions(ctx, m.Lease, m.ID, []cluster.Suspicion{{Target: bad}}, nil),
		"withdraw": s.store.PutSuspicions(ctx, m.Lease, m.ID, nil, []cluster.MachineID{bad}),
		"end":      s.store.EndMachine(ctx, term, cluster.Machine{ID: bad}),
		"depart":   s.store.Depart(ctx, bad, m.Lease, time.Time{}),
	} {
		if err == nil {
			s.Errorf("%s: a machine called %q was taken", what, bad)
		}
	}
	if got := s.all(cluster.Everything); len(got.Events) != 2 { // the machine, the leader
		s.Errorf("after only refusals the store holds %+v", got.Events)
	}
}
