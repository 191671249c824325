package memstore

import (
	"context"
	"fmt"

	"argosy/core/cluster"
)

// MarkUnused marks texts; a unit that is written with one takes its mark away.
func (s *Store) MarkUnused(ctx context.Context, term cluster.Leader, hashes []cluster.Hash) (mark int64, err error) {
	if err := s.enter(ctx); err != nil {
		return 0, err
	}
	defer s.mu.Unlock()
	if !s.leads(term) {
		return 0, fmt.Errorf("mark %d texts as unused: %w", len(hashes), cluster.ErrDeposed)
	}
	s.revision++
	s.writes++
	for _, hash := range hashes {
		s.marks[hash] = s.revision
	}
	return s.revision, nil
}

// Collect ends the texts that are still marked as MarkUnused has marked them.
func (s *Store) Collect(ctx context.Context, term cluster.Leader, mark int64, hashes []cluster.Hash) (collected int, err error) {
	if err := s.enter(ctx); err != nil {
		return 0, err
	}
	defer s.mu.Unlock()
	if !s.leads(term) {
		return 0, fmt.Errorf("collect %d texts: %w", len(hashes), cluster.ErrDeposed)
	}
	var changes []change
	for _, hash := range hashes {
		if s.marks[hash] == mark {
			delete(s.marks, hash)
			changes = append(changes, change{key: contentKey(hash), gone: cluster.ContentGone{Hash: hash}})
		}
	}
	s.write(changes...)
	return len(changes), nil
}
