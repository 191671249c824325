package storetest

import (
	"errors"
	"reflect"
	"strings"
	"time"

	"argosy/core/cluster"
	"argosy/core/schedule"
)

func testLabels(s *suite) {
	ctx, id := s.Context(), machineID(1) // that was never seen
	if _, err := s.store.Labels(ctx, id); !errors.Is(err, cluster.ErrNotFound) {
		s.Errorf("labels that are not there: %v, want ErrNotFound", err)
	}
	if _, err := s.store.PutLabels(ctx, cluster.Labels{Machine: id}); err != nil {
		s.Errorf("no labels in place of none: %v", err)
	}
	f := s.follow(cluster.Everything)
	f.next()
	at := time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)
	first := s.putLabels(cluster.Labels{Machine: id, Set: map[string]string{"region": "öland", "disk": ""}, By: "core", At: at})
	if got := f.next(); !reflect.DeepEqual(got.Events, []cluster.Event{cluster.LabelsChanged{Labels: first}}) {
		s.Errorf("told %+v, want %+v", got.Events, first)
	}
	if got, err := s.store.Labels(ctx, id); err != nil || !reflect.DeepEqual(got, first) {
		s.Errorf("read %+v, %v, want %+v", got, err, first)
	}
	fresh := first
	fresh.Revision = 0
	if _, err := s.store.PutLabels(ctx, fresh); !errors.Is(err, cluster.ErrConflict) {
		s.Errorf("first labels over others: %v, want ErrConflict", err)
	}
	second := first
	second.Set = map[string]string{"region": "hamburg"}
	second = s.putLabels(second)
	if second.Revision <= first.Revision {
		s.Errorf("revision went from %d to %d", first.Revision, second.Revision)
	}
	f.next()
	ending := first
	ending.Set = nil
	if _, err := s.store.PutLabels(ctx, ending); !errors.Is(err, cluster.ErrConflict) {
		s.Errorf("an end from an old revision: %v, want ErrConflict", err)
	}

	// Machines come and go; what is said of them stays.
	m := s.putMachine(1)
	f.next()
	if err := s.store.RevokeLease(ctx, m.Lease); err != nil {
		s.Fatal(err)
	}
	if got := f.next(); !reflect.DeepEqual(got.Events, []cluster.Event{cluster.MachineGone{ID: id}}) {
		s.Errorf("told %+v, want the machine gone and no more", got.Events)
	}
	if got := s.all(cluster.Everything); !reflect.DeepEqual(got.Events, []cluster.Event{cluster.LabelsChanged{Labels: second}}) {
		s.Errorf("a new follower is told %+v, want %+v", got.Events, second)
	}
	ending.Revision = second.Revision
	s.putLabels(ending)
	if got := f.next(); !reflect.DeepEqual(got.Events, []cluster.Event{cluster.LabelsGone{Machine: id}}) {
		s.Errorf("told %+v, want the labels gone", got.Events)
	}
	if _, err := s.store.Labels(ctx, id); !errors.Is(err, cluster.ErrNotFound) {
		s.Errorf("labels that have ended: %v, want ErrNotFound", err)
	}
	if _, err := s.store.PutLabels(ctx, second); !errors.Is(err, cluster.ErrConflict) {
		s.Errorf("renew labels that have ended: %v, want ErrConflict", err)
	}
}

func testMalformedLabels(s *suite) {
	for _, id := range []cluster.MachineID{"", "core-01", machineID(1) + "0", "../x", cluster.MachineID(strings.Repeat("A", 32))} {
		if _, err := s.store.PutLabels(s.Context(), cluster.Labels{Machine: id, Set: map[string]string{"a": "b"}}); err == nil {
			s.Errorf("labels of a machine with the id %q were stored", id)
		}
	}
	if got := s.all(cluster.Everything); len(got.Events) != 0 {
		s.Errorf("after only refusals the store holds %v", got.Events)
	}
}

// testLabelled commits placements decided from what was said of their machine, and
// from what was not, some side by side in one transaction.
func testLabelled(s *suite) {
	plain, labelled := s.putMachine(1), s.putMachine(2)
	term := s.takeLead(plain.ID)
	before := s.putLabels(cluster.Labels{Machine: labelled.ID, Set: map[string]string{"region": "hamburg"}})
	now := before
	now.Set = map[string]string{"region": "öland"}
	now = s.putLabels(now)
	decided := func(n int, m cluster.Machine, labels int64) schedule.Change {
		place := placed(s.putUnit(aUnit(unitName(n), "a"), "a"), m)
		place.LabelsRevision = labels
		return place
	}
	for _, c := range []struct{ stands, others []schedule.Change }{
		{[]schedule.Change{decided(0, plain, 0)}, []schedule.Change{decided(1, plain, now.Revision)}},
		{[]schedule.Change{decided(2, labelled, now.Revision)}, []schedule.Change{decided(3, labelled, before.Revision), decided(4, labelled, 0)}},
	} {
		events, err := s.store.Commit(s.Context(), term, append(c.stands, c.others...))
		if !errors.Is(err, cluster.ErrConflict) || len(events) != 1 ||
			events[0].(cluster.PlacementChanged).Placement.Unit != c.stands[0].(schedule.Place).Placement.Unit {
			s.Errorf("placed %+v, %v; want the first and ErrConflict", events, err)
		}
	}
	now.Set = nil
	s.putLabels(now)
	s.commit(term, decided(5, labelled, 0))
}

func (s *suite) putLabels(l cluster.Labels) cluster.Labels {
	s.Helper()
	written, err := s.store.PutLabels(s.Context(), l)
	if err != nil {
		s.Fatalf("put labels of %s: %v", l.Machine, err)
	}
	return written
}
