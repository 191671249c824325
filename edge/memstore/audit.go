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

// Audit hands over the entries that are asked for, in the order of their revisions.
func (s *Store) Audit(ctx context.Context, query access.AuditQuery, deliver func(access.Entry) error) error {
	if err := s.enter(ctx); err != nil {
		return err
	}
	asked := slices.DeleteFunc(slices.Clone(s.audit), func(e access.Entry) bool {
		return e.Revision <= query.After || e.At.Before(query.Since)
	})
	s.mu.Unlock()
	if query.Last > 0 {
		asked = asked[max(0, len(asked)-query.Last):]
	}
	for _, e := range asked {
		if err := deliver(e); err != nil {
			return err
		}
	}
	return nil
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
