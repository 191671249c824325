package storetest

import (
	"errors"

	"argosy/core/cluster"
)

// testUnused checks that a text is collected only when no unit was written with
// it since it was marked.
func testUnused(s *suite) {
	ctx := s.Context()
	m := s.putMachine(1)
	term := s.takeLead(m.ID)
	texts := []string{"left alone", "used again", "marked again", "never there"}
	var hashes []cluster.Hash
	for n, text := range texts {
		hashes = append(hashes, cluster.HashOf(text))
		if text != "never there" {
			unit := s.putUnit(aUnit(unitName(n), text), text)
			if err := s.store.DeleteUnit(ctx, unit.Name, unit.Revision); err != nil {
				s.Fatal(err)
			}
		}
	}
	mark, err := s.store.MarkUnused(ctx, term, hashes)
	if err != nil || mark <= term.Revision {
		s.Fatalf("mark: revision %d after %d, %v", mark, term.Revision, err)
	}
	if heard := s.all(cluster.Everything); heard.Revision < mark {
		s.Errorf("a follower knows up to %d after a mark at %d", heard.Revision, mark)
	}
	used := s.putUnit(aUnit("again.service", "used again"), "used again")
	if used.Revision <= mark {
		s.Errorf("a unit written after the mark %d has revision %d", mark, used.Revision)
	}
	second, err := s.store.MarkUnused(ctx, term, hashes[2:3])
	if err != nil {
		s.Fatal(err)
	}
	if n, err := s.store.Collect(ctx, term, mark, hashes); err != nil || n != 2 {
		s.Errorf("collected %d, %v; want the one that was left alone and the one that never was", n, err)
	}
	for n, there := range []bool{false, true, true, false} {
		if _, err := s.store.Content(ctx, hashes[n]); (err == nil) != there || err != nil && !errors.Is(err, cluster.ErrNotFound) {
			s.Errorf("text %q: %v, want it there: %v", texts[n], err, there)
		}
	}
	if n, err := s.store.Collect(ctx, term, second, hashes); err != nil || n != 1 {
		s.Errorf("collected %d at the second mark, %v; want 1", n, err)
	}
	fresh := s.putUnit(aUnit("fresh.service", "left alone"), "left alone")
	if text, err := s.store.Content(ctx, fresh.Hash); err != nil || text != "left alone" {
		s.Errorf("a collected text that is written again: %q, %v", text, err)
	}
	s.deposedCollects(term, hashes)
}

// deposedCollects checks that collecting ends with the term (law 3).
func (s *suite) deposedCollects(old cluster.Leader, hashes []cluster.Hash) {
	s.Helper()
	ctx := s.Context()
	mark, err := s.store.MarkUnused(ctx, old, hashes)
	if err != nil {
		s.Fatal(err)
	}
	if _, err := s.store.TakeLead(ctx, old); err != nil {
		s.Fatal(err)
	}
	if _, err := s.store.MarkUnused(ctx, old, hashes); !errors.Is(err, cluster.ErrDeposed) {
		s.Errorf("a deposed leader marks: %v, want ErrDeposed", err)
	}
	if n, err := s.store.Collect(ctx, old, mark, hashes); n != 0 || !errors.Is(err, cluster.ErrDeposed) {
		s.Errorf("a deposed leader collects %d: %v, want ErrDeposed", n, err)
	}
}
