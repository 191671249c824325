package storetest

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"sync"

	"argosy/core/cluster"
)

func testFollow(s *suite) {
	empty := s.all(cluster.Everything)
	if !empty.Reset || len(empty.Events) > 0 || empty.Revision == 0 {
		s.Errorf("a new store: %+v, want an empty Reset with a revision", empty)
	}
	first := s.putUnit(aUnit("a.service", "a"), "a")
	f := s.follow(cluster.Everything)
	if got := f.next(); !got.Reset || len(got.Events) != 2 || got.Revision < first.Revision {
		s.Fatalf("first batch %+v, want a Reset with a unit and its text", got)
	}
	b := s.putUnit(aUnit("b.service", "b"), "b")
	got := f.next()
	want := []cluster.Event{cluster.ContentChanged{Hash: b.Hash, Text: "b"}, cluster.UnitChanged{Unit: b}}
	if got.Reset || got.Revision != b.Revision || !sameFacts(got.Events, want) {
		s.Errorf("one transaction, got %+v, want %+v at %d in one batch", got, want, b.Revision)
	}
	b.Desired = cluster.Loaded
	b = s.putUnit(b, "b")
	if got := f.next(); !reflect.DeepEqual(got.Events, []cluster.Event{cluster.UnitChanged{Unit: b}}) {
		s.Errorf("got %+v, want %+v", got, b)
	}
	if err := s.store.DeleteUnit(s.Context(), b.Name, b.Revision); err != nil {
		s.Fatal(err)
	}
	if got := f.next(); !reflect.DeepEqual(got.Events, []cluster.Event{cluster.UnitGone{Name: b.Name}}) {
		s.Errorf("got %+v, want the unit gone", got)
	}
}

func testAssigned(s *suite) {
	m, other := s.putMachine(1), s.putMachine(2)
	term := s.takeLead(m.ID)
	mine, others := s.putUnit(aUnit("mine.service", "a"), "a"), s.putUnit(aUnit("others.service", "a"), "a")
	f := s.follow(cluster.Assigned(m.ID))
	if got := f.next(); !got.Reset || len(got.Events) > 0 {
		s.Errorf("first batch %+v, want an empty Reset", got)
	}
	s.commit(term, placed(others, other))
	events := s.commit(term, placed(mine, m), placed(others, other))
	if got := f.next(); !reflect.DeepEqual(got.Events, events[:1]) {
		s.Errorf("got %+v, want the machine's own placement alone: %+v", got, events[:1])
	}
	move := placed(mine, other)
	move.From = m.ID
	s.commit(term, move)
	if got := f.next(); !reflect.DeepEqual(got.Events, []cluster.Event{cluster.PlacementGone{Machine: m.ID, Unit: mine.Name}}) {
		s.Errorf("got %+v, want the placement gone", got)
	}
}

// testConcurrent has followers that start while others write, and compares
// them all with what stands in the end.
func testConcurrent(s *suite) {
	const writers, each = 4, 40
	var work sync.WaitGroup
	failed := make(chan error, writers)
	for w := range writers {
		work.Go(func() {
			for n := range each {
				name := cluster.UnitName(fmt.Sprintf("w%d-%d.service", w, n%7))
				unit := aUnit(name, string(name))
				written, err := s.store.PutUnit(s.Context(), unit, string(name))
				if err == nil {
					err = s.store.DeleteUnit(s.Context(), name, written.Revision)
				}
				if err != nil {
					failed <- err
					return
				}
			}
			if _, err := s.store.PutUnit(s.Context(), aUnit(unitName(w), "last"), "last"); err != nil {
				failed <- err
			}
		})
	}
	followers := make([]*follower, 3)
	pictures := make([]*picture, len(followers))
	for i := range followers {
		followers[i], pictures[i] = s.follow(cluster.Everything), &picture{}
		if err := pictures[i].learn(followers[i].next()); err != nil {
			s.Error(err)
		}
	}
	work.Wait()
	close(failed)
	for err := range failed {
		s.Error(err)
	}
	end := &picture{}
	if err := end.learn(s.all(cluster.Everything)); err != nil {
		s.Error(err)
	}
	for i, f := range followers {
		f.until(end.revision, pictures[i])
		if !reflect.DeepEqual(pictures[i], end) {
			s.Errorf("follower %d knows %+v, want %+v", i, pictures[i], end)
		}
	}
}

func testConfirm(s *suite) {
	unit := s.putUnit(aUnit("a.service", "a"), "a")
	for _, scope := range []cluster.Scope{cluster.Everything, cluster.Assigned(machineID(1))} {
		f := s.follow(scope)
		f.next()
		got := f.any()
		if got.Reset || len(got.Events) > 0 || got.Revision < unit.Revision {
			s.Errorf("an idle store: %+v, want an empty batch that confirms revision %d", got, unit.Revision)
		}
		// What others write moves the confirmed revision of a narrow scope too.
		unit.Generation++
		unit = s.putUnit(unit, "a")
		for got.Revision < unit.Revision {
			got = f.any()
		}
	}
}

func testFollowEnds(s *suite) {
	enough := errors.New("enough")
	err := s.store.Follow(s.Context(), cluster.Everything, func(cluster.Batch) error { return enough })
	if !errors.Is(err, enough) {
		s.Errorf("Follow: %v, want what deliver said", err)
	}
	ctx, cancel := context.WithCancel(s.Context())
	err = s.store.Follow(ctx, cluster.Everything, func(cluster.Batch) error { cancel(); return nil })
	if !errors.Is(err, context.Canceled) {
		s.Errorf("Follow: %v, want the context's end", err)
	}
	_, err = s.store.PutUnit(ctx, aUnit("a.service", "a"), "a")
	if !errors.Is(err, context.Canceled) || errors.Is(err, cluster.ErrUnavailable) {
		s.Errorf("a call whose caller has gone: %v, want the context's end", err)
	}
}
