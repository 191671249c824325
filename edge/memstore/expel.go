package memstore

import (
	"context"
	"time"

	"argosy/core/access"
)

// Secure does nothing: nobody else reaches a store in memory.
func (s *Store) Secure(ctx context.Context) error {
	if err := s.enter(ctx); err != nil {
		return err
	}
	defer s.mu.Unlock()
	return nil
}

// Expel refuses a subject's certificates and, of a machine, ends what it has said.
func (s *Store) Expel(ctx context.Context, subject access.Subject, by string, at time.Time, done ...access.Entry) (access.Revocation, error) {
	revoked, err := s.Revoke(ctx, subject, by, at, done...)
	if err != nil || subject.Machine == "" {
		return revoked, err
	}
	if err := s.enter(ctx); err != nil {
		return revoked, err
	}
	defer s.mu.Unlock()
	if record, there := s.facts[machineKey(subject.Machine)]; there {
		s.depart(subject.Machine, at)
		s.end(record.lease)
	}
	return revoked, nil
}
