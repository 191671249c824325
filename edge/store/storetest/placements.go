package storetest

import (
	"errors"
	"reflect"

	"argosy/core/cluster"
	"argosy/core/schedule"
)

// testPlacement: what is read of one placement is what stands there now, with the
// revision that grows with each placement of the unit, on whichever machine.
func testPlacement(s *suite) {
	ctx := s.Context()
	m, other := s.putMachine(1), s.putMachine(2)
	unit := s.putUnit(aUnit("db.service", "a"), "a")
	term := s.takeLead(m.ID)
	if _, err := s.store.Placement(ctx, m.ID, unit.Name); !errors.Is(err, cluster.ErrNotFound) {
		s.Errorf("a placement that is not there: %v, want ErrNotFound", err)
	}
	last := unit.Revision
	for _, on := range []cluster.Machine{m, other, m} {
		place := placed(unit, on)
		if on.ID == m.ID {
			place.From = other.ID
		} else {
			place.From = m.ID
		}
		s.commit(term, place)
		got, err := s.store.Placement(ctx, on.ID, unit.Name)
		if err != nil || got.Revision <= last {
			s.Errorf("got %+v, %v; want a revision above %d", got, err, last)
		}
		if all, err := s.store.Placements(ctx, on.ID); err != nil || !reflect.DeepEqual(all, []cluster.Placement{got}) {
			s.Errorf("all placements: %+v, %v; want %+v", all, err, got)
		}
		last, got.Revision = got.Revision, 0
		if !reflect.DeepEqual(got, place.Placement) {
			s.Errorf("got %+v, want %+v", got, place.Placement)
		}
		if _, err := s.store.Placement(ctx, place.From, unit.Name); !errors.Is(err, cluster.ErrNotFound) {
			s.Errorf("the placement before: %v, want ErrNotFound", err)
		}
		if all, err := s.store.Placements(ctx, place.From); err != nil || len(all) != 0 {
			s.Errorf("the placements before: %+v, %v; want none", all, err)
		}
	}
}

// testFromGone: what may move once a machine is gone does not when it is back.
func testFromGone(s *suite) {
	m, other := s.putMachine(1), s.putMachine(2)
	unit := s.putUnit(aUnit("db.service", "a"), "a")
	term := s.takeLead(other.ID)
	s.commit(term, placed(unit, m))
	move := placed(unit, other)
	move.From, move.FromGone = m.ID, true
	if _, err := s.store.Commit(s.Context(), term, []schedule.Change{move}); !errors.Is(err, cluster.ErrConflict) {
		s.Errorf("moved from a machine that is there: %v, want ErrConflict", err)
	}
	if _, err := s.store.Placement(s.Context(), m.ID, unit.Name); err != nil {
		s.Error(err)
	}
	if err := s.store.RevokeLease(s.Context(), m.Lease); err != nil {
		s.Fatal(err)
	}
	s.commit(term, move)
	if _, err := s.store.Placement(s.Context(), other.ID, unit.Name); err != nil {
		s.Error(err)
	}
}
