package memstore

import (
	"context"
	"time"

	"argosy/core/access"
	"argosy/core/cluster"
)

// Secure does nothing: nobody else reaches a store in memory.
func (s *Store) Secure(ctx context.Context) error {
	if err := s.enter(ctx); err != nil {
		return err
	}
	defer s.mu.Unlock()
	return nil
}

// Enrol refuses what edge/store's refuses and does nothing else: here everybody may
// do everything.
func (s *Store) Enrol(ctx context.Context, worker cluster.MachineID) error {
	if err := checkNames(worker); err != nil {
		return err
	}
	return s.Secure(ctx)
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
