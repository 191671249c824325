package memstore

import (
	"context"
	"slices"

	"argosy/core/access"
)

// noted keeps what a transaction has just done, with its revision.
func (s *Store) noted(done []access.Entry) {
	for _, e := range done {
		e.Revision = s.revision
		s.audit = append(s.audit, e)
	}
}

// Record adds an entry of what is written nowhere else.
func (s *Store) Record(ctx context.Context, e access.Entry) error {
	if err := s.enter(ctx); err != nil {
		return err
	}
	defer s.mu.Unlock()
	s.revision++
	s.writes++
	s.noted([]access.Entry{e})
	return nil
}

// Audit returns at most most entries behind revision after, in order, and whether
// there are more.
func (s *Store) Audit(ctx context.Context, after int64, most int) (entries []access.Entry, more bool, err error) {
	if err := s.enter(ctx); err != nil {
		return nil, false, err
	}
	defer s.mu.Unlock()
	from := slices.IndexFunc(s.audit, func(e access.Entry) bool { return e.Revision > after })
	if from < 0 {
		return nil, false, nil
	}
	to := min(from+most, len(s.audit))
	return slices.Clone(s.audit[from:to]), to < len(s.audit), nil
}

// TrimAudit ends the oldest entries of each shelf that has more than it is to keep.
func (s *Store) TrimAudit(ctx context.Context, keeps func(access.Shelf) int) (ended int64, err error) {
	if err := s.enter(ctx); err != nil {
		return 0, err
	}
	defer s.mu.Unlock()
	over := map[access.Shelf]int{}
	for _, e := range s.audit {
		over[e.Shelf()]++
	}
	for shelf := range over {
		over[shelf] -= keeps(shelf)
	}
	before := len(s.audit)
	s.audit = slices.DeleteFunc(s.audit, func(e access.Entry) bool {
		over[e.Shelf()]--
		return over[e.Shelf()] >= 0
	})
	return int64(before - len(s.audit)), nil
}
